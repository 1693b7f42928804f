#!/usr/bin/env bash
# Libraries: opencv-python-headless 5.0.0.93, beside 4.14.0.94, NumPy 2.4.6.
#
# Behaviour: bilinear `cv2.warpAffine`, `warpPerspective` and `remap` round the place of each sample to 1/32 of a pixel,
# up to 4.14 always. OpenCV 5.0 has new code that does not round, for uint8, uint16 and float32 of 1, 3 or 4 channels.
# All else goes the old way: 2 channels, 5 and more, and float64 of any number. `hint=cv2.ALGO_HINT_ACCURATE` changes
# nothing.
#
# Why it surprises: the pixels of a channel depend on how many other channels the array has, and float32 is four orders
# of magnitude more exact than float64. The upgrade changes results of some arrays and not of others.
#
# Whom it bites: crops or warps of feature maps with channels last: one channel, tested against a reference to 1e-6,
# agrees; the map of 128 channels is off by up to 1/64 of the step between neighbours along each axis. Whoever cuts the
# map into groups of channels, as the borders' four values suggest, gets another result by groups of 4 than by groups
# of 2 or 8. Warp by groups of 4 for exact values.
#
# Seen (float32 noise on 0 to 1, 40x56, moved by 0.31 and 0.27; greatest difference from the formula in float64):
#   4.14.0, warpAffine: 1 channel 1e-02, 2 1e-02, 3 1e-02, 4 1e-02, 5 1e-02, 128 1e-02; float64, 1 channel 1e-02
#   4.14.0, remap: 1 channel 1e-02, 2 1e-02, 3 1e-02, 4 1e-02, 5 1e-02, 128 1e-02; float64, 1 channel 1e-02
#   5.0.0, warpAffine: 1 channel 1e-06, 2 1e-02, 3 1e-06, 4 1e-06, 5 1e-02, 128 1e-02; float64, 1 channel 1e-02
#   5.0.0, remap: 1 channel 1e-06, 2 1e-02, 3 1e-06, 4 1e-06, 5 1e-02, 128 1e-02; float64, 1 channel 1e-02
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/warp.py" <<'PY'
import sys

import cv2
import numpy as np

DY, DX = 0.27, 0.31
H, W = 40, 56
CHANNEL = np.random.default_rng(0).random((H, W)).astype("f4")


def expected():
    """Return all but the last row and column by the formula."""
    rows = (1 - DY) * CHANNEL[:-1].astype("f8") + DY * CHANNEL[1:]
    return (1 - DX) * rows[:, :-1] + DX * rows[:, 1:]


def by_affine(image):
    matrix = np.array([[1, 0, DX], [0, 1, DY]])
    return cv2.warpAffine(image, matrix, (W, H), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def by_remap(image):
    x, y = np.meshgrid(np.arange(W) + DX, np.arange(H) + DY)
    return cv2.remap(image, x.astype("f4"), y.astype("f4"), cv2.INTER_LINEAR)


def error(warp, channels, dtype="f4"):
    image = np.repeat(CHANNEL[:, :, None], channels, axis=2).astype(dtype)
    warped = warp(image).reshape(H, W, channels)[:-1, :-1]
    return np.abs(warped - expected()[:, :, None]).max()


new = cv2.__version__.startswith("5.")
counts = 1, 2, 3, 4, 5, 128
for label, warp in ("warpAffine", by_affine), ("remap", by_remap):
    seen = [error(warp, channels) for channels in counts] + [error(warp, 1, "f8")]
    told = ", ".join(f"{channels}{' channel' * (channels == 1)} {value:.0e}" for channels, value in zip(counts, seen))
    print(f"{cv2.__version__}, {label}: {told}; float64, 1 channel {seen[-1]:.0e}")
    exact = [value < 1e-5 for value in seen]
    rounded = [2e-3 < value < 2e-2 for value in seen]
    wanted = [new, False, new, new, False, False, False]
    if exact != wanted or rounded != [not value for value in wanted]:
        sys.exit(f"changed: not exact as {wanted}")
PY
for version in 4.14.0.94 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        numpy==2.4.6 "opencv-python-headless==$version"
    (cd "$folder" && "$version/bin/python" warp.py)
done
echo "as described"
