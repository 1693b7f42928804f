"""Files in, a file of crops out, in bounded memory."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lucid.stream.extract import prepare
    from lucid.stream.read.arrays import list_arrays
    from lucid.stream.read.contents import Content
    from lucid.stream.read.described import TextInfo, describe, first_of
    from lucid.stream.report import ExtractReport
    from lucid.stream.settings import Settings
    from lucid.stream.write.made import Made, made_by
    from lucid.stream.write.shards import shards_of

# Fetched when first used, so that the table of options can be read without NumPy.
_HOMES = {
    "Content": "read.contents",
    "ExtractReport": "report",
    "Made": "write.made",
    "Settings": "settings",
    "TextInfo": "read.described",
    "describe": "read.described",
    "first_of": "read.described",
    "list_arrays": "read.arrays",
    "made_by": "write.made",
    "prepare": "extract",
    "shards_of": "write.shards",
}

__all__ = [
    "Content",
    "ExtractReport",
    "Made",
    "Settings",
    "TextInfo",
    "describe",
    "first_of",
    "list_arrays",
    "made_by",
    "prepare",
    "shards_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lucid.stream' has no attribute {name!r}")
    return getattr(import_module(f"lucid.stream.{_HOMES[name]}"), name)
