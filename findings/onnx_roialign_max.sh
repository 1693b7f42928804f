#!/usr/bin/env bash
# Libraries: onnxruntime 1.32.0, onnx 1.23.2 (its reference evaluator), openvino 2026.4.1, NumPy 2.4.6.
#
# Behaviour: one and the same ONNX file with a RoiAlign node gives different numbers in two runtimes when
# `mode="max"`. onnxruntime and the reference take the largest of the four corner cells EACH TIMES ITS OWN bilinear
# weight; openvino takes the largest interpolated sample, but starts the search from 0. A zero-sized box with
# `half_pixel` and `sampling_ratio=0` gives 0 in the first two and NaN in openvino.
#
# Why it surprises: a pooled maximum is expected to lie between the smallest and the largest value of the map. On a map
# of nothing but 8 onnxruntime answers 4.5; on a map of nothing but -8 openvino answers 0, and onnxruntime -0.5. With
# `mode="avg"` all three agree, so a test of the common mode does not show it. onnxruntime 1.32 still announces, at
# every session with such a node, that its sum is incorrect and will be fixed in release 1.13.
#
# Whom it bites: all who export a detector with max RoIAlign, who take one runtime as the oracle for another, or who
# move a model between the two. The averages are safe, except boxes without extent.
#
# Seen (1x1x5x5 maps, box 1 1 3 3, 2x2 bins, sampling ratio 2, half_pixel):
#   avg, all 8:    onnxruntime 8 8 8 8; reference 8 8 8 8; openvino 8 8 8 8
#   max, all 8:    onnxruntime 4.5 4.5 4.5 4.5; reference 4.5 4.5 4.5 4.5; openvino 8 8 8 8
#   max, all -8:   onnxruntime -0.5 -0.5 -0.5 -0.5; reference -0.5 -0.5 -0.5 -0.5; openvino 0 0 0 0
#   max, 0 to 24:  onnxruntime 3.375 3.9375 6.1875 6.75; reference 3.375 3.9375 6.1875 6.75; openvino 7.5 8.5 12.5 13.5
#   avg, a point:  onnxruntime 0; reference 0; openvino nan
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(3)


def model(mode, bins, ratio):
    node = helper.make_node(
        "RoiAlign", ["x", "rois", "batch"], ["y"], mode=mode, output_height=bins, output_width=bins,
        sampling_ratio=ratio, spatial_scale=1.0, coordinate_transformation_mode="half_pixel",
    )
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "crop",
        [value("x", TensorProto.FLOAT, [1, 1, 5, 5]), value("rois", TensorProto.FLOAT, [1, 4]),
         value("batch", TensorProto.INT64, [1])],
        [value("y", TensorProto.FLOAT, [1, 1, bins, bins])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=10)
    onnx.checker.check_model(made)
    return made


def in_all(made, feed):
    raw = made.SerializeToString()
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(raw), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {
        "onnxruntime": session.run(None, feed)[0].ravel(),
        "reference": np.ravel(ReferenceEvaluator(made).run(None, feed)[0]),
        "openvino": compiled(feed)[0].ravel().copy(),
    }


def compare(label, mode, features, box, bins, ratio, ort, ov):
    feed = {"x": features, "rois": np.float32([box]), "batch": np.zeros(1, "i8")}
    seen = in_all(model(mode, bins, ratio), feed)
    print(f"{label} " + "; ".join(f"{k} " + " ".join(f"{v:g}" for v in row) for k, row in seen.items()))
    for name, expected in {"onnxruntime": ort, "reference": ort, "openvino": ov}.items():
        if not np.allclose(seen[name], expected, rtol=1e-5, atol=0, equal_nan=True):
            sys.exit(f"changed: {name} on {label} {seen[name]}, not {expected}")


eight = np.full((1, 1, 5, 5), 8, "f4")
ramp = np.arange(25, dtype="f4").reshape(1, 1, 5, 5)
box = [1, 1, 3, 3]
compare("avg, all 8:   ", "avg", eight, box, 2, 2, [8] * 4, [8] * 4)
compare("max, all 8:   ", "max", eight, box, 2, 2, [4.5] * 4, [8] * 4)
compare("max, all -8:  ", "max", -eight, box, 2, 2, [-0.5] * 4, [0] * 4)
compare("max, 0 to 24: ", "max", ramp, box, 2, 2, [3.375, 3.9375, 6.1875, 6.75], [7.5, 8.5, 12.5, 13.5])
compare("avg, a point: ", "avg", eight, [3, 3, 3, 3], 1, 0, [0], [np.nan])
PY
echo "as described"
