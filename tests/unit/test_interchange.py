"""Arrays of other libraries: taken where they lie, or refused with what mends it."""

import re
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import DTypeError, GradientError, Tensor
from lucid.models.utils import (
    MultiScaleROIAlign,
    assign_levels,
    coverage,
    crop_and_resize,
    prroi_pool,
    roi_align,
    roi_align_rotated,
    roi_pool,
)

README = (Path(__file__).parents[2] / "README.md").read_text()
RECIPE = re.search(r"```python\n(import lucid\nimport torch\n.*?)```", README, re.DOTALL)[1]


class ByArray:
    """What another library might have: `__array__` alone."""

    def __init__(self, values):
        self.values = np.asarray(values)
        self.shape = self.values.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


class ByDlpack:
    """The same with DLPack alone."""

    def __init__(self, values, device=1):
        self.values, self.device = np.array(values), device

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device, 0


class OnGpu(ByDlpack):
    """As of CuPy, which is not copied unasked."""

    def __init__(self, values):
        super().__init__(values, device=2)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


class Tracked(ByArray):
    requires_grad = True

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.fixture
def maps(rng):
    return rng.standard_normal((2, 3, 9, 11)).astype(np.float32)


ROIS = [[0, 1.0, 1.0, 7.0, 6.0], [1, 0.5, 2.0, 9.0, 8.0]]
TURNED = [[0, 4.0, 4.0, 5.0, 3.0, 30.0], [1, 5.0, 4.0, 2.0, 3.0, 10.0]]
CALLS = [
    lambda maps, rois: roi_align(maps, rois(ROIS), 2),
    lambda maps, rois: roi_pool(maps, rois(ROIS), 2),
    lambda maps, rois: prroi_pool(maps, rois(ROIS), 2),
    lambda maps, rois: crop_and_resize(maps, rois([[1, 0.1, 0.2, 0.9, 0.8]]), 2),
    lambda maps, rois: roi_align_rotated(maps, rois(TURNED), 2),
    lambda maps, rois: roi_align(maps, [rois([[1, 1, 4, 4.0]]), rois([[0, 0, 5, 5.0]])], 2),
    lambda maps, rois: MultiScaleROIAlign(2)([maps], rois(ROIS), [1.0]),
    lambda maps, rois: coverage(rois(ROIS), (9, 11), output_size=2),
    lambda maps, rois: assign_levels(rois([[0, 0, 9, 9.0], [0, 0, 500, 500]]), [0.25, 0.125]),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [ByArray, ByDlpack])
def test_all_functions_take_arrays_of_others(maps, call, kind):
    np.testing.assert_array_equal(call(kind(maps), kind), call(maps, np.array))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("kind", "error", "fact"),
    [
        (OnGpu, DTypeError, "must be in the memory of the CPU, got .* on CUDA; copy it first"),
        (Tracked, GradientError, r"requires a gradient.*\.detach\(\) of torch"),
    ],
)
def test_what_cannot_be_taken_says_what_to_do(maps, call, kind, error, fact):
    with pytest.raises(error, match=fact):
        call(maps, kind)


def test_the_name_of_the_argument_is_said(maps):
    with pytest.raises(DTypeError, match=r"^features must be in the memory"):
        roi_align(OnGpu(maps), ROIS, 2)
    with pytest.raises(GradientError, match=r"^rois requires a gradient"):
        roi_align(maps, [Tracked([[0, 0, 1, 1.0]])] * 2, 2)
    broken = ByDlpack(maps)
    broken.values = maps.astype(">f4")
    with pytest.raises(DTypeError, match="^features cannot be taken as an array: "):
        roi_align(broken, ROIS, 2)


@pytest.mark.parametrize("kind", [ByArray, ByDlpack])
def test_a_run_takes_them_and_so_does_a_tensor(tmp_path, maps, kind):
    lucid.extract(kind(maps), kind(ROIS), tmp_path / "others.npy", output_size=2)
    boxes = [kind([[1, 1, 4, 4.0]]), kind([[0, 0, 5, 5.0]])]
    lucid.extract(kind(maps), boxes, tmp_path / "lists.npy", output_size=2)
    np.testing.assert_array_equal(np.load(tmp_path / "others.npy"), roi_align(maps, ROIS, 2))
    rows = [[0, 1, 1, 4, 4.0], [1, 0, 0, 5, 5.0]]
    np.testing.assert_array_equal(np.load(tmp_path / "lists.npy"), roi_align(maps, rows, 2))
    np.testing.assert_array_equal(Tensor(kind(maps)).numpy(), maps)
    with pytest.raises(GradientError, match="requires a gradient"):
        lucid.extract(Tracked(maps), ROIS, tmp_path / "never.npy")


