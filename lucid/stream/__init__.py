"""The streaming engine: files in, a file of crops out, in bounded memory."""

from lucid.stream.extraction import Extraction
from lucid.stream.report import ExtractReport
from lucid.stream.settings import Settings
from lucid.stream.sources import ArrayInfo, list_arrays
from lucid.stream.verbs import extract, prepare

__all__ = [
    "ArrayInfo",
    "ExtractReport",
    "Extraction",
    "Settings",
    "extract",
    "list_arrays",
    "prepare",
]
