#!/usr/bin/env bash
# Libraries: apache-tvm 0.27.0.post1 (Relax), onnx 1.23.2, onnxruntime 1.32.0, NumPy 2.4.6.
#
# Behaviour: `relax.op.vision.roi_align(..., aligned=True)` does not shift the boxes by half a cell. All that it does is
# to let boxes be smaller than one cell; larger ones give what `aligned=False` gives. The importer of ONNX makes up for
# that: for `half_pixel` it subtracts 0.5 from the boxes, but in pixels, before they are multiplied by `spatial_scale`,
# and so shifts by 0.5 * spatial_scale cells.
#
# Why it surprises: the operator is new, and its argument has the name, the place and the default of torchvision's, to
# which the importer of exported torch programs passes it on. In detectron2, torchvision, mmcv and ONNX that name, or
# `half_pixel`, means the half cell above all. Of ONNX files, those with a spatial scale of 1 are right.
#
# Whom it bites: whoever runs the head of a detector on stored feature maps by TVM. On a map of stride 16 all crops lie
# half a cell, 8 pixels, to the right and below; by ONNX 0.47 of a cell. Nothing fails, and scores merely get worse.
# Subtract 0.5 / spatial_scale from the boxes, with `aligned=True` for the small ones; with ONNX subtract what is missing.
#
# Seen (cells hold their column; the box is 1..7 in cells, one bin, so 4 - 0.5 = 3.5 is the half cell's value):
#   relax aligned=False 4, aligned=True 4; a box 0.4 wide at 3: 3.5 and 3.2
#   ONNX half_pixel at scale 1: onnxruntime 3.5, TVM 3.5
#   ONNX half_pixel at scale 0.5: onnxruntime 3.5, TVM 3.75
#   ONNX half_pixel at scale 0.0625: onnxruntime 3.5, TVM 3.96875
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check apache-tvm==0.27.0.post1 onnx==1.23.2 \
    onnxruntime==1.32.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
import tvm
from onnx import TensorProto, helper
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

COLUMNS = np.broadcast_to(np.arange(12, dtype="f4"), (1, 1, 12, 12)).copy()


def run(module, *arrays):
    machine = relax.VirtualMachine(tvm.compile(relax.transform.LegalizeOps()(module), "llvm"), tvm.cpu())
    return float(machine["main"](*map(tvm.runtime.tensor, arrays)).numpy().squeeze())


def by_relax(box, aligned):
    rois = np.array([[0, *box]], "f4")
    builder = relax.BlockBuilder()
    given = [relax.Var(name, relax.TensorType(array.shape, "float32")) for name, array in
             (("maps", COLUMNS), ("rois", rois))]
    with builder.function("main", given):
        with builder.dataflow():
            crops = builder.emit_output(relax.op.vision.roi_align(*given, (1, 1), 1.0, 2, aligned))
        builder.emit_func_output(crops)
    return run(builder.get(), COLUMNS, rois)


def by_onnx(scale):
    arrays = COLUMNS, np.array([[1, 1, 7, 7]], "f4") / np.float32(scale), np.zeros(1, "i8")
    node = helper.make_node("RoiAlign", ["x", "rois", "index"], ["y"], output_height=1, output_width=1,
                            sampling_ratio=2, spatial_scale=float(scale), coordinate_transformation_mode="half_pixel")
    kinds = TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT64
    inputs = [helper.make_tensor_value_info(name, kind, array.shape)
              for name, kind, array in zip(node.input, kinds, arrays)]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 1, 1, 1))
    model = helper.make_model(helper.make_graph([node], "crops", inputs, [output]),
                              opset_imports=[helper.make_opsetid("", 16)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return float(session.run(None, dict(zip(node.input, arrays)))[0].squeeze()), run(from_onnx(model), *arrays)


seen = [round(by_relax(box, aligned), 4) for box in ((1, 1, 7, 7), (3, 3, 3.4, 3.4)) for aligned in (False, True)]
print("relax aligned=False {:g}, aligned=True {:g}; a box 0.4 wide at 3: {:g} and {:g}".format(*seen))
for scale in (1, 0.5, 1 / 16):
    seen += by_onnx(scale)
    print("ONNX half_pixel at scale {:g}: onnxruntime {:g}, TVM {:g}".format(scale, *seen[-2:]))
if not np.allclose(seen, [4, 4, 3.5, 3.2, 3.5, 3.5, 3.5, 3.75, 3.5, 3.96875], atol=1e-4):
    sys.exit("changed")
PY
echo "as described"
