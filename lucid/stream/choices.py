"""Checks of which rows of a table are meant; they need no NumPy."""

import re
from operator import index
from typing import Any, SupportsIndex

Rows = tuple[slice, ...]


def as_rows(value: Any) -> Rows:
    """Return rows as slices, from numbers, slices or text such as '3,17,100:200'.

    Examples
    --------
    >>> as_rows("3,100:200")
    (slice(3, 4, None), slice(100, 200, None))
    """
    if isinstance(value, str):
        return tuple(_range(part) for part in value.split(","))
    if isinstance(value, slice):
        return (value,)
    if hasattr(value, "__index__"):
        value = [value]
    return tuple(
        row if isinstance(row, slice) else slice(index(row), index(row) + 1) for row in value
    )


def _range(text: str) -> slice:
    match = re.fullmatch(r"\s*(\d+)(?:(:)(\d+))?\s*", text)
    if not match or (match[2] and int(match[3]) <= int(match[1])):
        raise ValueError(
            f"rows must be numbers from 0 and ranges with an exclusive end, as 3,17,100:200, "
            f"got {text!r}"
        )
    first = int(match[1])
    return slice(first, int(match[3]) if match[2] else first + 1)


def as_count(name: str, least: int = 0) -> Any:
    """Return a check that a value is a whole number, and not below the least."""

    def check(value: SupportsIndex) -> int:
        number = index(value)
        if number < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
        return number

    return check
