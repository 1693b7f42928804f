"""Work that is done one step ahead of its use."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield items, each made by a thread while the one before is in use."""
    with closing(items), ThreadPoolExecutor(1) as thread:
        # Starts it: Ctrl-C meanwhile may leave a thread that nobody waits for, but it has no item.
        thread.submit(bool).result()
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
