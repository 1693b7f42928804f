"""What is said of a file's arrays and of the job that made it, in words and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from shlex import quote
from typing import TYPE_CHECKING, Any

from lucid.stream.wording import in_units

if TYPE_CHECKING:
    from lucid.stream import Content, Made, TextInfo

MARGIN = " " * 10


def lines_of(path: str, one: Content) -> Iterator[str]:
    """Yield what is printed of an array."""
    info = one.info
    name = path if info.dataset is None else f"{path}::{info.dataset}"
    storage = f"chunks {info.chunks}" if info.chunks else "contiguous"
    storage = " ".join([storage, *filter(None, [info.compression]), *info.filters])
    name += f" -> {info.target}" if info.target else ""
    yield f"{name}  {info.shape} {info.kind}, {storage}{_use(info.roles)}{_with(info.operators)}"
    for word, value in one.says.items():
        yield f"{MARGIN}{word} {_value(value)}"
    if one.stats is not None:
        yield MARGIN + _values(one)
        if info.stored_bytes is not None:
            size = prod(info.shape) * info.dtype.itemsize
            yield f"{MARGIN}{in_units(info.stored_bytes)} in the file, {in_units(size)} in memory"


def lines_of_text(path: str, info: TextInfo) -> Iterator[str]:
    """Yield what is printed of a file of text."""
    needs = " with --columns" * info.needs_columns
    roles = [*info.roles, *["rois"] * info.needs_columns]
    yield f"{path}  {info}{_use(roles)}{needs}"
    if info.fault:
        yield f"{MARGIN}but {info.fault}"


def of_job(arrays: Sequence[Content], made: Made | None) -> Sequence[Content]:
    """Return arrays without what is said of them, where that is what their job says."""
    return [one._replace(says={}) for one in arrays] if made else arrays


def _use(roles: Sequence[str]) -> str:
    return f"  usable as {' or '.join(roles).replace('_', '-')}" if roles else ""


def _with(operators: Sequence[str]) -> str:
    return f" with --operator {' or '.join(operators)}" if operators else ""


def _value(value: Any) -> str:
    """Return numbers as words, of many images their number."""
    if isinstance(value, list) and (len(value) > 4 or any(isinstance(one, list) for one in value)):
        return f"of {len(value)} images"
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)


def _values(one: Content) -> str:
    stats = one.stats
    if stats is None or stats.low is None:
        return "no finite value"
    shares = {"zero": stats.zeros, "not finite": stats.not_finite}
    more = "".join(f", {_percent(share)} {what}" for what, share in shares.items() if share)
    sample = f"; of a sample of {stats.values} values" * stats.is_sample
    return f"{stats.low:.4g}..{stats.high:.4g}, mean {stats.mean:.4g}{more}{sample}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "few"


def lines_of_job(made: Made, columns: int) -> Iterator[str]:
    """Yield what is printed of a job: the command that does it again."""
    yield f"made by   lucid-roialign {made.version}, {made.engine} engine"
    if not made.arguments:
        yield f"{MARGIN}from inputs that were no files"
        return
    line = f"{MARGIN}extract"
    for words in _options(made):
        if len(line) + 1 + len(words) > columns:
            yield line
            line = MARGIN + words
        else:
            line += f" {words}"
    yield line


def _options(made: Made) -> Iterator[str]:
    """Yield options with their values, quoted for a shell."""
    words = _words(made)
    starts = [k for k, word in enumerate(words) if word.startswith("--")]
    for start, stop in zip(starts, [*starts[1:], len(words)], strict=True):
        yield " ".join(map(quote, words[start:stop]))


def _words(made: Made) -> list[str]:
    """Return the words of the command line that does a job again."""
    from lucid.stream.command_line import words_of

    return words_of(made.arguments)


def described(one: Content) -> dict[str, Any]:
    """Return what is printed of an array as JSON."""
    info = one.info
    return {
        "dataset": info.dataset,
        "target": info.target or None,
        "shape": info.shape,
        "dtype": info.kind,
        "chunks": info.chunks,
        "compression": info.compression,
        "filters": info.filters,
        "stored_bytes": info.stored_bytes,
        "roles": info.roles,
        "operators": info.operators,
        "says": dict(one.says),
        "stats": one.stats._asdict() if one.stats else None,
    }


def described_job(made: Made) -> dict[str, Any]:
    """Return what is printed of a job as JSON."""
    return {
        "version": made.version,
        "engine": made.engine,
        "options": _words(made),
        "recorded": _plain(made.said),
    }


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded, but for what HDF5 has for itself."""
    return {name: value for name, value in said.items() if name not in OF_HDF5}


OF_HDF5 = {"DIMENSION_LIST", "CLASS", "NAME", "REFERENCE_LIST", "_Netcdf4Dimid"}
