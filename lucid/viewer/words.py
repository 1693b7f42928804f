"""What is written in pictures and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from lucid.errors import spelled
from lucid.viewer.parts import Image, Roi, Scene

LONG_LINE, LINE = 175, 138  # characters at the foot of a picture; beside a scale of colours


def heading(image: Image) -> tuple[str, str]:
    """Say which image this is, and what is drawn of it."""
    height, width = image.size
    facts = [image.name] * bool(image.name) + [f"{height} × {width} cells"]
    if image.level is not None:
        facts.append(f"spatial scale {_scale(image.scale)}")
    if image.step > 1:
        facts.append(f"every {image.step}. row and column drawn")
    facts.append(f"{len(image.rois)} RoI{'s' * (len(image.rois) != 1)}")
    level = "" if image.level is None else f", level {image.level}"
    return f"Image {image.number}{level}", "  ·  ".join(facts)


def of_channels(scene: Scene) -> str:
    """Say what of the channels is drawn."""
    channels = scene.report.features_shape[1]
    show = scene.wishes.show
    if isinstance(show, int):
        return f"channel {show} of {channels}"
    kind = {"mean": "mean", "norm": "norm", "pca": "first three principal components"}[show]
    return f"{kind} of {channels} channel{'s' * (channels != 1)}"


def caption(roi: Roi, narrow: bool) -> list[str]:
    """Return the lines under a crop: its row, and what it is called or its box."""
    parts = _parts(*map(short, roi.box))
    box = parts if narrow else [" ".join(parts)]
    first = f"row {roi.row}" + f" · {roi.name}" * bool(roi.name)
    return [first, *[", ".join(roi.kinds)] * bool(roi.kinds), *box]


def _parts(first: str, second: str, third: str, fourth: str, angle: str = "") -> list[str]:
    """Return a box in two parts: its corners; or its centre, its sides and its angle."""
    if not angle:
        return [f"{first}, {second} –", f"{third}, {fourth}"]
    return [f"{first}, {second},", f"{third} × {fourth}, {angle}"]


def short(value: float) -> str:
    """Return a coordinate as it is written under a crop: in at least three digits."""
    is_whole = value.is_integer() or abs(value) >= 100
    return f"{value:.0f}" if is_whole else f"{value:.3g}"


def about(scene: Scene) -> list[str]:
    """Return what is written at the foot: the operator, warnings, and RoIs that are not drawn."""
    width = LINE if has_bar(scene) else LONG_LINE
    return [line for text in facts(scene) for line in wrap(text, width)]


def has_bar(scene: Scene) -> bool:
    """Return whether there is one scale of colours for all."""
    return scene.wishes.colors == "shared" and scene.wishes.show != "pca" and bool(scene.images)


def facts(scene: Scene) -> Iterator[str]:
    """Yield what holds for all images, a text each."""
    report = scene.report
    parts = [of_channels(scene), f"spatial scale {_scale(report.spatial_scale)}"]
    if report.spatial_scale_from in {"images", "levels"}:
        parts[1] = f"spatial scale of each {report.spatial_scale_from[:-1]}"
    if report.operator != "roi-align":
        parts.append(report.operator)
    if report.aligned is not None:
        parts.append("aligned" if report.aligned else "not aligned")
    if report.sampling_ratio is not None:
        adaptive = report.sampling_ratio == -1
        parts.append(f"sampling ratio {'adaptive' if adaptive else report.sampling_ratio}")
    parts.append(f"{report.output_size[0]} × {report.output_size[1]} bins")
    yield "  ·  ".join(parts)
    yield f"positions in cells; {report.frame}"
    for fact in scene.warnings:
        yield f"Warning: {spelled(fact)}"
    for roi in scene.strays:
        yield f"row {roi.row} is on no image: {roi.fact}"
    if scene.left_out:
        yield f"{scene.left_out} more RoIs were asked for and are not drawn"


def _scale(pair: Sequence[float]) -> str:
    return " × ".join(f"{factor:.6g}" for factor in dict.fromkeys(pair))
