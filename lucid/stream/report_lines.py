"""What is printed of a report, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lucid.errors import Spell
from lucid.stream.wording import in_units

ExtractReport = Any  # see `lucid.stream.report`, which imports this


def input_lines(report: ExtractReport, spell: Spell) -> Iterator[str]:
    """Say what a run works on; `spell` writes the names of options."""
    yield from _feature_lines(report)
    if report.spooled_bytes:
        yield f"          unpacked to a temporary file of {in_units(report.spooled_bytes)}"
    if report.missing_chunks:
        yield f"          {report.missing_chunks} chunks were never written and read as fill values"
    bad = f"{report.invalid_rois} invalid" if report.invalid_rois else "all valid"
    yield f"ids       {_ids(report, spell)}"
    yield f"rois      {report.rois}  {report.rois_shape} on {_images(report)}, {bad}"
    if report.without_boxes:
        images = f"{report.without_boxes} image{'s' * (report.without_boxes != 1)}"
        yield f"          {images} without a file or dataset of boxes, taken to have none"
    if report.unmatched_rois:
        become = "zeros" if report.unmatched == "zero" else "left out"
        yield f"          {become}: {report.unmatched_rois} whose image id is none of the features'"
    yield f"          {_operator(report)}"
    for kind in report.invalid_kinds:
        others = f", and {kind['count'] - 1} more like it" if kind["count"] > 1 else ""
        yield f"          zeros: {kind['first']}{others}"
    yield f"          {report.frame}"
    odd = {
        "wholly outside": report.outside,
        "partly outside": report.partly_outside,
        "without area": report.zero_area,
    }
    if any(odd.values()):
        yield f"          {', '.join(f'{count} {kind}' for kind, count in odd.items() if count)}"


def _feature_lines(report: ExtractReport) -> Iterator[str]:
    if not report.levels:
        yield (
            f"features  {report.features}  {_maps(report)} {report.features_dtype}, "
            f"spatial scale {_scale(report)}"
        )
    for number, level in enumerate(report.levels):
        rois = f"{level['rois']} RoI{'s' * (level['rois'] != 1)}"
        yield (
            f"level {number:<3} {level['features']}  {level['shape']} {report.features_dtype}, "
            f"spatial scale {level['spatial_scale']:g}, {rois}"
        )


def _maps(report: ExtractReport) -> str:
    """Say the shape of the maps; of those that differ, the smallest and the largest sizes."""
    images, channels, *largest = report.features_shape
    sizes = zip(report.features_smallest, largest, strict=True)
    sides = [f"{low}..{high}" if low < high else str(low) for low, high in sizes]
    return f"({', '.join([str(images), str(channels), *sides])})"


def _scale(report: ExtractReport) -> str:
    """Say the spatial scale, and where it is from."""
    if report.spatial_scale_from == "fractions":
        return "of no meaning: boxes are fractions of the map"
    if report.spatial_scale_from == "images":
        return "of each image (from the dataset)"
    factors = report.spatial_scale[
        : len(report.spatial_scale) if len(set(report.spatial_scale)) > 1 else 1
    ]
    scale = _by(f"{factor:g}" for factor in factors)
    origin = {"argument": "as given", "features": "from the dataset", "default": "the default"}
    return f"{scale} ({origin[report.spatial_scale_from]})"


def _by(sizes: Iterable[object]) -> str:
    return " x ".join(map(str, sizes))


def _ids(report: ExtractReport, spell: Spell) -> str:
    """Say what images are called, and how that was found."""
    if not report.ids:
        return f"not known; images are numbered from 0 to {report.features_shape[0] - 1}"
    found = {
        "argument": f"as {spell('ids')} says",
        "names": "names that match, in natural order",
        "files": "names of the files",
    }.get(report.ids_from, f"{report.ids_from!s} beside the features")
    read = f"; RoIs name them by id, read {report.ids_read}" if report.ids_read else ""
    return f"image 0 is {report.ids[0]!r}, the last one {report.ids[-1]!r} ({found}){read}"


def _images(report: ExtractReport) -> str:
    """Say how many images have valid RoIs, and of how many if others have none."""
    every = report.features_shape[0]
    of_all = f" of {every}" if report.images < every else ""
    return f"{report.images}{of_all} image{'s' * (every != 1)}"


def _operator(report: ExtractReport) -> str:
    """Say how boxes are read and sampled."""
    coordinates = {
        "input": "in input coordinates",
        "fractions": "as fractions of the image",
        "frame": "moved by a frame for each image (as given)",
        "frame of the features": "moved by a frame for each image (from the features)",
        "im_info": "moved by the scale in im_info",
        "original_size and input_size": "moved from original_size to input_size",
    }.get(report.coordinates, f"of pictures resized by {report.coordinates}")
    return f"{report.boxes} {coordinates}; {', '.join(_parameters(report))}"


def _parameters(report: ExtractReport) -> Iterator[str]:
    """Say which operator it is, if not the default, and what was said about it."""
    if report.operator != "roi-align":
        yield report.operator
    if report.aligned is not None:
        yield "aligned" if report.aligned else "not aligned"
    if report.sampling_ratio is not None:
        ratio = "adaptive" if report.sampling_ratio == -1 else report.sampling_ratio
        yield f"sampling ratio {ratio}"
    for name, value in report.parameters.items():
        text = ",".join(f"{one:g}" for one in value) if isinstance(value, tuple) else value
        yield name if value is True else f"{name.replace('_', ' ')} {text}"


def output_lines(report: ExtractReport, dry_run: bool) -> Iterator[str]:
    """Say what a run wrote, or would write."""
    if dry_run:
        yield (
            f"plan      read {in_units(report.bytes_to_read)} of maps, "
            f"{report.images_at_once} at once; {report.crops_at_once} crops at once; "
            f"within {report.memory / 2**20:.0f}M of memory, on {report.jobs} "
            f"process{'es' * (report.jobs > 1)} by the {report.engine} engine"
        )
    if report.holes:
        yield f"          {report.holes} of the cells that were read have no value and are NaN"
    if report.resumed:
        yield f"resumed   {report.resumed} crops were done before"
    complete = report.resumed and report.resumed + report.invalid_rois == report.shape[0]
    intent = "would write" if dry_run and not complete else "crops    "
    bins = f", {report.reduce} of {_by(report.output_size)} bins" * bool(report.reduce)
    apart = f", apart for each of {report.apart} images" * bool(report.apart)
    size = in_units(report.nbytes)
    if report.shard:
        missing = ", ".join(map(str, report.shards_missing))
        of_all = f"; to be done: {missing}" if missing else "; all are done" * (not dry_run)
        yield "shard     {} of {}".format(*report.shard) + of_all
    yield f"{intent} {report.output}  {report.shape} {report.dtype}{bins}{apart}, {size}"
