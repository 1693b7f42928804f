"""Frames of pictures as frameworks compute them, by their own few lines, one picture at a time."""

import math


def detectron2(h, w, size, longest):
    scale = size * 1.0 / min(h, w)
    newh, neww = (size * 1.0, scale * w) if h < w else (scale * h, size * 1.0)
    if max(newh, neww) > longest:
        scale = longest * 1.0 / max(newh, neww)
        newh, neww = newh * scale, neww * scale
    newh, neww = int(newh + 0.5), int(neww + 0.5)
    return newh / h, neww / w, 0, 0


def torchvision(h, w, size, longest):
    scale = min(size / min(h, w), longest / max(h, w))
    return math.floor(h * scale) / h, math.floor(w * scale) / w, 0, 0


def one_factor(h, w, size, longest):
    scale = min(size / min(h, w), longest / max(h, w))
    return scale, scale, 0, 0


def segment_anything(h, w, longest):
    scale = longest * 1.0 / max(h, w)
    return int(h * scale + 0.5) / h, int(w * scale + 0.5) / w, 0, 0


def yolo(h, w, height, width):
    r = min(height / h, width / w)
    unpadded = round(w * r), round(h * r)
    dw, dh = (width - unpadded[0]) / 2, (height - unpadded[1]) / 2
    return r, r, round(dh - 0.1), round(dw - 0.1)


def centred(h, w, multiple):
    def before(side):
        padded = math.ceil(side / multiple) * multiple
        return (padded - side) // 2

    return 1, 1, before(h), before(w)


def classifier(h, w, size, side):
    if min(h, w) == size:
        newh, neww = h, w
    elif h <= w:
        newh, neww = size, int(size * w / h)
    else:
        newh, neww = int(size * h / w), size
    top, left = round((newh - side) / 2.0), round((neww - side) / 2.0)
    return newh / h, neww / w, -top, -left


FRAMEWORKS = [
    ("stretch:480x640", lambda h, w: (480 / h, 640 / w, 0, 0)),
    ("stretch:224", lambda h, w: (224 / h, 224 / w, 0, 0)),
    ("short:800,1333", lambda h, w: detectron2(h, w, 800, 1333)),
    ("short:600,1000,floor", lambda h, w: torchvision(h, w, 600, 1000)),
    ("short:800,1333,floor", lambda h, w: torchvision(h, w, 800, 1333)),
    ("short:600,1000,exact", lambda h, w: one_factor(h, w, 600, 1000)),
    ("long:1024", lambda h, w: segment_anything(h, w, 1024)),
    ("letterbox:640", lambda h, w: yolo(h, w, 640, 640)),
    ("letterbox:384x640", lambda h, w: yolo(h, w, 384, 640)),
    ("center-pad:14", lambda h, w: centred(h, w, 14)),
    ("crop:512,448", lambda h, w: classifier(h, w, 512, 448)),
]
