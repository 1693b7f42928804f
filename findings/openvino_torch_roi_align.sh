#!/usr/bin/env bash
# Libraries: openvino 2026.4.1 (CPU), torch 2.14.1, torchvision 0.29.1, NumPy 2.4.6.
#
# Behaviour: `openvino.convert_model` of a torch model with `torchvision.ops.roi_align` at its default `sampling_ratio`,
# -1, makes a ROIAlign with -1, of which the compiled model returns zeros for every box. With 0, which in torchvision
# means the same, all is right, and so it is with 1, 2, and so on.
#
# Why it surprises: the conversion reports nothing, the attribute of OpenVINO's operator may not be negative by its
# specification, and compiling the model checks nothing either. torchvision's own detectors pass 2 and are right.
#
# Whom it bites: own heads on stored feature maps that call `roi_align(maps, boxes, 7, 1 / 16)`. What comes after it is
# computed from zeros: each box gets the same scores. Pass `sampling_ratio=0`.
#
# Seen (a map of ones; the mean of crops of two boxes, one of them partly outside):
#   sampling_ratio -1, aligned False: torch 0.833, OpenVINO 0
#   sampling_ratio -1, aligned True: torch 0.867, OpenVINO 0
#   sampling_ratio 0, aligned False: torch 0.833, OpenVINO 0.833
#   sampling_ratio 0, aligned True: torch 0.867, OpenVINO 0.867
#   sampling_ratio 2, aligned False: torch 0.85, OpenVINO 0.85
#   sampling_ratio 2, aligned True: torch 0.85, OpenVINO 0.85
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
    openvino==2026.4.1 numpy==2.4.6
"$folder/env/bin/python" -W ignore - <<'PY'
import sys

import openvino
import torch
from torchvision.ops import roi_align

MAPS, BOXES = torch.ones(1, 1, 16, 16), torch.tensor([[0.0, 2, 2, 9, 9], [0, 8, 8, 20, 14]])


class Head(torch.nn.Module):
    def __init__(self, ratio, aligned):
        super().__init__()
        self.ratio, self.aligned = ratio, aligned

    def forward(self, maps, boxes):
        return roi_align(maps, boxes, 5, 1.0, self.ratio, self.aligned)


seen = []
for ratio in (-1, 0, 2):
    for aligned in (False, True):
        head = Head(ratio, aligned)
        model = openvino.compile_model(openvino.convert_model(head, example_input=(MAPS, BOXES)), "CPU")
        found = float(model((MAPS.numpy(), BOXES.numpy()))[0].mean())
        seen.append((ratio, head(MAPS, BOXES).mean().item(), found))
        print("sampling_ratio {}, aligned {}: torch {:.3g}, OpenVINO {:.3g}".format(ratio, aligned, *seen[-1][1:]))
if any(abs(found - (0 if ratio < 0 else expected)) > 0.01 for ratio, expected, found in seen):
    sys.exit("changed")
PY
echo "as described"
