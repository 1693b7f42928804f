"""Power cuts: pages and names that were not synced are lost at random, and the run is resumed.

What a run does, in order, and the tests that have it fail there:

1. The journal is made, locked and synced: a cut between any two calls here; two runs at once in
   `kill/test_begin_together.py`. Of shards, the common one is linked to its name, and each makes
   its own: cuts here; seven at once in `kill/test_shards_killed.py`.
2. Rows are laid out and synced, then the names of both files: cuts here; a sync that fails in
   `test_failed_sync.py`; a full disk in `test_resume_interrupted.py`.
3. The RoIs are put together in a file, which nobody reads after a cut: cuts here.
4. Rows are written, by others perhaps, and marked, where marks have changed: cuts here; kills in
   `kill/test_kill.py` and `kill/test_workers_killed.py`.
5. Marks are withdrawn from the first table, rows synced, and marks written to both tables: cuts
   here, and `test_failed_sync.py`.
6. Of shards, the journal gets the name that says that all is done, and the name is synced: cuts
   here.
7. The output is packed, if it has to be, and synced under a name of its own: cuts here.
8. It gets its name, which is synced, and the journal is removed last: cuts here; shards that are
   ended there in `test_shards.py`.
"""

import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import lucid
from lucid.stream.write import journal_file

pytestmark = pytest.mark.slow
PAGE = 4096
CUTS = 100


class Disk:
    """What of the files of an output is on the disk: contents by inode, and names of inodes.

    Each call is an event, before which all is looked at; the power is cut at one of them.
    """

    def __init__(self, cut_at, monkeypatch):
        self.cut_at, self.events, self.state = cut_at, 0, None
        self.safe, self.now, self.lock = {}, {}, threading.RLock()
        self.open = ExitStack()  # files, so that no other one gets the number of one that is gone
        self.names = [{}]  # since they were synced, as the file system keeps their order
        for module, name in ((os, "pwrite"), (os, "link"), (Path, "replace"), (Path, "unlink")):
            monkeypatch.setattr(module, name, self.watched(getattr(module, name)))
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self.sync)

    def watched(self, call):
        def watch(*arguments, **options):
            with self.lock:  # or else a file might be looked at while another one changes
                self.take_down()
                return call(*arguments, **options)

        return watch

    def look(self):
        with self.lock:
            self.take_down()

    def take_down(self):
        paths = [path for path in Path().glob("c.*") if path.is_file()]
        names = {path.name: path.stat().st_ino for path in paths}
        for path in paths:
            if path.stat().st_ino not in self.now:
                self.open.enter_context(path.open("rb"))
            self.now[path.stat().st_ino] = path.read_bytes()
        if names != self.names[-1]:
            self.names.append(names)
        self.events += 1
        if self.events == self.cut_at:
            self.state = [dict(self.safe), dict(self.now), list(self.names)]

    def sync(self, file):
        path = Path(f"/proc/self/fd/{file}")
        with self.lock:
            self.look()
            if path.is_dir():
                self.names = self.names[-1:]
            else:
                self.safe[os.fstat(file).st_ino] = path.read_bytes()

    def after_the_cut(self, rng):
        """Put in place what a disk may have of all that."""
        for path in Path().glob("c.*"):
            path.unlink()
        safe, now, names = self.state
        for name, inode in names[rng.integers(len(names))].items():
            Path(name).write_bytes(torn(safe.get(inode, b""), now.get(inode, b""), rng))


def torn(safe, now, rng):
    """Return pages of either, and the length of either."""
    length = len(safe) if rng.random() < 0.5 else len(now)
    pages = [
        (now if rng.random() < 0.5 else safe)[at : at + PAGE].ljust(PAGE, b"\0")
        for at in range(0, max(len(safe), len(now)), PAGE)
    ]
    return b"".join(pages)[:length]


def extract(output, **options):
    lucid.extract("f.npy", "r.npy", output, spatial_scale=1 / 16, **options)


WAYS = {
    "one job": [{"jobs": 1}],
    "two jobs": [{"jobs": 2}],
    "shards": [{"jobs": 1, "shard": (number, 3)} for number in (1, 2, 3)],
}
AGAIN = {way: [{"jobs": 1, "resume": True}] for way in WAYS} | {"shards": WAYS["shards"]}


@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("output", "options"),
    [("c.npy", {}), ("c.h5", {}), ("c.h5", {"compression": "gzip", "checksum": True})],
)
def test_no_cut_leaves_a_wrong_byte(files, tuned, rng, monkeypatch, output, options, way):
    tuned(crops_bytes=20_000, mark_seconds=0.0, sync_seconds=0.0, look_seconds=1e6)
    extract("whole" + output, jobs=1, **options)
    expected = Path("whole" + output).read_bytes()
    Path("boot_id").write_text("the start after it")

    def run(cut_at):
        with monkeypatch.context() as patch:
            disk = Disk(cut_at, patch)
            with disk.open:
                for part in WAYS[way]:
                    extract(output, **part, **options)
        return disk

    events = run(0).events
    Path(output).unlink()
    for cut_at in rng.integers(1, events, CUTS).tolist():
        disk = run(cut_at)
        if disk.state is None:  # threads make more or fewer batches
            Path(output).unlink()
            continue
        disk.after_the_cut(rng)
        with monkeypatch.context() as patch:
            patch.setattr(journal_file, "BOOT_ID", Path("boot_id"))
            for part in AGAIN[way]:
                extract(output, **part, **options)
        assert Path(output).read_bytes() == expected, cut_at
        assert [path.name for path in Path().glob("c.*")] == [output], cut_at
        Path(output).unlink()
