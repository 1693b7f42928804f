#!/usr/bin/env bash
# Libraries: kornia 0.9.0, torch 2.14.1 (CPU), NumPy 2.4.6.
#
# Behaviour: `Boxes` keeps the last pixel of a box, x2 - 1, moves that as a point, and adds 1 again when asked for
# "xyxy" or "xywh". Translations come out right; scaling by s makes boxes longer by 1 - s, and `compute_area` is that of
# (w - 1)(h - 1). `AugmentationSequential` with "bbox_xyxy" takes both ends for pixels that belong to the box: a flip
# moves boxes by one.
#
# Why it surprises: "xyxy" goes in and comes out unchanged, another mode, "xyxy_plus", says in its name that it counts
# pixels, and the two readings of the same word are in one package.
#
# Whom it bites: whoever takes boxes from pixels to cells of a feature map with the matrix that also moves the masks.
# At stride 16 each box is 15/16 of a cell too long, which for a box of 5 cells is a fifth, and no test on translations
# shows it. Scale the four numbers themselves; with flips, add the pixel.
#
# Seen (a box from 160, 80 to 480, 400 in a picture of 640 x 640; it should be 10 5 30 25 in cells of 16 pixels):
#   transform_boxes by 1/16: 10 5 30.9375 25.9375
#   horizontal flip, in which the box should stay: 159 80 479 400
#   compute_area: 101761, of 320 x 320 = 102400
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 kornia==0.9.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import sys

import kornia.augmentation as augmentation
import torch
from kornia.geometry.boxes import Boxes

BOX = torch.tensor([[[160.0, 80, 480, 400]]])


def told(numbers):
    return " ".join(f"{number:g}" for number in numbers)


to_cells = torch.diag(torch.tensor([1 / 16, 1 / 16, 1]))[None]
scaled = Boxes.from_tensor(BOX, mode="xyxy").transform_boxes(to_cells).to_tensor("xyxy").flatten().tolist()
flip = augmentation.AugmentationSequential(augmentation.RandomHorizontalFlip(p=1.0), data_keys=["input", "bbox_xyxy"])
flipped = flip(torch.zeros(1, 3, 640, 640), BOX)[1].flatten().tolist()
area = Boxes.from_tensor(BOX, mode="xyxy").compute_area().item()
print("transform_boxes by 1/16:", told(scaled))
print("horizontal flip, in which the box should stay:", told(flipped))
print(f"compute_area: {area:g}, of 320 x 320 = {320 * 320}")
expected = [10, 5, 30.9375, 25.9375, 159, 80, 479, 400, 101761]
if not torch.allclose(torch.tensor([*scaled, *flipped, area]), torch.tensor(expected)):
    sys.exit("changed")
PY
echo "as described"
