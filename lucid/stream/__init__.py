"""The streaming engine: files in, a file of crops out, in bounded memory."""

from lucid.stream.extract import extract, prepare
from lucid.stream.extraction import Extraction
from lucid.stream.options import Settings
from lucid.stream.read.arrays import ArrayInfo, list_arrays
from lucid.stream.report import ExtractReport

__all__ = [
    "ArrayInfo",
    "ExtractReport",
    "Extraction",
    "Settings",
    "extract",
    "list_arrays",
    "prepare",
]