def test_a_tensor_is_exported_without_a_copy(maps):
    tensor = Tensor(maps)
    assert np.shares_memory(np.from_dlpack(tensor), maps)


def test_memory_is_shared_where_it_can_be(maps):
    """A map that another library holds is read in place, as a large one must be."""
    from lucid.roi.interchange import as_numpy

    for kind in (ByArray, ByDlpack):
        held = kind(maps)
        assert np.shares_memory(as_numpy(held), held.values)


def test_a_bar_is_drawn_if_it_is_asked_for(files, capsys):
    seen = []
    lucid.extract("f.npy", "r.npy", "a.npy", progress=True, on_progress=seen.append)
    assert "60/60" in capsys.readouterr().err
    assert seen[-1] == 60
    lucid.extract("f.npy", "r.npy", "b.npy", on_progress=seen.append)
    assert capsys.readouterr().err == ""


@pytest.mark.slow  # and in need of what only few install
def test_torch_gives_and_takes(maps):
    torch = pytest.importorskip("torch")
    ours = roi_align(maps, ROIS, 2)
    np.testing.assert_array_equal(roi_align(torch.from_numpy(maps), torch.tensor(ROIS), 2), ours)
    listed = [torch.tensor([one[1:]]) for one in ROIS]
    np.testing.assert_array_equal(roi_align(torch.from_numpy(maps), listed, 2), ours)
    tensor = roi_align(Tensor(maps), ROIS, 2)
    taken = torch.from_dlpack(tensor)
    assert np.shares_memory(taken.numpy(), tensor.numpy())
    tracked = torch.tensor(maps, requires_grad=True)
    with pytest.raises(GradientError, match=r"^features requires a gradient.*detach"):
        roi_align(tracked, ROIS, 2)
    with pytest.raises(DTypeError, match=r"^features cannot be taken as an array: .*BFloat16"):
        roi_align(torch.zeros(1, 1, 3, 3, dtype=torch.bfloat16), ROIS, 2)
    with pytest.raises(DTypeError, match="^features cannot be taken as an array: "):
        roi_align(torch.empty(1, 1, 3, 3, device="meta"), ROIS, 2)
    views = torch.from_numpy(maps).permute(0, 1, 3, 2)
    np.testing.assert_array_equal(
        roi_align(views, ROIS, 2), roi_align(maps.transpose(0, 1, 3, 2), ROIS, 2)
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [(2, 1.0, 2, True), ((2, 3), 0.5, -1, False)])
def test_the_recipe_of_the_readme_has_the_gradients_that_torch_finds_numerically(rng, options):
    torch = pytest.importorskip("torch")
    scope = {}
    exec(RECIPE, scope)
    function = scope["RoIAlign"]
    features = torch.tensor(rng.standard_normal((2, 2, 6, 7)), requires_grad=True)
    rois = torch.tensor([[0, 0.3, 0.4, 4.1, 4.7], [1, 1.2, 0.6, 5.3, 3.9]], requires_grad=True)
    rois = rois.detach().double().requires_grad_()
    crops = function.apply(features, rois, *options)
    ours = roi_align(features.detach(), rois.detach(), *options)
    np.testing.assert_array_equal(crops.detach().numpy(), ours)

    def of_coordinates(features, coordinates):
        index = rois.detach()[:, :1]
        return function.apply(features, torch.cat([index, coordinates], 1), *options)

    coordinates = rois.detach()[:, 1:].clone().requires_grad_()
    assert torch.autograd.gradcheck(of_coordinates, (features, coordinates))
    function.apply(features, rois.detach(), *options).sum().backward()
    assert features.grad.shape == features.shape


@pytest.mark.slow
def test_jax_is_taken(maps):
    jax = pytest.importorskip("jax")
    ours = roi_align(maps, ROIS, 2)
    given = jax.numpy.asarray(maps), jax.numpy.asarray(ROIS)
    np.testing.assert_array_equal(roi_align(*given, 2), ours)
    with pytest.raises(DTypeError, match="^features cannot be taken as an array: "):
        jax.jit(lambda some: roi_align(some, ROIS, 2))(given[0])
