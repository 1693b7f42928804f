"""A scene as a page: its numbers, and the scripts that pool and draw them, in one file."""

from __future__ import annotations

import io
import json
import math
from base64 import b64encode
from collections.abc import Collection, Iterator
from importlib.resources import files
from shlex import quote
from typing import Any

import numpy as np

from lucid.stream.command_line import words_of
from lucid.stream.report import ExtractReport
from lucid.viewer.colors import range_of
from lucid.viewer.parts import Floats, Image, Roi, Scene
from lucid.viewer.photos import Backdrop
from lucid.viewer.pooled import pooled_as
from lucid.viewer.words import caption, facts, heading, of_channels

SCRIPTS = "crop.js", "page.js", "map.js", "controls.js"
WHOLE_NUMBERS_FROM = 600_000  # cells of a page, of which each then has 16 bits
NOT_A_NUMBER = (1 << 16) - 1
PHOTO_PIXELS, PHOTO_QUALITY = 640, 80
CHANGED = ("spatial_scale", "stride", "aligned", "sampling_ratio", "max_samples")  # in the page


def make_page(scene: Scene) -> bytes:
    """Return a page of a scene: HTML that needs nothing else."""
    data = json.dumps(_data(scene), ensure_ascii=False, separators=(",", ":"))
    parts = {
        "/* STYLE */": _source("page.css"),
        "/* SCRIPT */": "\n".join(map(_source, SCRIPTS)),
        "/* DATA */": data.replace("<", "\\u003c"),  # so that no text ends the script
    }
    page = _source("page.html")
    for place, text in parts.items():
        before, _, after = page.partition(place)
        page = before + text + after
    return page.encode("utf-8", "backslashreplace")


def _source(name: str) -> str:
    return files("lucid.viewer").joinpath(name).read_text("utf-8")


def _data(scene: Scene) -> dict[str, Any]:
    """Return all that the scripts know."""
    report, span = scene.report, range_of([image.plane for image in scene.images])
    cells = sum(image.plane.size for image in scene.images)
    return {
        "schema": 1,
        "about": "  ·  ".join(_about(scene)),
        "shown": of_channels(scene),
        "operator": pooled_as(scene.operator, report.operator)
        | {
            "outputSize": report.output_size,
            "spatialScale": report.spatial_scale,
            "samplingRatio": report.sampling_ratio,
            "aligned": report.aligned,
            "single": scene.compute_dtype.itemsize < 8,
        },
        "scaleIsFixed": report.spatial_scale_from in {"images", "levels"},
        "hasFrame": report.coordinates not in {"input", "fractions"},
        "range": {"low": _plain(span.low), "high": _plain(span.high)},
        "command": [
            "lucid-roialign",
            "extract",
            *map(quote, words_of(scene.arguments, _replaced(report))),
        ],
        "images": [_image(image, cells >= WHOLE_NUMBERS_FROM) for image in scene.images],
    }


def _about(scene: Scene) -> Iterator[str]:
    """Yield what holds for all images, and whether a crop is another one than a file has."""
    yield from facts(scene)
    takes_largest = pooled_as(scene.operator, scene.report.operator)["mode"] == "max"
    if scene.wishes.show == "norm" or (takes_largest and not isinstance(scene.wishes.show, int)):
        yield "crops are pooled from the plane that is drawn"


def _replaced(report: ExtractReport) -> Collection[str]:
    """Return the options that the page says anew: all that it can change."""
    return CHANGED if report.spatial_scale_from != "images" else CHANGED[2:]


def _image(image: Image, in_whole_numbers: bool) -> dict[str, Any]:
    title, about = heading(image)
    planes = image.plane[..., None] if image.plane.ndim == 2 else image.plane
    return {
        "title": title + f" · {image.name}" * bool(image.name),
        "text": about,
        "size": image.size,
        "drawn": image.plane.shape[:2],
        "step": image.step,
        "spatialScale": image.scale,
        "planes": [_plane(plane, in_whole_numbers) for plane in np.moveaxis(planes, 2, 0)],
        "photo": None if image.backdrop is None else _photo(image.backdrop),
        "rois": [_roi(roi) for roi in image.rois],
    }


def _plane(plane: Floats, in_whole_numbers: bool) -> dict[str, Any]:
    """Return numbers as text: of 32 bits each, or of 16 that count steps from the lowest."""
    if not in_whole_numbers:
        return {"kind": "f4", "data": _base64(plane.astype("<f4").tobytes())}
    finite = plane[np.isfinite(plane)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    step = (high - low) / (NOT_A_NUMBER - 1) or 1.0
    with np.errstate(invalid="ignore"):
        counts = np.where(np.isfinite(plane), np.rint((plane - low) / step), NOT_A_NUMBER)
    return {"kind": "u2", "low": low, "step": step, "data": _base64(counts.astype("<u2").tobytes())}


def _photo(backdrop: Backdrop) -> dict[str, Any]:
    from PIL import Image as Picture

    stream = io.BytesIO()
    picture = Picture.fromarray(backdrop.values)
    picture.thumbnail((PHOTO_PIXELS, PHOTO_PIXELS))
    picture.save(stream, "JPEG", quality=PHOTO_QUALITY)
    source = f"data:image/jpeg;base64,{_base64(stream.getvalue())}"
    return {"src": source, "edges": _plain(backdrop.edges)}


def _roi(roi: Roi) -> dict[str, Any]:
    return {
        "row": roi.row,
        "text": " · ".join([*caption(roi, narrow=False)[1:], *[roi.fact] * bool(roi.fact)]),
        "inputBox": _plain(roi.input_box),
        "fact": roi.fact,
    }


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _plain(values: Any) -> list[float | None]:
    """Return numbers as JSON has them; what is not finite is null."""
    return list(_finite(values))


def _finite(values: Any) -> Iterator[float | None]:
    for value in np.ravel(values).tolist():
        yield value if math.isfinite(value) else None
