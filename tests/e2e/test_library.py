"""The documented module, random numbers, Module, errors."""

import builtins

import numpy as np
import pytest

import lucid
from lucid import ShapeError, Tensor, errors
from lucid.models.utils import ROIAlign, roi_align
from lucid.nn import Module


def test_the_documented_example(capsys):
    roi_align_7 = ROIAlign(output_size=(7, 7))
    features = lucid.random.randn(1, 256, 32, 32)
    rois = lucid.Tensor([[0, 4, 4, 24, 24]])
    crops = roi_align_7(features, rois)
    print(crops.shape)
    assert capsys.readouterr().out == "(1, 256, 7, 7)\n"


def test_module_and_function_agree(rng):
    features = rng.standard_normal((1, 2, 8, 8))
    rois = [[0, 1, 2, 9, 10]]
    for aligned in (False, True):
        module = ROIAlign((2, 3), aligned=aligned)
        np.testing.assert_array_equal(
            module(features, rois, 0.5, 2),
            roi_align(features, rois, (2, 3), 0.5, 2, aligned),
        )
        assert repr(module) == f"ROIAlign(output_size=(2, 3), aligned={aligned})"
        assert repr(eval(repr(module))) == repr(module)


def test_an_int_is_a_square():
    assert ROIAlign(7).output_size == ROIAlign((7, 7)).output_size == (7, 7)


def test_scales_may_differ_by_axis(rng):
    features = rng.standard_normal((1, 1, 8, 8))
    np.testing.assert_array_equal(
        roi_align(features, [[0, 4, 2, 12, 6]], 2, (1.0, 0.5)),
        roi_align(features, [[0, 2, 2, 6, 6]], 2),
    )


def test_tensors_in_tensor_out_and_arrays_in_array_out(a5):
    box = [[0, 1, 1, 3, 3]]
    assert type(roi_align(a5, box, 2)) is np.ndarray
    for crops in (roi_align(Tensor(a5), box, 2), roi_align(a5, Tensor(box), 2)):
        assert isinstance(crops, Tensor)
        assert not crops.requires_grad
    assert roi_align(Tensor(a5, requires_grad=True), box, 2).requires_grad
    with lucid.no_grad():
        assert not roi_align(Tensor(a5, requires_grad=True), box, 2).requires_grad


def test_integer_boxes_take_no_gradient_but_features_do(a5):
    features = Tensor(a5, requires_grad=True)
    roi_align(features, Tensor([[0, 1, 1, 3, 3]]), 1).backward()
    assert features.grad.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output_size": 0}, "output_size must be at least 1 by 1, got 0"),
        ({"output_size": (7, -1)}, "output_size must be at least 1 by 1"),
        ({"spatial_scale": 0}, "spatial_scale must be finite and > 0, got 0"),
        ({"spatial_scale": float("nan")}, "spatial_scale must be finite and > 0"),
        ({"spatial_scale": (1, -1)}, "spatial_scale must be finite and > 0"),
        ({"output_size": (7, 7, 7)}, "output_size must be one value or a pair, height first"),
        ({"output_size": 10**400}, "output_size must be at most 65536 a side"),
        ({"spatial_scale": None}, "spatial_scale must be a number or "),
        ({"spatial_scale": 10**400}, "spatial_scale must be a number or "),
        ({"sampling_ratio": 1025}, "sampling_ratio must be at most 1024, got 1025"),
        ({"invalid": "skip"}, "invalid must be 'raise' or 'zero', got 'skip'"),
    ],
)
def test_arguments_without_meaning_are_named(a5, arguments, message):
    with pytest.raises(ValueError, match=message):
        roi_align(a5, [[0, 1, 1, 3, 3]], **{"output_size": 2, **arguments})


@pytest.mark.parametrize("arguments", [{"output_size": 2.5}, {"sampling_ratio": 1.5}])
def test_counts_must_be_whole(a5, arguments):
    (name,) = arguments
    with pytest.raises(TypeError, match=f"{name} must be an int"):
        roi_align(a5, [[0, 1, 1, 3, 3]], **{"output_size": 2, **arguments})


def test_rows_of_different_lengths_are_refused_by_name(a5):
    with pytest.raises(ShapeError, match="rois must be a regular array"):
        roi_align(a5, [[0, 1, 1, 3, 3], [0, 1]], 2)
    with pytest.raises(ShapeError, match="features must be a regular array"):
        roi_align([[[[1, 2], [3]]]], [[0, 1, 1, 3, 3]], 2)


def test_uniform_numbers_never_reach_their_end():
    lucid.random.seed(1)
    assert lucid.random.uniform(1000, 1001, (10**6,)).numpy().max() < 1001


def test_a_seed_repeats_the_numbers():
    def draw():
        lucid.random.seed(3)
        return [
            lucid.random.rand(2, 2).tolist(),
            lucid.random.randn(3).tolist(),
            lucid.random.uniform(-1, 1, (4,)).tolist(),
        ]

    assert draw() == draw()
    assert lucid.random.randn(2, requires_grad=True).requires_grad


def test_random_numbers_have_their_distribution():
    lucid.random.seed(0)
    normal = lucid.random.randn(20_000).numpy()
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    even = lucid.random.uniform(2, 4, (20_000,)).numpy()
    assert 2 <= even.min() < 2.01
    assert 3.99 < even.max() < 4
    assert abs(lucid.random.rand(20_000).numpy().mean() - 0.5) < 0.02


class Inner(Module):
    def __init__(self):
        self.weight = Tensor([1.0], requires_grad=True)
        self.constant = Tensor([2.0])

    def forward(self, x):
        return x * self.weight


class Outer(Module):
    def __init__(self):
        self.first = self.second = Inner()
        self.pool = ROIAlign(2)

    def forward(self, x):
        return self.first(x)


def test_a_module_knows_its_parameters_and_modes():
    outer = Outer()
    assert list(outer.parameters()) == [outer.first.weight]
    assert outer.eval() is outer
    assert not (outer.training)
    assert not (outer.first.training)
    assert outer.train().first.training
    assert repr(outer).startswith("Outer(first=Inner(), second=Inner(), pool=ROIAlign(")
    assert outer(3.0).tolist() == [3.0]


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        Module()(1)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        ("ShapeError", "ValueError"),
        ("DTypeError", "TypeError"),
        ("RoiError", "ValueError"),
        ("GradientError", "RuntimeError"),
        ("SourceError", "OSError"),
        ("SinkError", "OSError"),
        ("MemoryLimitError", "MemoryError"),
    ],
)
def test_each_error_is_a_lucid_error_and_its_builtin(error, builtin):
    kind = getattr(lucid, error)
    assert kind is getattr(errors, error)
    assert issubclass(kind, lucid.LucidError)
    assert issubclass(kind, getattr(builtins, builtin))


def test_the_package_shows_its_names_and_no_others():
    assert set(lucid.__all__) <= set(dir(lucid))
    for name in lucid.__all__:
        assert getattr(lucid, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lucid.nothing
