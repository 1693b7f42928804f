#!/usr/bin/env bash
# Libraries: openvino 2026.4.1, onnx 1.23.2, NumPy 2.4.6.
#
# Behaviour: ONNX's and OpenVINO's RoIAlign both have a mode named `half_pixel`, and it is not the same one. ONNX's
# shifts by half a CELL of the feature map; OpenVINO's by half a PIXEL of the picture before scaling and back by half a
# cell after it. ONNX's goes by the name `half_pixel_for_nn` there, which is also what OpenVINO makes of it when it reads
# an ONNX file. At spatial_scale 1 OpenVINO's `half_pixel` shifts nothing at all and equals `asymmetric`.
#
# Why it surprises: the same word in the same attribute of the same operator. The difference is scale / 2 cells: it
# changes with the map. A unit test on a 5x5 map at scale 1 even finds the opposite of what the name says.
#
# Whom it bites: those who build the node in OpenVINO (`opset15.roi_align`) with ONNX's or torchvision's word in mind, or
# compare with `aligned=True` of other libraries: on a pyramid the finest level is off by an eighth of a cell, and
# the error shrinks level by level.
#
# Seen (0 to 24 on 5x5; the box 1 1 3 3 in cells; bin 0 of 2x2, ratio 2):
#   scale 1: asymmetric 9, half_pixel 9, half_pixel_for_nn 6; ONNX half_pixel 6, read by openvino 6
#   scale 0.5: asymmetric 9, half_pixel 7.5, half_pixel_for_nn 6; ONNX half_pixel 6, read by openvino 6
#   scale 0.25: asymmetric 9, half_pixel 6.75, half_pixel_for_nn 6; ONNX half_pixel 6, read by openvino 6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 openvino==2026.4.1
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import numpy as np
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from openvino import Model, Type, opset15

MAP = np.arange(25, dtype="f4").reshape(1, 1, 5, 5)
core = openvino.Core()


def bin_0(model, box):
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    index = np.zeros(1, compiled.inputs[2].element_type.to_dtype())
    return float(compiled([MAP, box, index])[0].ravel()[0])


def in_openvino(mode, scale, box):
    x, rois = opset15.parameter([1, 1, 5, 5], Type.f32), opset15.parameter([1, 4], Type.f32)
    batch = opset15.parameter([1], Type.i32)
    node = opset15.roi_align(x, rois, batch, 2, 2, 2, scale, "avg", mode)
    return bin_0(Model([node], [x, rois, batch], "crop"), box)


def onnx_model(scale):
    node = helper.make_node(
        "RoiAlign", ["x", "rois", "batch"], ["y"], output_height=2, output_width=2, sampling_ratio=2,
        spatial_scale=scale, coordinate_transformation_mode="half_pixel",
    )
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, [1, 1, 5, 5]), value("rois", TensorProto.FLOAT, [1, 4]),
              value("batch", TensorProto.INT64, [1])]
    graph = helper.make_graph([node], "crop", inputs, [value("y", TensorProto.FLOAT, [1, 1, 2, 2])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=10)


for scale, expected in (1.0, [9, 9, 6, 6, 6]), (0.5, [9, 7.5, 6, 6, 6]), (0.25, [9, 6.75, 6, 6, 6]):
    box = np.float32([[1, 1, 3, 3]]) / np.float32(scale)
    modes = ("asymmetric", "half_pixel", "half_pixel_for_nn")
    seen = [in_openvino(mode, scale, box) for mode in modes]
    model = onnx_model(scale)
    feed = {"x": MAP, "rois": box, "batch": np.zeros(1, "i8")}
    seen.append(float(np.ravel(ReferenceEvaluator(model).run(None, feed)[0])[0]))
    seen.append(bin_0(core.read_model(model.SerializeToString()), box))
    told = ", ".join(f"{mode} {value:g}" for mode, value in zip(modes, seen))
    print(f"scale {scale:g}: {told}; ONNX half_pixel {seen[3]:g}, read by openvino {seen[4]:g}")
    if not np.allclose(seen, expected, rtol=1e-6, atol=0):
        sys.exit(f"changed: not {expected}")
PY
echo "as described"
