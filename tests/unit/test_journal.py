"""Marks of a journal: one bit for each row, of which only those that changed are written."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from lucid.stream.row_set import RowSet, runs_of
from lucid.stream.write import journal
from lucid.stream.write.journal import Journal
from lucid.stream.write.journal_file import JournalState, read_journal
from lucid.stream.write.rows import Place

MANY = 10**7


@pytest.mark.parametrize("first", [0, 21])
@pytest.mark.parametrize("total", [0, 1, 8, 13, 1000])
def test_a_set_of_rows_is_what_a_set_of_numbers_is(rng, total, first):
    rows, expected = RowSet(total, first=first), set()
    for _ in range(5):
        some = first + np.flatnonzero(rng.random(total) < 0.2)
        rows.add(some)
        expected |= set(some.tolist())
        start, stop = sorted((first + rng.integers(0, total + 1, 2)).tolist())
        assert rows[start:stop].tolist() == [row in expected for row in range(start, stop)]
        any_order = first + rng.permutation(total)
        assert rows.having(any_order).tolist() == [row in expected for row in any_order.tolist()]
        assert rows.count() == len(expected)
        assert rows.any() == bool(expected)
        assert {row for part in rows.of_bytes(0, 200) for row in part.tolist()} == expected
        others = RowSet.all_but(total, np.array(sorted(expected), np.intp), first)
        every = range(first, first + total)
        assert others[first : every.stop].tolist() == [row not in expected for row in every]
        assert others.count() == total - len(expected)


def test_runs_are_those_of_a_plain_loop(rng):
    for _ in range(50):
        flags = rng.random(rng.integers(0, 30)) < 0.5
        inside = {k for start, stop in runs_of(flags) for k in range(start, stop)}
        assert inside == set(np.flatnonzero(flags).tolist())
        assert all(stop not in inside for _, stop in runs_of(flags))


@pytest.mark.parametrize("number", [None, errno.EOPNOTSUPP])
def test_room_for_all_marks_is_taken_at_the_start(tmp_path, monkeypatch, number):
    def refused(file, begin, size):
        raise OSError(number, os.strerror(number))

    if number:
        monkeypatch.setattr(os, "posix_fallocate", refused)
    path = tmp_path / "x.part.journal"
    with Journal(path, JournalState({}, False, RowSet(10**7))) as running:
        running.start()
        assert path.stat().st_blocks * 512 >= 10**7 / 4
        assert not any(path.read_bytes().partition(b"\n")[2][40:])
    assert not read_journal(path).done.any()


@pytest.fixture
def written(monkeypatch):
    """Return how many bytes each write had."""
    sizes, pwrite = [], os.pwrite

    def watched(file, data, at):
        sizes.append(len(data))
        return pwrite(file, data, at)

    monkeypatch.setattr(os, "pwrite", watched)
    return sizes


def test_only_marks_that_changed_are_written(tmp_path, tuned, written):
    tuned(mark_seconds=0.0, sync_seconds=1e9)
    path = tmp_path / "x.part.journal"
    (tmp_path / "data").touch()
    with (
        Journal(path, JournalState({}, False, RowSet(MANY))) as running,
        Place(tmp_path / "data").open() as data,
    ):
        running.start()
        running.trust()
        assert sum(written) < 1000
        assert path.stat().st_size > MANY / 4
        written.clear()
        running.mark(np.array([5, 6, MANY // 2, MANY - 1]), data)
        assert sum(written) <= 3 * journal.BLOCK
        written.clear()
        running.sync(data)
        assert sum(written) <= 3 * 3 * journal.BLOCK + 40
        running.mark(np.arange(9), data)
        running.end()
    done = read_journal(path).done
    assert np.flatnonzero(np.unpackbits(done.bits)).tolist() == [*range(9), MANY // 2, MANY - 1]
    assert done.bits.nbytes == MANY / 8


def test_marks_that_were_withdrawn_are_those_that_were_not_safe(tmp_path, tuned):
    """After a sync that failed, a journal says what the last good one said."""
    tuned(mark_seconds=0.0, sync_seconds=1e9)
    path = tmp_path / "x.part.journal"

    class Failing:
        def sync(self, rows):
            raise OSError(5, "Input/output error")

    with (
        Journal(path, JournalState({}, False, RowSet(10**5))) as running,
        Place(Path(os.devnull)).open() as data,
    ):
        running.start()
        running.trust()
        running.mark(np.array([3, 90_000]), data)
        data.sync = lambda rows: None
        running.sync(data)
        running.mark(np.array([4, 50_000]), data)
        with pytest.raises(OSError, match="Input/output"):
            running.sync(Failing())
        running.mark(np.array([5]), data)
        running.flush()
        assert running.keeps
        running.end()
    assert np.flatnonzero(np.unpackbits(read_journal(path).done.bits)).tolist() == [3, 90_000]
