"""The README's calls of other frameworks give what it says are the same calls here."""

import importlib
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lucid.models import utils

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("\n## Coming from another framework\n")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \|", SECTION, re.MULTILINE)
NEEDS = {
    "torchvision": ["torch", "torchvision"], "detectron2": ["torch", "detectron2.layers"],
    "mmcv": ["torch", "mmcv.ops"], "onnx": ["onnx", "onnxruntime"],
    "openvino": ["openvino"], "tf": ["tensorflow"],
}  # fmt: skip
TOLERANCE = 5e-4  # of the largest value: others compute positions in float32


def given():
    """Return what the calls are about; no box has a side that is a whole number of bins."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 8, 25, 34), np.float32)
    corner = rng.uniform(0, 300, (40, 2))
    sides = np.exp(rng.uniform(2, 5, (40, 2)))
    index = np.sort(rng.integers(0, 2, 40))
    rois = np.c_[index, corner, corner + sides].astype(np.float32)
    turned = np.c_[index, corner + 40, sides, rng.uniform(-3, 3, 40)].astype(np.float32)
    return {
        "x": x, "rois": rois, "boxes": rois[:, 1:], "index": rois[:, 0], "turned": turned,
        "coarse": np.ascontiguousarray(x[:, :, ::2, ::2][:, :, :12]), "sizes": [(400, 544)] * 2,
        "nhwc": np.ascontiguousarray(x.transpose(0, 2, 3, 1)),
        "by_image": [rois[index == image, 1:] for image in (0, 1)],
    }  # fmt: skip


def by_torch(values):
    torch = pytest.importorskip("torch")
    if isinstance(values, np.ndarray):
        return torch.from_numpy(values)
    if isinstance(values, list) and isinstance(values[0], np.ndarray):
        return [torch.from_numpy(one) for one in values]
    return values


def onnx_operator(name, domain_version=16):
    """Return an operator of ONNX as a function, which onnxruntime computes."""
    import onnx
    import onnxruntime

    def call(*arrays, **attributes):
        arrays = [array.astype(np.int64) if array.ndim == 1 else array for array in arrays]
        names = [f"input{number}" for number in range(len(arrays))]
        node = onnx.helper.make_node(name, names, ["crops"], **attributes)
        described = [
            onnx.helper.make_tensor_value_info(
                one, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for one, array in zip(names, arrays, strict=True)
        ]
        crops = onnx.helper.make_tensor_value_info("crops", onnx.TensorProto.FLOAT, None)
        model = onnx.helper.make_model(
            onnx.helper.make_graph([node], name, described, [crops]),
            opset_imports=[onnx.helper.make_opsetid("", domain_version)], ir_version=8,
        )  # fmt: skip
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return session.run(None, dict(zip(names, arrays, strict=True)))[0]

    return call


def openvino_operators(opset):
    """Return the operators of an opset as functions of arrays."""
    import openvino as ov

    module = importlib.import_module(f"openvino.{opset}")

    def computed(operator):
        def call(*arguments):
            arrays = [one for one in arguments if isinstance(one, np.ndarray)]
            kinds = [np.int32 if one.ndim == 1 else np.float32 for one in arrays]
            inputs = [
                module.parameter(list(one.shape), kind)
                for one, kind in zip(arrays, kinds, strict=True)
            ]
            node = operator(*inputs, *arguments[len(arrays) :])
            hints = {"INFERENCE_PRECISION_HINT": "f32"}
            model = ov.Core().compile_model(ov.Model([node], inputs), "CPU", hints)
            values = [one.astype(kind) for one, kind in zip(arrays, kinds, strict=True)]
            return model([np.ascontiguousarray(value) for value in values])[0]

        return call

    names = [name for name in ("roi_align", "roi_align_rotated") if hasattr(module, name)]
    return SimpleNamespace(**{name: computed(getattr(module, name)) for name in names})


def called_by_peer(call):
    """Return the crops that a framework makes, or skip where it is not installed."""
    peer = call.partition(".")[0]
    for needed in NEEDS[peer]:
        pytest.importorskip(needed)
    values = given()
    if peer == "onnx":
        names = ("RoiAlign", "MaxRoiPool")
        scope = SimpleNamespace(**{name: onnx_operator(name) for name in names})
    elif peer == "openvino":
        opset = call.split(".")[1]
        scope = SimpleNamespace(**{opset: openvino_operators(opset)})
    elif peer == "tf":
        scope = importlib.import_module("tensorflow")
    else:
        values = {name: by_torch(value) for name, value in values.items()}
        importlib.import_module(NEEDS[peer][1])
        scope = importlib.import_module(peer)
    crops = np.asarray(eval(call, values | {peer: scope}))
    return np.moveaxis(crops, -1, 1) if peer == "tf" else crops  # it has channels last


def called_here(call):
    return eval(call, given() | {name: getattr(utils, name) for name in dir(utils)})


def test_the_section_has_rows_of_all_frameworks_and_every_call_here_works():
    assert {theirs.partition(".")[0] for theirs, _ in ROWS} == set(NEEDS)
    for _, ours in ROWS:
        crops = called_here(ours)
        assert len(crops) == 40
        assert np.isfinite(crops).all()


@pytest.mark.slow  # and in need of what only few install
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("theirs", "ours"), ROWS, ids=[theirs for theirs, _ in ROWS])
def test_both_calls_give_the_same(theirs, ours):
    crops, expected = called_by_peer(theirs), called_here(ours)
    assert crops.shape == expected.shape
    largest = np.abs(given()["x"]).max()
    assert np.abs(crops - expected).max() <= TOLERANCE * largest


@pytest.mark.slow
def test_defaults_of_torchvision_are_those_here():
    pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision").ops
    import inspect

    for name in ("roi_align", "roi_pool", "ps_roi_align"):
        theirs = inspect.signature(getattr(ops, name)).parameters
        ours = inspect.signature(getattr(utils, name)).parameters
        names = {"input": "features", "boxes": "rois"}
        for number, (word, parameter) in enumerate(theirs.items()):
            same = ours[names.get(word, word)]
            assert list(ours)[number] == same.name
            if word != "output_size":
                assert same.default == parameter.default or math.isclose(same.default, 1.0)
