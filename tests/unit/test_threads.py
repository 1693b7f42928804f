"""Threads share the work of a call, and change neither bits nor what they find."""

import threading
import tracemalloc

import numpy as np
import pytest

import lucid
from lucid.models.utils import roi_align
from lucid.roi import as_rois, box_gradient, pool_adjoint, threads
from lucid.roi.engines.numpy.blas import thread_count
from lucid.roi.engines.numpy.channels_last import ChannelsLastTable
from lucid.roi.engines.numpy.passes import CropsPass
from lucid.roi.engines.numpy.weights import groups
from lucid.roi.engines.numpy.workspace import Scratch, Workspace
from lucid.roi.geometry import lay_out
from lucid.roi.operators import RoiAlign
from lucid.roi.workers import Shared, Workers


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(threads._Setting, "threads", None)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 2])
@pytest.mark.parametrize("size", [1, 7, (14, 3)])
def test_any_number_of_threads_gives_the_same_bits(rng, size, ratio, aligned):
    features = rng.standard_normal((3, 40, 60, 50), np.float32)
    corner = rng.uniform(-5, 40, (400, 2))
    table = np.c_[rng.integers(0, 3, 400), corner, corner + rng.uniform(0, 50, (400, 2))]
    found = []
    for count in (1, 2, 5):
        lucid.set_num_threads(count)
        found.append(roi_align(features, table, size, 1.0, ratio, aligned))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_the_environment_says_how_many_threads_there_are_at_first(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert lucid.get_num_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert lucid.get_num_threads() >= 1
    lucid.set_num_threads(2)
    assert lucid.get_num_threads() == 2
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        lucid.set_num_threads(0)


@pytest.mark.parametrize("threads", [2.5, "2", None])
def test_a_number_of_threads_that_is_not_whole_is_refused(threads):
    with pytest.raises(TypeError, match="threads must be an int, got"):
        lucid.set_num_threads(threads)
    assert roi_align(np.ones((1, 2, 8, 8)), [[0, 1, 1, 3, 3]], 2).all()


def test_blas_has_its_threads_back_after_an_error(monkeypatch):
    def fails(count, workspace):
        raise MemoryError

    get, put = thread_count()
    before = get()
    put(2)
    try:
        expected = get()
        monkeypatch.setattr(threads, "Workers", fails)
        with pytest.raises(MemoryError), threads.working_threads(7):
            pass
        assert get() == expected
    finally:
        put(before)


def held_bytes():
    idle = threads._Setting.idle
    return sum(each.memory.nbytes for space in idle._spaces for each in space.held())


@pytest.mark.parametrize("count", [1, 2, 16])
def test_little_memory_is_kept_between_calls(rng, count):
    maps = np.ones((2, 256, 50, 68), np.float32)
    corner = rng.uniform(0, 30, (1000, 2))
    table = np.c_[rng.integers(0, 2, 1000), corner, corner + rng.uniform(2, 30, (1000, 2))]
    lucid.set_num_threads(count)
    roi_align(maps, table, 7)
    assert held_bytes() <= 32 << 20
    lucid.free_buffers()
    assert threads._Setting.idle is None


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("channels", [2, 100])
def test_any_number_of_threads_gives_the_same_bits_of_gradients(rng, channels):
    features = rng.standard_normal((1, channels, 60, 50), np.float32)
    corner = rng.uniform(-5, 40, (700, 2))
    table = as_rois(np.c_[np.zeros(700), corner, corner + rng.uniform(0, 50, (700, 2))], 1)
    g = rng.standard_normal((700, channels, 7, 7)).astype(np.float32)
    found = []
    for count in (1, 2, 5):
        lucid.set_num_threads(count)
        arguments = g, features, table, RoiAlign.checked(7)
        found.append((pool_adjoint(*arguments), box_gradient(*arguments)))
    for others in found[1:]:
        for own, first in zip(others, found[0], strict=True):
            np.testing.assert_array_equal(own, first)


def test_blas_has_one_thread_while_any_call_goes_on_and_then_as_many_as_before():
    get, put = thread_count()
    before = get()
    put(2)
    try:
        if get() == 1:
            pytest.skip("the threads of this BLAS cannot be set")
        with threads.working_threads():
            assert get() == 1
            with threads.working_threads():
                assert get() == 1
            assert get() == 1
        assert get() == 2
    finally:
        put(before)


def test_every_item_is_worked_on_once_whatever_the_threads():
    done, here = [], threading.Lock()

    def work(space, item):
        with here:
            done.append(item)

    for count in (1, 2, 3, 8):
        for items in (0, 1, 2, 100, 3000):
            done.clear()
            Workers(count, Workspace).each(work, iter(range(items)))
            assert sorted(done) == list(range(items))


def test_threads_take_items_from_both_ends_of_those_listed_ahead():
    shared = Shared(range(5))
    first, last = shared.taken(), shared.taken(last=True)
    assert [next(first), next(last), next(last), next(first), next(last)] == [0, 4, 3, 1, 2]
    assert [*first] == [*last] == []
    long = Shared(range(5000))
    assert long.has(2000)
    assert not long.has(5001)
    assert [*long.taken()] == list(range(5000))


def test_rois_that_are_weighted_in_place_are_listed_first(rng):
    """Threads that each made their many short calls would wait for each other."""
    corner = rng.uniform(0, 80, (200, 2))
    boxes = np.c_[corner, corner + rng.uniform(0, 20, (200, 2)) ** 1.5]
    geometry = lay_out(boxes, RoiAlign.checked(7), (100, 100), np.float32)
    nowhere = np.zeros(200, np.int64)
    table = ChannelsLastTable(np.zeros((0, 256), np.float32), nowhere, nowhere)
    in_place = [each.in_place for each in groups(geometry, np.arange(200), table, CropsPass())]
    assert {True, False} == {*in_place}
    assert in_place == sorted(in_place, reverse=True)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_an_error_on_any_thread_arrives_and_the_rest_is_left(count):
    done = []

    def work(space, item):
        if item == 5:
            raise KeyError("five")
        done.append(item)

    with pytest.raises(KeyError, match="five"):
        Workers(count, Workspace).each(work, iter(range(100_000)))
    assert len(done) < 99_000


@pytest.mark.usefixtures("engine")
def test_values_beyond_a_dtype_are_told_from_any_thread(rng):
    """Crops of float16 maps at the limit stay finite on several threads too."""
    largest = np.finfo(np.float16).max
    features = np.full((1, 64, 50, 50), largest)
    corner = rng.uniform(0, 20, (300, 2))
    table = np.c_[np.zeros(300), corner, corner + rng.uniform(0, 25, (300, 2))]
    lucid.set_num_threads(3)
    assert np.isfinite(roi_align(features, table, 7)).all()


def test_an_array_that_grows_is_never_there_twice():
    scratch = Scratch()
    tracemalloc.start()
    try:
        scratch.array((3 << 20,), np.float32)
        scratch.array((4 << 20,), np.float32)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 << 22
