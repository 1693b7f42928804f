"""Output formats: each is one class, which all that writes asks for what it needs to know."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lucid.stream.row_set import RowSet
from lucid.stream.write import outputs
from lucid.stream.write.journal_file import JournalState
from lucid.stream.write.layout import Layout
from lucid.stream.write.npy import Npy
from lucid.stream.write.outputs import output_of
from lucid.stream.write.sinks import FileSink


class Raw(Npy):
    """Rows after a line of text."""

    def lay_out(self, path):
        path.write_bytes(b"raw\n" + bytes(self.layout.nbytes))


class PackedRaw(Raw):
    """The same, packed at the end."""

    packs = True

    def begin(self, path):
        return 4

    def pack(self, rows, path):
        path.write_bytes(rows.read_bytes())


@pytest.mark.parametrize("kind", [Raw, PackedRaw])
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_new_format_is_one_class(tmp_path, monkeypatch, kind, interrupted):
    new = ModuleType("lucid.stream.write.raw")
    new.Kind = kind
    monkeypatch.setitem(sys.modules, new.__name__, new)
    monkeypatch.setitem(outputs.FORMATS, "raw.Kind", lambda layout: layout.path.suffix == ".raw")
    crops = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    output = output_of(Layout(tmp_path / "c.raw", crops.shape, crops.dtype, {}))
    start = JournalState(job={}, replaces=False, done=RowSet(3))
    if interrupted:
        with pytest.raises(KeyboardInterrupt), FileSink(output, start) as sink:
            raise KeyboardInterrupt
        assert not sink.kept
        assert not list(tmp_path.iterdir())
    with FileSink(output, start) as sink:
        sink.write(np.array([0, 2]), crops[[0, 2]])
        sink.write(np.array([1]), crops[[1]])
        sink.commit()
    assert Path(tmp_path, "c.raw").read_bytes() == b"raw\n" + crops.tobytes()
    assert [path.name for path in tmp_path.iterdir()] == ["c.raw"]
