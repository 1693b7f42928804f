#!/usr/bin/env bash
# Libraries: opencv-python-headless 4.12.0.88, 4.13.0.92, 4.14.0.94 and 5.0.0.93, NumPy 2.2.6.
#
# Behaviour: `minAreaRect` names the sides of a rectangle otherwise from 4.13 on. Up to 4.12 its angle lay in (0, 90],
# since then in [-90, 0): the other side is called the width, and the angle is less by 90 degrees. An upright rectangle
# of 40 x 20 was (20, 40, 90) and is (20, 40, -90): of it, the width stays and the direction is turned by 180 degrees.
#
# Why it surprises: it is the second such change (before 4.5.1 the range was [-90, 0), too), between two releases of
# the fourth major version. Both forms name the same rectangle, so that drawings, areas and IoU are the same as ever.
#
# Whom it bites: features of rotated boxes, whose grid follows the box. The bins of a (C, 7, 7) crop come out turned by
# a quarter, or by half a turn where the rectangle is upright; boxes with the features of an older run beside them do
# not belong together any more, and a head that was trained on the older ones sees turned crops. Keep the four corners
# in the object's own order, if the data has them, or make the longer side the width before anything else.
#
# Seen (width, height and angle of a rectangle of 40 x 20, turned by 0, 30, 60, 90, 120 and 150 degrees):
#   4.12.0: 20 40 90 | 40 20 30 | 40 20 60 | 40 20 90 | 20 40 30 | 20 40 60
#   4.13.0: 20 40 -90 | 20 40 -60 | 20 40 -30 | 40 20 -90 | 40 20 -60 | 40 20 -30
#   4.14.0: as 4.13.0
#   5.0.0: as 4.13.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6
for version in 4.12.0.88 4.13.0.92 4.14.0.94 5.0.0.93; do
    "$folder/env/bin/pip" install --quiet --disable-pip-version-check --no-deps opencv-python-headless==$version
    "$folder/env/bin/python" - <<'PY'
import sys

import cv2
import numpy as np

seen = []
for degrees in range(0, 180, 30):
    turn = np.exp(1j * np.deg2rad(degrees))
    corners = turn * np.array([-20 - 10j, 20 - 10j, 20 + 10j, -20 + 10j])
    _, (width, height), angle = cv2.minAreaRect(np.c_[corners.real, corners.imag].astype("f4") + 100)
    seen.append((round(width), round(height), round(angle)))
print(f"{cv2.__version__}:", " | ".join("{} {} {}".format(*one) for one in seen))
old = [(20, 40, 90), (40, 20, 30), (40, 20, 60), (40, 20, 90), (20, 40, 30), (20, 40, 60)]
new = [(20, 40, -90), (20, 40, -60), (20, 40, -30), (40, 20, -90), (40, 20, -60), (40, 20, -30)]
if seen != (old if cv2.__version__ == "4.12.0" else new):
    sys.exit("changed")
PY
done
echo "as described"
