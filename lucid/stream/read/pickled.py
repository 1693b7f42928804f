"""Pickles, of which dicts, lists, tuples, numbers and texts are made, and nothing is run.

What a pickle names beyond these is handed to its reader as a name. Nothing is imported or called.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

MOST_BYTES = 64 << 20
FEWEST_STEPS, MOST_STEPS = 1 << 20, 1 << 23
MOST_LONG_BYTES = 64
PLAIN = (str, int, float, bytes, type(None))  # what keys of dicts are


class Reader(NamedTuple):
    """What makes of a pickle's names and references what they stand for; it may raise."""

    named: Callable[[str], Any]  # from a dotted name
    called: Callable[[Any, Any], Any]  # from what was named, and arguments
    referred: Callable[[Any], Any]  # from a reference to something outside of the pickle


class Pickle:
    """A pickle that is being read.

    Parameters
    ----------
    data : bytes
        Of protocol 2 or newer.
    reader : Reader
        Of names.
    steps : int
        The most that it may take.
    """

    def __init__(self, data: bytes, reader: Reader, steps: int) -> None:
        self._data, self._reader, self._steps = data, reader, steps
        self._at = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Return what it holds; raise any error if it is damaged, or of other things."""
        for _ in range(self._steps):
            code = self._data[self._at : self._at + 1]
            self._at += 1
            if code == b".":
                return self._stack.pop()
            if code not in STEPS:
                raise ValueError(f"it does what is not read: {code!r} at byte {self._at - 1}")
            STEPS[code](self)
        raise ValueError(f"it takes more than {self._steps} steps")

    def bytes(self, count: int) -> bytes:
        """Return so many bytes that come next."""
        found = self._data[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("it is cut off")
        self._at += count
        return found

    def number(self, form: Struct) -> Any:
        """Return a number that comes next."""
        return form.unpack(self.bytes(form.size))[0]

    def line(self) -> str:
        """Return a text that comes next, up to the end of its line."""
        end = self._data.index(b"\n", self._at)
        text = self._data[self._at : end].decode()
        self._at = end + 1
        return text

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def mark(self) -> None:
        """Remember how high the stack is."""
        self._marks.append(len(self._stack))

    def marked(self) -> list[Any]:
        """Take what is on the stack from the last mark on."""
        height = self._marks.pop()
        found = self._stack[height:]
        del self._stack[height:]
        return found

    def few(self, count: int) -> tuple[Any, ...]:
        """Take so many values from the stack."""
        return tuple([self._stack.pop() for _ in range(count)][::-1])

    def put(self, key: int) -> None:
        """Remember what is on top of the stack."""
        self._memo[key] = self._stack[-1]

    def memoize(self) -> None:
        """Remember what is on top of the stack, by the next number."""
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, key: int) -> None:
        """Put what was remembered on the stack."""
        self._stack.append(self._memo[key])

    def append(self, values: list[Any] | tuple[Any, ...]) -> None:
        """Append values to the list on top of the stack."""
        top = self._stack[-1]
        if type(top) is not list:
            raise ValueError("it appends to what is no list")
        top.extend(values)

    def set(self, values: list[Any] | tuple[Any, ...]) -> None:
        """Set keys and values in the dict on top of the stack."""
        top = self._stack[-1]
        if type(top) is not dict:
            raise ValueError("it sets keys of what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            parts = key if type(key) is tuple else (key,)
            if not all(isinstance(part, PLAIN) for part in parts):
                raise ValueError("it has a key that is neither number nor text")
            top[key] = value

    def name(self, module: Any, name: Any) -> None:
        """Put what a name stands for on the stack."""
        self._stack.append(self._reader.named(f"{module}.{name}"))

    def call(self) -> None:
        """Put what a call makes on the stack."""
        self._stack.append(self._reader.called(*self.few(2)))

    def refer(self) -> None:
        """Put what a reference stands for on the stack."""
        self._stack.append(self._reader.referred(self._stack.pop()))

    def build(self) -> None:
        """Leave out the attributes of a dict; nothing else that is read has any."""
        self._stack.pop()
        if type(self._stack[-1]) is not dict:
            raise ValueError("it sets attributes of what has none")

    def long(self, count: int) -> None:
        """Put a whole number of so many bytes on the stack."""
        if count > MOST_LONG_BYTES:
            raise ValueError(f"it has a number of {count} bytes")
        self._stack.append(int.from_bytes(self.bytes(count), "little", signed=True))


U1, U2, U4, U8, I4, F8 = (Struct(form) for form in ("<B", "<H", "<I", "<Q", "<i", ">d"))

STEPS: dict[bytes, Callable[[Pickle], Any]] = {
    b"\x80": lambda p: p.bytes(1),
    b"\x95": lambda p: p.bytes(8),
    b"(": Pickle.mark,
    b"0": lambda p: p.few(1),
    b"1": Pickle.marked,
    b"N": lambda p: p.push(None),
    b"\x88": lambda p: p.push(True),
    b"\x89": lambda p: p.push(False),
    b"J": lambda p: p.push(p.number(I4)),
    b"K": lambda p: p.push(p.number(U1)),
    b"M": lambda p: p.push(p.number(U2)),
    b"\x8a": lambda p: p.long(p.number(U1)),
    b"G": lambda p: p.push(p.number(F8)),
    b"X": lambda p: p.push(p.bytes(p.number(U4)).decode("utf-8", "surrogatepass")),
    b"\x8c": lambda p: p.push(p.bytes(p.number(U1)).decode("utf-8", "surrogatepass")),
    b"\x8d": lambda p: p.push(p.bytes(p.number(U8)).decode("utf-8", "surrogatepass")),
    b"B": lambda p: p.push(p.bytes(p.number(U4))),
    b"C": lambda p: p.push(p.bytes(p.number(U1))),
    b"T": lambda p: p.push(p.bytes(p.number(I4)).decode("latin-1")),
    b"U": lambda p: p.push(p.bytes(p.number(U1)).decode("latin-1")),
    b"}": lambda p: p.push({}),
    b"]": lambda p: p.push([]),
    b")": lambda p: p.push(()),
    b"t": lambda p: p.push(tuple(p.marked())),
    b"\x85": lambda p: p.push(p.few(1)),
    b"\x86": lambda p: p.push(p.few(2)),
    b"\x87": lambda p: p.push(p.few(3)),
    b"a": lambda p: p.append(p.few(1)),
    b"e": lambda p: p.append(p.marked()),
    b"s": lambda p: p.set(p.few(2)),
    b"u": lambda p: p.set(p.marked()),
    b"q": lambda p: p.put(p.number(U1)),
    b"r": lambda p: p.put(p.number(U4)),
    b"\x94": Pickle.memoize,
    b"h": lambda p: p.get(p.number(U1)),
    b"j": lambda p: p.get(p.number(U4)),
    b"c": lambda p: p.name(p.line(), p.line()),
    b"\x93": lambda p: p.name(*p.few(2)),
    b"R": Pickle.call,
    b"Q": Pickle.refer,
    b"b": Pickle.build,
}  # by opcode, as pickletools explains them
