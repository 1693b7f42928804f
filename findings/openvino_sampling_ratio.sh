#!/usr/bin/env bash
# Libraries: openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, NumPy 2.4.6.
#
# Behaviour: an ONNX RoiAlign without the attribute `sampling_ratio`. ONNX's default is 0: as many samples along each
# axis of a bin as the bin has cells, rounded up. OpenVINO's reader of ONNX files takes 1: one sample in the middle of
# each bin, however large the bin is. The same node with `sampling_ratio=0` written out is read as onnxruntime reads it.
#
# Why it surprises: to write down a default is expected to change nothing, and no warning tells of it. The result is
# plausible. With bins of up to one cell the two agree, and so they do on a map that is linear in x and y: the middle of
# a bin is then its mean, so that a test with `np.arange` passes.
#
# Whom it bites: models made with `onnx.helper` or by tools that leave out attributes at their defaults. Of large boxes
# one cell in dozens is looked at, and a crop changes by leaps where a box moves by a cell. Write the attribute.
#
# Seen (map of 16x16 with a 1 in every fourth column and row, 1/16 of its cells; the box 0 0 16 16; bin 0 of 2x2):
#   opset 10, attribute 0: onnxruntime 0.0625, openvino 0.0625
#   opset 10, none: onnxruntime 0.0625, openvino 1
#   opset 16, attribute 0: onnxruntime 0.0625, openvino 0.0625
#   opset 16, none: onnxruntime 0.0625, openvino 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper

MAP = np.zeros((1, 1, 16, 16), "f4")
MAP[..., ::4, ::4] = 1
FEED = {"x": MAP, "rois": np.float32([[0, 0, 16, 16]]), "batch": np.zeros(1, "i8")}


def model(opset, **attributes):
    if opset == 16:
        attributes["coordinate_transformation_mode"] = "output_half_pixel"
    node = helper.make_node("RoiAlign", list(FEED), ["y"], output_height=2, output_width=2, **attributes)
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, [1, 1, 16, 16]), value("rois", TensorProto.FLOAT, [1, 4]),
              value("batch", TensorProto.INT64, [1])]
    graph = helper.make_graph([node], "crop", inputs, [value("y", TensorProto.FLOAT, [1, 1, 2, 2])])
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def by_openvino(file):
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    feed = [array.astype(port.element_type.to_dtype()) for array, port in zip(FEED.values(), compiled.inputs)]
    return float(compiled(feed)[0].ravel()[0])


for opset in 10, 16:
    for label, attributes, expected in ("attribute 0", {"sampling_ratio": 0}, [0.0625] * 2), ("none", {}, [0.0625, 1]):
        file = model(opset, **attributes)
        runtime = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        seen = [float(runtime.run(None, FEED)[0].ravel()[0]), by_openvino(file)]
        print(f"opset {opset}, {label}: onnxruntime {seen[0]:g}, openvino {seen[1]:g}")
        if not np.allclose(seen, expected, rtol=1e-5, atol=0):
            sys.exit(f"changed: not {expected}")
PY
echo "as described"
