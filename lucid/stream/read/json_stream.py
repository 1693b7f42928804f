"""JSON read element by element, so that a million annotations are never in memory as objects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from lucid.errors import SourceError
from lucid.stream.read.texts import opened_text

BLOCK_CHARS = 1 << 18  # read at once
MAX_ELEMENT_CHARS = 1 << 26  # of one value; an annotation with a long outline has 2**16
SPACE = " \t\r\n"


def elements(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the elements of a file's arrays, each with the name of its array.

    The file is an array, whose name is '', or an object of values: of an array each element is
    yielded by itself, of anything else the value.

    Raises
    ------
    SourceError
        If the file is not JSON.
    """
    try:
        with opened_text(path) as stream:
            yield from _Reader(stream).document()
    except (ValueError, RecursionError) as error:
        fact = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise SourceError(f"{path} cannot be read as JSON: {fact}") from None


class _Reader:
    """A stream of text of which one value after the other is decoded."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._text, self._at = stream, "", 0
        self._lines = 1  # of which the last is the first of the text that is kept
        self._decode = json.JSONDecoder().raw_decode

    def document(self) -> Iterator[tuple[str, Any]]:
        """Yield the elements of the document."""
        start = self._next()
        if start == "[":
            yield from (("", element) for element in self._array())
        elif start == "{":
            yield from self._object()
        else:
            raise ValueError("it must be an object or an array")
        if self._next():
            raise ValueError("something follows the first value")

    def _object(self) -> Iterator[tuple[str, Any]]:
        for _ in self._items("{", "}"):
            name = self._value()
            if not isinstance(name, str) or self._next() != ":":
                raise ValueError("an object must have names and values")
            self._at += 1
            if self._next() == "[":
                yield from ((name, element) for element in self._array())
            else:
                yield name, self._value()

    def _array(self) -> Iterator[Any]:
        for _ in self._items("[", "]"):
            yield self._value()

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        """Yield once in front of each item between brackets."""
        self._expect(opening)
        if self._next() != closing:
            yield
            while self._next() == ",":
                self._at += 1
                yield
        self._expect(closing)

    def _expect(self, character: str) -> None:
        if self._next() != character:
            raise ValueError(f"{character!r} is missing")
        self._at += 1

    def _next(self) -> str:
        """Return the next character that is not space, '' at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _more(self, count: int = BLOCK_CHARS) -> bool:
        """Read on, and let go of what was decoded; return whether there was something."""
        block = self._stream.read(count)
        self._lines += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :] + block, 0
        return bool(block)

    def _value(self) -> Any:
        """Decode the next value, of which not all may have been read yet."""
        self._next()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except ValueError as error:
                fact = self._placed(error)
                if not self._more(max(len(self._text), BLOCK_CHARS)):
                    raise fact from None
            else:
                if end < len(self._text):
                    self._at = end
                    return value
                if not self._more():  # or else a number may go on
                    self._at = len(self._text)
                    return value
            if len(self._text) - self._at > MAX_ELEMENT_CHARS:
                raise ValueError(f"a value is longer than {MAX_ELEMENT_CHARS} characters")

    def _placed(self, error: ValueError) -> ValueError:
        """Return an error with its line in the file, where the decoder says it of the kept text."""
        if not isinstance(error, json.JSONDecodeError):
            return error
        return ValueError(f"line {self._lines + error.lineno - 1}: {error.msg}")
