"""Values of options from the texts that a command line has."""

import math
import re
from typing import TypeVar

Number = TypeVar("Number", int, float)


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


def read_size(text: str) -> int | tuple[int, ...]:
    """Return (height, width) from '7x5', three numbers from '7x7x5', or the one of '7'."""
    if not re.fullmatch(r"\d+(x\d+){0,2}", text, re.IGNORECASE):
        raise ValueError(
            f"must be HxW, such as 7x5, DxHxW for volumes, or one number for all axes, got {text}"
        )
    return one_or_all([int(part) for part in text.lower().split("x")])


def read_scale(text: str) -> float | tuple[float, ...]:
    """Return (y, x) from '1/16,1/8', three numbers from '1,1/2,1/2', or the one of '1/16'."""
    try:
        parts = [read_number(part) for part in text.split(",")]
        if len(parts) > 3:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            f"must be a number such as 1/16, or SY,SX, or SZ,SY,SX for volumes, got {text}"
        ) from None
    return one_or_all(parts)


def one_or_all(parts: list[Number]) -> Number | tuple[Number, ...]:
    """Return the only one of some numbers, or all of them."""
    return parts[0] if len(parts) == 1 else tuple(parts)


def read_number(text: str) -> float:
    """Return a number, or the quotient that '1/16' says."""
    numerator, slash, denominator = text.partition("/")
    return float(numerator) / float(denominator) if slash else float(text)
