"""Files of torch.save, read without torch: tensors are mapped where they are, nothing is run."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lucid.errors import SourceError
from lucid.stream.read.bfloat16 import BFLOAT16, Widened, place_of_halves
from lucid.stream.read.flat import Flat, FlatSource
from lucid.stream.read.ids import ID_NAMES, id_in
from lucid.stream.read.npy import FileValues, Header
from lucid.stream.read.pickled import FEWEST_STEPS, MOST_BYTES, MOST_STEPS
from lucid.stream.read.place import Place, Span
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.strided import Negated, contiguous, strided
from lucid.stream.read.torch_lists import is_of_texts, list_in
from lucid.stream.read.torch_pickle import KINDS, RefusedError, Tensor, tensors_of
from lucid.stream.read.words import WORDS, Said
from lucid.stream.read.zip_file import STARTS, STORED, Member, ZipFile

PICKLE = "/data.pkl"
OLD = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # in the first bytes of the format before 2020
SUFFIXES = {".pt", ".pth", ".pt2"}
OTHERS = {  # by members that they have
    "/constants.pkl": "a program of TorchScript",
    "/archive_format": "a program of torch.export",
}
MOST_DEPTH = 16  # of dicts in dicts
STEPS_PER_MEMBER = 64
ALONE = ""  # the name of a tensor that nothing is around
RECIPE = "with torch, save tensors alone: torch.save({'features': tensor}, 'new.pt')"
MISSING = object()


class Torch(Flat):
    """A file of torch.save, open."""

    kind = "torch .pt"
    separator = "."

    def __init__(self, path: Path, trust: bool) -> None:
        super().__init__(path)
        with path.open("rb") as stream:
            if OLD in stream.read(64):
                raise SourceError(
                    f"{path} is in torch's old format; with torch, save it in the new one: "
                    f"torch.save(torch.load({str(path)!r}, weights_only=True), 'new.pt')"
                )
        self._zip = ZipFile(path)
        self._values = FileValues(self._zip.stream, str(path))
        try:
            self._tree = self._read()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format."""
        if OLD in start[:64]:
            return True
        first = start[30 : 30 + int.from_bytes(start[26:28], "little")]
        if not start.startswith(STARTS) or first.endswith(b".npy"):
            return False
        try:
            members = ZipFile(path)
        except SourceError:
            return path.suffix in SUFFIXES
        members.close()
        return any(name.endswith((PICKLE, *OTHERS)) for name in members.members)

    def names(self) -> Collection[str]:
        """Return the names of tensors: their keys, joined by dots."""
        return self._tensors

    def info(self, name: str) -> ArrayInfo:
        """Return what the file says about a tensor; raise if it is not within its storage."""
        if (listed := list_in(self._found(name))) is not None:
            return ArrayInfo(name or None, listed.shape, listed.dtype)
        tensor, _ = self._tensor(name)
        is_half = tensor.kind == BFLOAT16
        dtype = np.dtype(np.float32) if is_half else self._dtype(tensor)
        stored_as = BFLOAT16 if is_half else ""
        return ArrayInfo(name or None, tensor.shape, dtype, stored_as=stored_as)

    def source(self, name: str) -> Source:
        """Return a tensor, mapped, or a list as an array."""
        if (listed := list_in(self._found(name))) is not None:
            return FlatSource(self._path, self.info(name), listed, self)
        (tensor, _), array = self._tensor(name), self._mapped(name)
        if tensor.kind == BFLOAT16:
            array = Widened(array)
        if tensor.negative:
            array = Negated(array)
        return FlatSource(self._path, self.info(name), array, self)

    def place(self, name: str) -> Place | None:
        """Return where a tensor lies; None if its values are not those of NumPy, or have gaps."""
        if list_in(self._found(name)) is not None:
            return None
        tensor, member = self._tensor(name)
        if tensor.negative or tensor.strides != contiguous(tensor.shape):
            return None
        dtype = self._dtype(tensor)
        begin = self._zip.place(member) + tensor.offset * dtype.itemsize
        place = place_of_halves if tensor.kind == BFLOAT16 else Place
        return place(begin, tensor.shape, dtype)

    def spans(self, name: str, stem: bytes) -> list[Span]:
        """Return the directory, the pickle, and the header of the storage."""
        folder = stem if self._folder.encode() == stem else b""
        pickle, (_, storage) = self._zip.members[f"{self._folder}{PICKLE}"], self._tensor(name)
        order = self._zip.members.get(f"{self._folder}/byteorder")
        if pickle.begin:  # the file begins with what is not looked at here
            return []
        read = [(one, one.size) for one in (pickle, order) if one]
        until = [(one, self._zip.place(one) + size) for one, size in [*read, (storage, 0)]]
        spans = [self._zip.span(*each, folder) for each in until]
        return [self._zip.directory(folder), *spans]

    def look(self, name: str | None) -> Source | None:
        """Return a tensor as `open` does, but only where it lies if that is all there is to it."""
        return super().look(name or ALONE)

    def open(self, name: str | None) -> Source | None:
        """Return the tensor of a name, None if there is none.

        Raises
        ------
        SourceError
            If it is damaged, or there is one tensor without a name.
        """
        if name and type(self._tree) is Tensor:
            raise SourceError(f"{self._path} is a tensor, without keys; drop '::{name}'")
        found = self._found(name or ALONE)
        is_array = type(found) is Tensor or list_in(found) is not None
        return self.again(name or ALONE) if is_array else None

    def matching(self, pattern: str, place: str) -> dict[str, str]:
        """Return the names that match, by what stands for `place` in a key."""
        parts = pattern.split(".")
        level = next(k for k, part in enumerate(parts) if place in part)
        above, below = parts[:level], parts[level + 1 :]
        within = self._found(".".join(above)) if above else self._tree
        found = {
            inner: ".".join([*above, key, *(part.replace(place, inner) for part in below)])
            for key, inner in _keys(within, parts[level], place)
        }
        return found | {inner: key for key, inner in _keys(self._tree, pattern, place)}

    @cached_property
    def said(self) -> Said:
        """What numbers and small tensors say that are called by a word."""
        there = {word: _child(self._tree, word) for word in WORDS}
        plain = {word: value for word, value in there.items() if _is_plain(value)}
        return {**super().said, **plain}

    def close(self) -> None:
        """Close the file; what is mapped is unmapped with its last use."""
        self._last = None
        self._zip.close()

    def _read(self) -> Any:
        """Return what the pickle says; raise if that is more than tensors."""
        members, pickle = self._zip.members, self._pickle()
        self._folder = pickle.removesuffix(PICKLE)
        order = members.get(f"{self._folder}/byteorder")
        self._order = ">" if order and self._zip.read(order, 16) == b"big" else "<"
        steps = min(FEWEST_STEPS + STEPS_PER_MEMBER * len(members), MOST_STEPS)
        data = self._zip.read(members[pickle], MOST_BYTES)
        try:
            return tensors_of(data, steps)
        except RefusedError as error:
            raise SourceError(
                f"{self._path} holds {error}; only tensors are read of torch files; {RECIPE}"
            ) from error
        except Exception as error:
            fact = (str(error) or type(error).__name__).partition("\n")[0]
            raise SourceError(f"{self._path} has a damaged pickle: {fact}") from error

    def _pickle(self) -> str:
        """Return the member that says what there is; raise if the file is a program."""
        for ending, kind in OTHERS.items():
            if any(name.endswith(ending) for name in self._zip.members):
                raise SourceError(f"{self._path} is {kind}; {RECIPE}")
        return next(name for name in self._zip.members if name.endswith(PICKLE))

    @cached_property
    def _tensors(self) -> dict[str, Any]:
        return dict(reversed(list(_walk(self._tree))))  # of two of one name, the first

    def _found(self, name: str) -> Any:
        if name.count(".") > MOST_DEPTH:
            return MISSING
        return _found(self._tree, name) if name else self._tree

    def _dtype(self, tensor: Tensor) -> np.dtype[Any]:
        return np.dtype(KINDS[tensor.kind]).newbyteorder(self._order)  # type: ignore[arg-type]

    def _tensor(self, name: str) -> tuple[Tensor, Member]:
        """Return a tensor, which lies within its storage, and that."""
        tensor: Tensor = self._found(name)
        where, size = self._where(name), self._dtype(tensor).itemsize
        member = self._zip.members.get(f"{self._folder}/data/{tensor.key}")
        if member is None:
            raise SourceError(f"{where} is in a storage {tensor.key!r}, which is missing")
        if member.method != STORED:
            raise SourceError(f"{where} is packed, as torch never does; save it again with torch")
        end = (tensor.offset + tensor.span) * size
        if end > member.size:
            raise SourceError(
                f"{where} reaches to byte {end} of its storage, which has {member.size}"
            )
        return tensor, member

    def _mapped(self, name: str) -> Any:
        """Return the values of a tensor as they are stored."""
        (tensor, member), where = self._tensor(name), self._where(name)
        dtype = self._dtype(tensor)
        begin = self._zip.place(member) + tensor.offset * dtype.itemsize
        gapless = tensor.strides == contiguous(tensor.shape) or 0 in tensor.shape
        shape = tensor.shape if gapless else (tensor.span,)
        values = self._values.array(Header(shape, False, dtype), begin)
        return values if gapless else strided(values, tensor, where)

    def _where(self, name: str) -> str:
        return f"{self._path}::{name}" if name else str(self._path)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a dict, a list or a tuple that are texts or numbers, and what is there."""
    if type(value) is dict:
        yield from ((str(key), child) for key, child in value.items() if type(key) in {str, int})
    elif type(value) in {list, tuple}:
        yield from ((str(k), child) for k, child in enumerate(value))


def _walk(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield tensors and lists of texts or ids by name, few keys first; each is entered once."""
    ahead, entered = deque([("", tree, 0)]), set()
    while ahead:
        name, value, depth = ahead.popleft()
        are_ids = name.rpartition(".")[2] in ID_NAMES and list_in(value) is not None
        if type(value) is Tensor or are_ids or is_of_texts(value):
            yield name, value
        elif depth <= MOST_DEPTH and id(value) not in entered:
            entered.add(id(value))
            before = f"{name}." if depth else ""
            ahead.extend((before + key, child, depth + 1) for key, child in _items(value))


def _found(value: Any, name: str) -> Any:
    """Return what a name leads to: it is one key, or keys joined by dots."""
    found = _child(value, name)
    cuts = [at for at, letter in enumerate(name) if letter == "."]
    for at in cuts if found is MISSING else ():
        child = _child(value, name[:at])
        if child is not MISSING and (found := _found(child, name[at + 1 :])) is not MISSING:
            break
    return found


def _child(value: Any, key: str) -> Any:
    """Return what a dict, a list or a tuple has at a key."""
    number = int(key) if re.fullmatch("-?[0-9]{1,18}", key) else None
    if type(value) is dict:
        return value.get(key, MISSING if number is None else value.get(number, MISSING))
    if type(value) in {list, tuple} and number in range(len(value)):
        return value[number]
    return MISSING


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, or a few of them."""
    numbers = value if type(value) in {list, tuple} else (value,)
    return len(numbers) <= 4 and all(type(each) in {int, float} for each in numbers)


def _keys(value: Any, pattern: str, place: str) -> Iterator[tuple[str, str]]:
    """Yield keys that match, and what stands for `place` in them."""
    for key, _ in _items(value):
        inner = id_in(key, pattern, place)
        if inner is not None:
            yield key, inner
