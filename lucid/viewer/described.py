"""A scene in numbers: what a picture shows, for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lucid.errors import spelled
from lucid.viewer.parts import Image, Roi, Scene


def described(scene: Scene) -> dict[str, Any]:
    """Return what is drawn: images, RoIs and where they lie, and the files that show it."""
    paths = {"picture": scene.wishes.output, "page": scene.wishes.html}
    return {
        "files": {kind: None if path is None else str(path) for kind, path in paths.items()},
        "images": [_image(image) for image in scene.images],
        "strays": [_roi(roi) for roi in scene.strays],
        "left_out": scene.left_out,
        "warnings": [spelled(fact) for fact in scene.warnings],
        "report": scene.report.as_dict(),
    }


def _image(image: Image) -> dict[str, Any]:
    return {
        "number": image.number,
        "id": image.name or None,
        "level": image.level,
        "cells": image.size,
        "rois": [_roi(roi) for roi in image.rois],
    }


def _roi(roi: Roi) -> dict[str, Any]:
    said = asdict(roi)
    return {
        "row": roi.row,
        "id": roi.name or None,
        "valid": not roi.fact,
        "fact": roi.fact or None,
        "kinds": roi.kinds,
        **{name: said[name] for name in ("box", "input_box", "cells")},
        "grid": None if roi.grid is None else roi.grid._asdict(),
        "crop": None if roi.crop is None else roi.crop.tolist(),
    }
