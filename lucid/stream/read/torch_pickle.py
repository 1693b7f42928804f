"""The tensors that a torch file speaks of, from its pickle: by an allow-list of names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lucid.stream.read.bfloat16 import BFLOAT16
from lucid.stream.read.pickled import Pickle, Reader

MOST_AXES = 32
KINDS = {
    "float64": "f8", "float32": "f4", "float16": "f2", BFLOAT16: "u2", "bool": "?",
    "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1",
    "uint64": "u8", "uint32": "u4", "uint16": "u2", "uint8": "u1",
}  # fmt: skip
STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": BFLOAT16,
    "Bool": "bool", "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8",
    "Byte": "uint8",
}  # fmt: skip
UNTYPED = "torch.storage.UntypedStorage"
OTHER_DTYPES = {"complex32", "complex64", "complex128"}  # of values that are not read
WHY_NOT = {
    "sparse": "a sparse tensor",
    "qtensor": "a quantized tensor",
    "QInt": "quantized values",
    "QUInt": "quantized values",
    "Complex": "complex numbers",
    "multiarray": "a NumPy array or number, of which torch.from_numpy makes a tensor",
}  # what such names say


class RefusedError(ValueError):
    """The name of what is not read."""


class Named(NamedTuple):
    """What a name on the allow-list stands for."""

    name: str


class Storage(NamedTuple):
    """Where values are, and of which kind if that is said."""

    kind: str
    key: str


class Tensor(NamedTuple):
    """A view of a storage; all lengths are in values."""

    kind: str
    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negative: bool  # whether values are stored with the other sign

    @property
    def span(self) -> int:
        """How many values there are from the first to the last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))


def tensors_of(data: bytes, steps: int) -> Any:
    """Return what a pickle holds: tensors in dicts, lists and tuples.

    Raises
    ------
    RefusedError
        If it holds anything else.
    Exception
        If it is damaged.
    """
    return Pickle(data, Reader(_named, _called, _referred), steps).load()


def _named(name: str) -> Named:
    """Return what a name stands for, if it is on the list."""
    module, _, last = name.rpartition(".")
    is_dtype = module == "torch" and (last in KINDS or last in OTHER_DTYPES or "float8" in last)
    is_storage = module == "torch" and last.removesuffix("Storage") in STORAGES
    if not (is_dtype or is_storage or name in CALLS or name == UNTYPED):
        why = next((says for part, says in WHY_NOT.items() if part in name), "an object")
        raise RefusedError(f"{name}, {why}")
    return Named(name)


def _called(what: Any, arguments: Any) -> Any:
    """Return what a call makes, if it is on the list."""
    if type(what) is not Named or what.name not in CALLS or type(arguments) is not tuple:
        raise RefusedError("a call of what is no function")
    return CALLS[what.name](*arguments)


def _referred(about: Any) -> Storage:
    """Return the storage that a reference means: ('storage', type, key, device, length)."""
    if type(about) is not tuple or len(about) < 4 or about[0] != "storage":
        raise RefusedError("a reference to what is no storage")
    kind, key = about[1], about[2]
    if type(kind) is not Named or type(key) is not str:
        raise RefusedError("a storage without a type")
    if kind.name == UNTYPED:
        return Storage("", key)
    return Storage(STORAGES[kind.name.removeprefix("torch.").removesuffix("Storage")], key)


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, kind: str = "", more: Any = None
) -> Tensor:
    """Return a tensor, if it is one."""
    numbers = (offset, *_whole(shape), *_whole(strides))
    if type(storage) is not Storage or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError("a tensor has a place or a shape that are no whole numbers")
    if not len(shape) == len(strides) <= MOST_AXES:
        raise ValueError(f"a tensor has {len(shape)} lengths and {len(strides)} strides")
    marks = more if type(more) is dict else {}
    if marks.keys() - {"neg"} or (more is not None and type(more) is not dict):
        raise RefusedError("a tensor with marks that are not read")
    kind = kind or storage.kind
    if kind not in KINDS:
        raise RefusedError(f"torch.{kind or 'UntypedStorage'}, values that are not read")
    return Tensor(kind, storage.key, offset, tuple(shape), tuple(strides), bool(marks.get("neg")))


def _whole(lengths: Any) -> tuple[Any, ...]:
    if type(lengths) not in {tuple, list}:
        raise ValueError("a tensor has a shape that is no tuple")
    return tuple(lengths)


def _tensor_2(storage: Any, offset: Any, shape: Any, strides: Any, *more: Any) -> Tensor:
    return _tensor(storage, offset, shape, strides, more=more[2] if len(more) > 2 else None)


def _tensor_3(storage: Any, offset: Any, shape: Any, strides: Any, *more: Any) -> Tensor:
    _, _, dtype, *marks = more
    kind = dtype.name.removeprefix("torch.") if type(dtype) is Named else ""
    return _tensor(storage, offset, shape, strides, kind or "?", marks[0] if marks else None)


def _text(text: Any, coding: Any = None) -> Any:
    """Return bytes that protocol 2 has as text, as in `_codecs.encode(text, 'latin1')`."""
    if type(text) is not str or coding not in {"latin1", "latin-1"}:
        raise RefusedError("_codecs.encode of what is no text")
    return text.encode("latin-1")


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    if type(pairs) is not tuple or pairs:  # as protocol 2 and newer make it: empty, then filled
        raise RefusedError("an OrderedDict of another form")
    return {}


CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor_2,
    "torch._utils._rebuild_tensor_v2": _tensor_2,
    "torch._utils._rebuild_tensor_v3": _tensor_3,
    "torch._utils._rebuild_parameter": lambda data, *more: data,
    "torch.Size": lambda lengths=(): lengths,
    "torch.device": lambda *about: about,
    "collections.OrderedDict": _dict,
    "_codecs.encode": _text,
}
