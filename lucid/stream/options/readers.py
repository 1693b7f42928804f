"""Values of options from the texts that a command line has."""

import math
import re


def read_int(text: str) -> int:
    """Return the whole number that a text says."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, got {text}") from None


def read_ratio(text: str) -> int | float:
    """Return a whole number, or infinity from 'inf'."""
    return math.inf if text.strip().lower() == "inf" else read_int(text)


def read_slice(text: str) -> slice:
    """Return what is meant by '3', '0:256', '0:256:2', as Python means it."""
    parts = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if not 0 < len(numbers) <= 3 or numbers == [None]:
        raise ValueError(f"must be START:STOP or START:STOP:STEP, got {text}")
    if len(numbers) == 1:
        only = numbers[0] or 0
        return slice(only, only + 1 or None)
    return slice(*numbers)


def read_size(text: str) -> tuple[int, int]:
    """Return (height, width) from '7' or '7x5'."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text, re.IGNORECASE)
    if not match:
        raise ValueError(f"must be HxW, such as 7x5, or one number for both, got {text}")
    return int(match[1]), int(match[2] or match[1])


def read_scale(text: str) -> tuple[float, float]:
    """Return (y, x) from '0.5', '1/16' or '1/16,1/8'."""
    try:
        parts = [read_number(part) for part in text.split(",")]
        vertical, horizontal = parts if len(parts) == 2 else parts * 2
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"must be a number such as 1/16, or a pair SY,SX, got {text}") from None
    return vertical, horizontal


def read_number(text: str) -> float:
    """Return a number, or the quotient that '1/16' says."""
    numerator, slash, denominator = text.partition("/")
    return float(numerator) / float(denominator) if slash else float(text)
