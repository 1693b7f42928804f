"""Make the sample feature maps and RoIs from the photographs beside this file.

Run `pip install pillow` and `python sample_data/make.py`. The features are a fixed filter bank, no
network: colour at two scales, edges at four orientations and three scales, bright and dark blobs
at three scales; each is averaged over squares of 8 by 8 pixels.
"""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

HERE = Path(__file__).parent
PHOTOS = ("astronaut", "cat", "coffee", "rocket")
STRIDE = 8

# What a person sees, in pixels of the photographs: name, photograph, x1, y1, x2, y2.
THINGS = (
    ("cup", 2, 138, 14, 327, 221),
    ("face", 0, 151, 57, 232, 168),
    ("left eye", 1, 144, 92, 223, 156),
    ("rocket", 3, 213, 93, 237, 306),
    ("helmet, cut off by the lower border", 0, 244, 301, 446, 447),
    ("spoon", 2, 259, 54, 342, 238),
    ("right eye", 1, 314, 118, 367, 174),
    ("tower, cut off by the left border", 3, -16, 0, 51, 308),
    ("shuttle, cut off by the upper border", 0, 309, -10, 405, 248),
    ("nose", 1, 244, 237, 314, 285),
    ("saucer", 2, 61, 56, 382, 308),
    ("lamp", 3, 85, 269, 112, 293),
)


# Those that lie askew: name, photograph, centre x, y, sides w, h, degrees against the clock.
TURNED = (
    ("spoon, along its handle", 2, 312, 148, 215, 66, 76),
    ("both eyes", 1, 262, 134, 250, 84, -8),
    ("flag, cut off by the left border", 0, 40, 165, 290, 84, -70),
    ("shuttle", 0, 358, 152, 190, 78, 100),
    ("handle of the cup", 2, 182, 212, 66, 46, 56),
    ("rocket, on its side", 3, 222, 205, 224, 32, 90),
)
# Those that are seen at some of the scales 0, 1, ..: name, photograph, x1, y1, z1, x2, y2, z2.
SOLID = (
    ("cup, at coarse scales", 2, 138, 14, 4, 327, 221, 7),
    ("lamp, at fine scales", 3, 85, 269, 0, 112, 293, 2),
    ("face", 0, 151, 57, 2, 232, 168, 6),
    ("left eye", 1, 144, 92, 1, 223, 156, 4),
)
SCALES = 8  # of the volumes, each 1.4 times as coarse as the one before


def blurred(plane, sigma, angle=None):
    """Return a plane (H, W) convolved with a Gaussian, or with its derivative along an angle."""
    margin = int(4 * sigma)
    padded = np.pad(plane, margin, mode="reflect")
    fy = np.fft.fftfreq(padded.shape[0])[:, None]
    fx = np.fft.rfftfreq(padded.shape[1])[None, :]
    response = np.exp(-2 * (np.pi * sigma) ** 2 * (fy**2 + fx**2))
    if angle is not None:
        response = response * 2j * np.pi * sigma * (fx * np.cos(angle) + fy * np.sin(angle))
    result = np.fft.irfft2(np.fft.rfft2(padded) * response, padded.shape)
    return result[margin:-margin, margin:-margin]


def channels(photo):
    """Yield the 24 planes of a photograph (H, W, 3) with values in [0, 1]."""
    red, green, blue = np.moveaxis(photo, 2, 0)
    light = (red + green + blue) / 3
    for sigma in (2, 8):
        for plane in (light, red - green, blue - (red + green) / 2):
            yield blurred(plane, sigma)
    for sigma in (1.5, 3, 6):
        for angle in np.arange(4) * np.pi / 4:
            yield np.abs(blurred(light, sigma, angle))
    for sigma in (2, 4, 8):
        blob = blurred(light, sigma) - blurred(light, 2 * sigma)
        yield np.maximum(blob, 0)
        yield np.maximum(-blob, 0)


def pooled(plane, stride):
    """Return the means of squares of `stride` by `stride` pixels."""
    height, width = plane.shape
    squares = plane.reshape(height // stride, stride, width // stride, stride)
    return squares.mean(axis=(1, 3))


def features(stride):
    """Return the feature maps (4, 24, H / stride, W / stride) of the photographs."""
    photos = [np.asarray(Image.open(HERE / "photos" / f"{name}.jpg")) / 255 for name in PHOTOS]
    return np.array([[pooled(plane, stride) for plane in channels(photo)] for photo in photos])


def volumes(stride):
    """Return light and bright blobs at all scales (4, 2, D, H / stride, W / stride)."""
    found = []
    for name in PHOTOS:
        light = np.asarray(Image.open(HERE / "photos" / f"{name}.jpg")).mean(axis=2) / 255
        scales = [blurred(light, 2 * 2 ** (scale / 2)) for scale in range(SCALES + 1)]
        blobs = np.maximum(-np.diff(scales, axis=0), 0)
        found.append([[pooled(plane, stride) for plane in scales[:-1]],
                      [pooled(plane, stride) for plane in blobs]])  # fmt: skip
    return np.array(found)


def main():
    """Write the files of features and of RoIs."""
    with h5py.File(HERE / "features.h5", "w") as file:
        file["features"] = features(STRIDE).astype(np.float32)
        file["features"].attrs["spatial_scale"] = 1 / STRIDE
    with h5py.File(HERE / "pyramid.h5", "w") as file:
        for level in (4, 5, 6):
            file[f"p{level}"] = features(2**level).astype(np.float16)
            file[f"p{level}"].attrs["spatial_scale"] = 1 / 2**level
    np.save(HERE / "features.npy", features(2 * STRIDE).astype(np.float16))
    with h5py.File(HERE / "volumes.h5", "w") as file:
        file["features"] = volumes(2 * STRIDE).astype(np.float16)
        file["features"].attrs["spatial_scale"] = [1, 1 / 16, 1 / 16]  # z, y, x
    for name, rows in (("rois", THINGS), ("rotated", TURNED), ("solid", SOLID)):
        np.save(HERE / f"{name}.npy", np.array([row[1:] for row in rows], np.float32))


if __name__ == "__main__":
    main()
