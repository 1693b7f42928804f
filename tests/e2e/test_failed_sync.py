"""A sync that fails once, and a system that then drops what was not safe: nothing wrong remains."""

import errno
import os
from pathlib import Path

import pytest

import lucid
from lucid import SinkError

OUTPUTS = [
    ("c.h5", {}),
    ("c.npy", {}),
    ("c.h5", {"compression": "gzip"}),
]
EVERY_TIME = {"sync_seconds": 0.0, "mark_seconds": 0.0}
ONLY_AT_THE_END = {"mark_seconds": 0.0}


class ForgetfulDisk:
    """Files as a disk has them: when a sync fails, they are again as at their last good one."""

    def __init__(self, fails_at, suffixes):
        self.fails_at, self.suffixes = fails_at, suffixes
        self.syncs, self.failed = 0, None
        self.safe = {}  # contents by inode

    def sync(self, file):
        """Do what fsync and fdatasync do."""
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        inode = os.fstat(file).st_ino
        if path.is_dir() or not path.name.endswith(self.suffixes):
            return
        self.syncs += 1
        if self.syncs == self.fails_at:
            self.failed = path.name
            path.write_bytes(self.safe.get(inode, b"\0" * path.stat().st_size))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.safe[inode] = path.read_bytes()


@pytest.fixture
def expected(files, tuned):
    """Return the bytes of an undisturbed run; runs of sixty rows have many batches."""
    tuned(crops_bytes=20_000)

    def of(output, options):
        lucid.extract("f.npy", "r.npy", f"whole{output}", **options)
        return Path(f"whole{output}").read_bytes()

    return of


def run_with(disk, monkeypatch, output, options):
    """Run on a disk; return whether the run ended well."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk.sync)
        patch.setattr(os, "fdatasync", disk.sync)
        try:
            lucid.extract("f.npy", "r.npy", output, resume=True, **options)
        except SinkError as error:
            assert disk.failed
            assert f"{output} cannot be written: Input/output error" in str(error)  # noqa: PT017
            return False
    return True


@pytest.mark.parametrize(("output", "options"), OUTPUTS)
@pytest.mark.parametrize(
    "often",
    [pytest.param(EVERY_TIME, marks=pytest.mark.slow), ONLY_AT_THE_END],
    ids=["often", "at the end"],
)
@pytest.mark.parametrize("suffixes", [(".part", ".rows", ".packed"), (".journal",)], ids=str)
def test_whichever_sync_fails_the_resumed_output_is_right(
    files, tuned, expected, monkeypatch, output, options, often, suffixes
):
    whole = expected(output, options)
    tuned(**often)
    failing, failed = 1, set()
    while True:
        disk = ForgetfulDisk(failing, suffixes)
        ended_well = run_with(disk, monkeypatch, output, options)
        if not ended_well:
            assert not Path(output).exists()
            lucid.extract("f.npy", "r.npy", output, resume=True, **options)
        assert Path(output).read_bytes() == whole, (failing, disk.failed)
        assert not list(files.path.glob("c.*.*"))
        Path(output).unlink()
        if ended_well:
            break
        failed.add(disk.failed.rpartition(".")[2])
        failing += 1
    assert failing > (2 if often is ONLY_AT_THE_END else 4)


@pytest.mark.parametrize(("output", "options"), OUTPUTS)
def test_rows_of_the_run_before_are_lost_where_the_first_sync_of_the_next_fails(
    files, tuned, expected, monkeypatch, output, options
):
    """The system has not said yet that what the first run wrote never reached the disk."""
    whole = expected(output, options)
    tuned(**ONLY_AT_THE_END)
    disk = ForgetfulDisk(2, (".part", ".rows"))  # the first is that of the file as laid out

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk.sync)
        patch.setattr(os, "fdatasync", disk.sync)
        with pytest.raises(KeyboardInterrupt):
            lucid.extract("f.npy", "r.npy", output, on_progress=stop, **options)
        assert lucid.extract("f.npy", "r.npy", output, resume=True, dry_run=True, **options).resumed
        with pytest.raises(SinkError, match="Input/output error"):
            lucid.extract("f.npy", "r.npy", output, resume=True, **options)
        assert disk.failed
    assert lucid.extract("f.npy", "r.npy", output, resume=True, **options).resumed == 0
    assert Path(output).read_bytes() == whole


@pytest.mark.parametrize("has_failed", [False, True])
def test_rows_are_kept_where_a_signal_ends_the_wait_for_a_sync_that_has_not_failed(
    files, tuned, expected, monkeypatch, has_failed
):
    whole = expected("c.npy", {})
    tuned(mark_seconds=0.0)

    def sync(file):
        if has_failed:
            try:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            finally:
                raise KeyboardInterrupt
        raise KeyboardInterrupt

    def tell(rows_done):
        if rows_done >= 30:
            tuned(sync_seconds=0.0)
            patch.setattr(os, "fsync", sync)
            patch.setattr(os, "fdatasync", sync)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        lucid.extract("f.npy", "r.npy", "c.npy", on_progress=tell)
    tuned(sync_seconds=30.0)
    report = lucid.extract("f.npy", "r.npy", "c.npy", resume=True)
    assert (report.resumed >= 30) is not has_failed
    assert Path("c.npy").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # pytest may have threads
@pytest.mark.parametrize("keeps", [0, 30])
def test_a_run_that_is_killed_in_a_sync_is_believed_what_was_safe(
    files, tuned, expected, monkeypatch, keeps
):
    """Nobody is told what the sync was about to say, so the rows may be gone."""
    whole = expected("c.npy", {})
    tuned(mark_seconds=0.0)
    disk = ForgetfulDisk(3, (".part",))

    def sync(file):
        try:
            disk.sync(file)
        except OSError:
            os._exit(9)

    def tell(rows_done):
        tuned(sync_seconds=0.0 if keeps and keeps <= rows_done < 45 else 1e9)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(os, "fdatasync", sync)
        if not keeps:
            disk.fails_at = 2
        lucid.extract("f.npy", "r.npy", "c.npy", on_progress=tell)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert lucid.extract("f.npy", "r.npy", "c.npy", resume=True).resumed >= keeps
    assert Path("c.npy").read_bytes() == whole


def test_an_error_of_the_journal_does_not_hide_the_first(files, tuned, monkeypatch):
    """The run ends because its crops cannot be written, and then cannot write its marks either."""
    tuned(crops_bytes=20_000)
    pwrite = os.pwrite

    def full(file, data, position):
        if full.done:
            full.writes += 1
            number = errno.ENOSPC if full.writes == 1 else errno.EIO
            raise OSError(number, os.strerror(number))
        return pwrite(file, data, position)

    full.done, full.writes = 0, 0
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(SinkError, match="c.npy cannot be written: No space left on device"):
        lucid.extract(
            "f.npy", "r.npy", "c.npy", on_progress=lambda done: setattr(full, "done", done >= 30)
        )
    assert full.writes == 2
