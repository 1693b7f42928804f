#!/usr/bin/env bash
# Libraries: opencv-python-headless 5.0.0.93, beside 4.14.0.94, NumPy 2.4.6.
#
# Behaviour: OpenCV 5 takes an array (H, W, C) for an image of C channels up to 128 of them; OpenCV 4 did up to 512.
# From 129 on it is an array of three axes and one channel. `resize`, `flip`, `copyMakeBorder`, `blur` refuse it, with
# "m->dims <= 2" and the like; `split` and `mean` return something else without a word: one array of three axes, and
# the mean of all channels in place of the first, where up to 128 `mean` refuses more than 4 channels.
#
# Why it surprises: nothing in the messages is about channels, the limit is a quarter of what it was, and the same
# script works on the maps of a smaller model.
#
# Whom it bites: those who resize, flip or pad feature maps with channels last by `cv2`: maps often have 256 channels or
# more. Cut them into groups of up to 128, or of 4 if bilinear warps are to be exact (opencv_warp_channels.sh).
#
# Seen (ones of 6x8; number of channels):
#   4.14.0, 128: resize, flip, border, blur as they should; split 128 of (6, 8); mean error
#   4.14.0, 256: resize, flip, border, blur as they should; split 256 of (6, 8); mean error
#   5.0.0, 128: resize, flip, border, blur as they should; split 128 of (6, 8); mean error
#   5.0.0, 256: resize error; flip error; border error; blur error; split 1 of (6, 8, 256); mean 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/channels.py" <<'PY'
import sys

import cv2
import numpy as np


def told(call, image):
    """Tell the shape of what a call returns, or that it raises."""
    try:
        result = call(image)
    except cv2.error:
        return "error"
    if isinstance(result, np.ndarray):
        return str(result.shape)
    return f"{result[0]:g}" if np.isscalar(result[0]) else f"{len(result)} of {result[0].shape}"


CALLS = {
    "resize": lambda image: cv2.resize(image, (16, 12)),
    "flip": lambda image: cv2.flip(image, 1),
    "border": lambda image: cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_REPLICATE),
    "blur": lambda image: cv2.blur(image, (3, 3)),
    "split": cv2.split,
    "mean": cv2.mean,
}
for channels in 128, 256:
    image = np.ones((6, 8, channels), "f4")
    seen = [told(call, image) for call in CALLS.values()]
    print(f"{cv2.__version__}, {channels}: {'; '.join(map(' '.join, zip(CALLS, seen)))}")
    n = channels
    expected = [f"(12, 16, {n})", f"(6, 8, {n})", f"(8, 10, {n})", f"(6, 8, {n})", f"{n} of (6, 8)", "error"]
    if cv2.__version__ == "5.0.0" and n > 128:
        expected = ["error"] * 4 + [f"1 of (6, 8, {n})", "1"]
    if seen != expected:
        sys.exit(f"changed: not {expected}")
PY
for version in 4.14.0.94 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        numpy==2.4.6 "opencv-python-headless==$version"
    (cd "$folder" && "$version/bin/python" channels.py)
done
echo "as described"
