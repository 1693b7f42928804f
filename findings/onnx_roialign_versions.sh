#!/usr/bin/env bash
# Libraries: onnx 1.23.2, onnxruntime 1.32.0, NumPy 2.4.6.
#
# Behaviour: what a RoiAlign node means depends on the opset that the file declares, and the two implementations that
# people test against do not agree on it.
#   opset 10 to 15: the operator has no half-pixel shift. onnxruntime gives that; onnx's own ReferenceEvaluator
#   applies version 16's default, `half_pixel`, and so answers for a box half a cell away.
#   opset 22 and later: the checker accepts the node, whose only news is bfloat16; onnxruntime refuses to load the
#   model, float32 or not: NOT_IMPLEMENTED.
#
# Why it surprises: the reference evaluator exists to say what an operator means, and it is handed the opset; silently
# using another version's default is the last thing to expect of it. onnx.version_converter knows better: it writes
# `output_half_pixel` when it lifts the node from 10 to 16, after which the reference gives the old numbers. And
# where opsets 10 to 21 run one expects the next to run in float32 too, the more as the same release has other
# operators whose only news in opset 22 is bfloat16 (checked below with Cos).
#
# Whom it bites: tests that take the reference as oracle for detectors exported below opset 16;
# exporters that write the newest opset. Remedy: convert to an opset from 16 to 21.
#
# Seen (0 to 24 on 5x5, box 1 1 3 3, 2x2 bins, ratio 2, attributes as the version's defaults):
#   opset 11: onnxruntime 9 10 14 15; reference 6 7 11 12
#   opset 11 converted to 16: onnxruntime 9 10 14 15; reference 9 10 14 15
#   opset 16: onnxruntime 6 7 11 12; reference 6 7 11 12
#   opset 21: onnxruntime 6 7 11 12; reference 6 7 11 12
#   opset 22: onnxruntime NOT_IMPLEMENTED; reference 6 7 11 12
#   opset 22, Cos: onnxruntime runs it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, version_converter
from onnx.reference import ReferenceEvaluator

FEED = {
    "x": np.arange(25, dtype="f4").reshape(1, 1, 5, 5),
    "rois": np.float32([[1, 1, 3, 3]]),
    "batch": np.zeros(1, "i8"),
}
value = helper.make_tensor_value_info


def finish(opset, node, inputs, shape):
    graph = helper.make_graph([node], "g", inputs, [value("y", TensorProto.FLOAT, shape)])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(made)
    return made


def roi_align(opset):
    node = helper.make_node(
        "RoiAlign", ["x", "rois", "batch"], ["y"], output_height=2, output_width=2, sampling_ratio=2
    )
    inputs = [value("x", TensorProto.FLOAT, [1, 1, 5, 5]), value("rois", TensorProto.FLOAT, [1, 4]),
              value("batch", TensorProto.INT64, [1])]
    return finish(opset, node, inputs, [1, 1, 2, 2])


def in_onnxruntime(made, feed):
    try:
        session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return "NOT_IMPLEMENTED"
    return " ".join(f"{v:g}" for v in session.run(None, feed)[0].ravel())


def in_reference(made):
    return " ".join(f"{v:g}" for v in np.ravel(ReferenceEvaluator(made).run(None, FEED)[0]))


def compare(label, made, ort, reference):
    seen = in_onnxruntime(made, FEED), in_reference(made)
    print(f"{label}: onnxruntime {seen[0]}; reference {seen[1]}")
    if seen != (ort, reference):
        sys.exit(f"changed: not {ort}; {reference}")


plain, shifted = "9 10 14 15", "6 7 11 12"
compare("opset 11", roi_align(11), plain, shifted)
compare("opset 11 converted to 16", version_converter.convert_version(roi_align(11), 16), plain, plain)
compare("opset 16", roi_align(16), shifted, shifted)
compare("opset 21", roi_align(21), shifted, shifted)
compare("opset 22", roi_align(22), "NOT_IMPLEMENTED", shifted)

cos = finish(22, helper.make_node("Cos", ["x"], ["y"]), [value("x", TensorProto.FLOAT, [1])], [1])
ran = in_onnxruntime(cos, {"x": np.zeros(1, "f4")}) == "1"
print(f"opset 22, Cos: onnxruntime {'runs it' if ran else 'does not run it'}")
if not ran:
    sys.exit("changed: Cos of opset 22")
PY
echo "as described"
