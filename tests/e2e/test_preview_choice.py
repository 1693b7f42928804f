"""`preview`: which RoIs are drawn."""

import h5py
import numpy as np
import pytest
from scenes import rois_of, seen

from lucid.errors import RoiError, SourceError
from lucid.stream.read.maps import Features
from lucid.viewer.planes import plane_of


def test_rows_images_and_the_first_of_each_image(files):
    index = files.rois[:, 0].astype(int)
    assert sorted(rois_of(seen("f.npy", "r.npy", rows="3,17,50:52"))) == [3, 17, 50, 51]
    assert sorted(rois_of(seen("f.npy", "r.npy", rows=[7]))) == [7]
    of_two = np.flatnonzero(np.isin(index, [1, 3])).tolist()
    assert sorted(rois_of(seen("f.npy", "r.npy", image=[1, "3"]))) == of_two
    first = [np.flatnonzero(index == image)[:12] for image in range(4)]
    assert sorted(rois_of(seen("f.npy", "r.npy"))) == sorted(np.concatenate(first).tolist())
    with pytest.raises(RoiError, match="has 60 RoIs and no row 60"):
        seen("f.npy", "r.npy", rows="60")


def test_rows_of_a_table_that_is_read_in_slices(files, tuned):
    tuned(slice_rows=7)
    rows = slice(3, 58, 5)
    assert sorted(rois_of(seen("f.npy", "r.npy", rows=rows))) == list(range(60))[rows]
    assert len(rois_of(seen("f.npy", "r.npy", random=20, seed=1))) == 20


def test_a_random_choice_is_the_same_for_a_seed_and_within_what_is_named(files):
    some = [sorted(rois_of(seen("f.npy", "r.npy", random=9, seed=seed))) for seed in (4, 4, 5)]
    assert some[0] == some[1] != some[2]
    assert set(rois_of(seen("f.npy", "r.npy", random=5, image=2))) <= set(
        np.flatnonzero(files.rois[:, 0] == 2).tolist()
    )


def test_an_image_is_found_by_its_id_before_its_number(tmp_path, rng):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["features"] = rng.standard_normal((3, 2, 8, 8))
        file["ids"] = ["2.jpg", "cat.jpg", "dog.jpg"]
    scene = seen(tmp_path / "f.h5", [[0, 0, 0, 5, 5]], image=["dog", "2", "1"])
    assert [image.number for image in scene.images] == [2, 0, 1]
    assert [len(image.rois) for image in scene.images] == [0, 1, 0]
    with pytest.raises(SourceError, match="has no image 'bird'.*ids such as '2.jpg'"):
        seen(tmp_path / "f.h5", [[0, 0, 0, 5, 5]], image="bird")


def test_the_worst_are_those_that_are_odd(rng):
    plain = np.c_[np.zeros(40), rng.uniform(8, 20, (40, 2)), rng.uniform(21, 30, (40, 2))]
    odd = {
        3: ([0, 100, 5, 120, 20], "outside"),
        8: ([0, 4, 4, 4.2, 4.3], "tiny"),
        13: ([0, 2, 10, 50, 11], "thin"),
        21: ([0, 0, 0, 50, 40], "largest"),
        30: ([0, 9, 9, 4, 12], "invalid"),
        35: ([7, 1, 1, 4, 4], "invalid"),
    }
    for row, (roi, _) in odd.items():
        plain[row] = roi
    scene = seen(rng.standard_normal((2, 3, 40, 50)), plain, worst=True)
    found = {roi.row: roi.kinds for roi in [*scene.rois, *scene.strays]}
    for row, (_, kind) in odd.items():
        assert kind in found.pop(row)
    assert all(set(kinds) <= {"largest"} for kinds in found.values())
    assert [roi.fact for roi in scene.strays] == ["batch_index must be in [0, 2), got 7 at row 35"]
    (invalid,) = (roi for roi in scene.rois if roi.row == 30)
    assert invalid.crop is None
    assert "x2 must be at least x1" in invalid.fact


def test_a_huge_map_is_drawn_from_every_so_many_cells(rng):
    class Counted(Features):
        name, images, channels, dtype = "f", 1, 3, np.dtype(np.float64)
        sizes, largest, kind = np.array([[101, 67]]), 0, "float64"

        def read(self, image, window):
            part = values[:, *window]
            self.largest = max(self.largest, part.nbytes)
            return part

    values = rng.standard_normal((3, 101, 67))
    for room, most in ((1, 400), (20_000, 400), (10**9, 400), (20_000, 10**6)):
        features = Counted(None)
        plane, step = plane_of(features, 0, lambda part: part.mean(axis=0), most, room)
        np.testing.assert_array_equal(plane, values.mean(axis=0)[::step, ::step])
        assert plane.size <= most
        assert features.largest <= max(room, 3 * 67 * 8)
