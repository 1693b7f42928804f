#!/usr/bin/env bash
# Libraries: torch 2.14.1, torchvision 0.29.1 (CPU), NumPy 2.4.6.
#
# Behaviour: `roi_align`, `roi_pool` and their like want boxes of the features' dtype. Of a list of float16 boxes, one
# tensor an image, they make a table whose first column, the image's number, is float16 as well: image 2049 becomes
# 2048, 2051 becomes 2052, and so on. On the CPU the places of the samples are computed in float16, too, so that beyond
# cell 256 they lie tenths of a cell beside the boxes as given in float16.
#
# Why it surprises: with a list nobody writes a number of an image anywhere, and what else torch does in float16 on the
# CPU computes in float32 inside. Boxes in float32 beside float16 features are refused, which leads to `.half()`.
#
# Whom it bites: whoever keeps maps in float16 and takes crops of all images in one call. From image 2049 on every
# second image gets the crop of its neighbour. Convert the maps of one call to float32, or call for fewer images.
#
# Seen:
#   2100 images: roi_align takes the map of another image 26 times, first of image 2049; roi_pool 26 times, first 2049
#   a map of 512 columns, one apart: float16 boxes as float32 differ by 0.000, computed in float16 by 0.49
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import sys

import torch
from torchvision.ops import roi_align, roi_pool

COUNT = 2100
values = torch.arange(COUNT).remainder(7).half()
maps = values[:, None, None, None].expand(COUNT, 1, 4, 4).contiguous()
boxes = [torch.tensor([[0, 0, 4, 4]]).half()] * COUNT
wrong = [(call(maps, boxes, 1).flatten() != values).nonzero().flatten().tolist() for call in (roi_align, roi_pool)]
print("{} images: roi_align takes the map of another image {} times, first of image {}; roi_pool {} times, first {}"
      .format(COUNT, *(fact for found in wrong for fact in (len(found), found[0]))))

columns = (torch.arange(512.0).remainder(32) - 16).abs().expand(1, 1, 8, 512).contiguous()
half = torch.tensor([[0, 491.75, 1, 501, 6]]).half()


def crops(dtype):
    return roi_align(columns.to(dtype), half.to(dtype), (1, 7), 1.0, 2, True).double()


exact = crops(torch.float64)
errors = [(crops(dtype) - exact).abs().max().item() for dtype in (torch.float32, torch.float16)]
print("a map of 512 columns, one apart: float16 boxes as float32 differ by {:.3f}, computed in float16 by {:.2f}"
      .format(*errors))
if any(found != list(range(2049, COUNT, 2)) for found in wrong) or errors[0] > 1e-3 or errors[1] < 0.1:
    sys.exit("changed")
PY
echo "as described"
