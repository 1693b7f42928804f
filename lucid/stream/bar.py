"""The bar of a run; tqdm is loaded when one is drawn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any, TextIO


@contextmanager
def drawn(
    total: int, done: int, last: str = "", unit: str = " crops", stream: TextIO | None = None
) -> Iterator[Callable[[float], None]]:
    """Draw a bar, and yield what is to be told how many units are done.

    Parameters
    ----------
    total, done : int
        All units, and those that were done before.
    last : str
        What is done when all units are.
    unit : str
        What is counted.
    stream : file, optional
        Where to; else where it is seen, which may be a notebook.
    """
    tqdm = import_module("tqdm.auto" if stream is None else "tqdm").tqdm
    are_whole = total < 1000 and unit == " crops"  # others have three digits, and k or M
    with tqdm(total=total, initial=done, unit=unit, unit_scale=not are_whole, file=stream) as bar:
        yield lambda now_done: _advance(bar, now_done, last)


def set_aside(stream: TextIO) -> AbstractContextManager[None]:
    """Have the bars of a stream give way to what is written to it, and be drawn below that."""
    tqdm = sys.modules.get("tqdm")  # which is there if a bar is
    return tqdm.tqdm.external_write_mode(stream) if tqdm else nullcontext()


def _advance(bar: Any, now_done: float, last: str) -> None:
    bar.update(now_done - bar.n)
    if last and now_done == bar.total:
        bar.set_description(last)
