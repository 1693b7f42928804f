"""All that is printed: the result on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lucid.stream import ArrayInfo, ExtractReport
    from lucid.viewer.parts import Scene


def complain(message: str) -> None:
    """Say in one line what went wrong."""
    _say(f"Error: {_shown(' '.join(message.split()))}", to_stderr=True)


def interrupted(report: ExtractReport, rows_done: int, kept: bool, overwrite: bool) -> None:
    """Say after a signal how far the run came and, if something was kept, how to go on."""
    option = "--resume instead of --overwrite" if overwrite else "--resume"
    way = f"; the same command with {option} finishes {report.output}" if kept else ""
    _say(f"Interrupted with {rows_done} of {report.shape[0]} crops done{way}", to_stderr=True)


def stdout_is_terminal() -> bool:
    """Return whether a person would see what is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def bar(rows: int, done: int, wanted: bool | None, last: str) -> Iterator[Callable[[int], None]]:
    """Yield what is to be told the number of rows done, and draw it.

    `done` were before, and `last` says what is done when all rows are.
    """
    seen = sys.stderr is not None and (sys.stderr.isatty() if wanted is None else wanted)
    if not seen:
        yield lambda rows_done: None
        return
    from tqdm import tqdm

    with tqdm(total=rows, initial=done, unit=" crops", unit_scale=True, file=sys.stderr) as shown:
        yield lambda rows_done: _advance(shown, rows_done, last)


def _advance(shown: Any, rows_done: int, last: str) -> None:
    shown.update(rows_done - shown.n)
    if last and rows_done == shown.total:
        shown.set_description(last)


def warn(message: str) -> None:
    """Say in one line what is probably wrong."""
    _say(f"Warning: {_shown(' '.join(message.split()))}", to_stderr=True)


def show_json(report: ExtractReport, dry_run: bool, to_stderr: bool) -> None:
    """Print a report as one JSON object."""
    _print_json(report.as_dict() | {"dry_run": dry_run}, to_stderr)


def show_inputs(report: ExtractReport, to_stderr: bool) -> None:
    """Print what a run works on, before it does."""
    for line in _input_lines(report):
        _say(_shown(line), to_stderr)


def show_output(report: ExtractReport, dry_run: bool, to_stderr: bool) -> None:
    """Print what a run wrote, or would write."""
    for line in _output_lines(report, dry_run):
        _say(_shown(line), to_stderr)


def _input_lines(report: ExtractReport) -> Iterator[str]:
    yield (
        f"features  {report.features}  {report.features_shape} {report.features_dtype}, "
        f"spatial scale {_scale(report)}"
    )
    if report.spooled_bytes:
        yield f"          unpacked to a temporary file of {_in_units(report.spooled_bytes)}"
    if report.missing_chunks:
        yield f"          {report.missing_chunks} chunks were never written and read as fill values"
    bad = f"{report.invalid_rois} invalid" if report.invalid_rois else "all valid"
    yield f"ids       {_ids(report)}"
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


def _scale(report: ExtractReport) -> str:
    """Say the spatial scale, and where it is from."""
    if report.spatial_scale_from == "images":
        return "of each image (from the dataset)"
    scale = " x ".join(f"{factor:g}" for factor in dict.fromkeys(report.spatial_scale))
    origin = {"argument": "as given", "features": "from the dataset", "default": "the default"}
    return f"{scale} ({origin[report.spatial_scale_from]})"


def _ids(report: ExtractReport) -> str:
    """Say what images are called, and how that was found."""
    if not report.ids:
        return f"not known; images are numbered from 0 to {report.features_shape[0] - 1}"
    found = {
        "argument": "as --ids says",
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
        "frame": "moved by a frame for each image",
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


def _output_lines(report: ExtractReport, dry_run: bool) -> Iterator[str]:
    if dry_run:
        yield (
            f"plan      read {_in_units(report.bytes_to_read)} of maps, "
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
    bins = ", {} of {} x {} bins".format(report.reduce, *report.output_size) * bool(report.reduce)
    apart = f", apart for each of {report.apart} images" * bool(report.apart)
    size = _in_units(report.nbytes)
    yield f"{intent} {report.output}  {report.shape} {report.dtype}{bins}{apart}, {size}"


def show_arrays(path: str, arrays: list[ArrayInfo], as_json: bool) -> None:
    """Print what a file holds."""
    if as_json:
        _print_json([_described(info) for info in arrays])
        return
    if not arrays:
        _say(f"{path} holds no arrays")
    for info in arrays:
        name = path if info.dataset is None else f"{path}::{info.dataset}"
        storage = f"chunks {info.chunks}" if info.chunks else "contiguous"
        storage += f" {info.compression}" if info.compression else ""
        name += f" -> {info.target}" if info.target else ""
        use = f"  usable as {' or '.join(info.roles)}" if info.roles else ""
        _say(_shown(f"{name}  {info.shape} {info.kind}, {storage}{use}"))


def _described(info: ArrayInfo) -> dict[str, Any]:
    return {
        "dataset": info.dataset,
        "target": info.target or None,
        "shape": info.shape,
        "dtype": info.kind,
        "chunks": info.chunks,
        "compression": info.compression,
        "roles": info.roles,
    }


def show_drawn(scene: Scene) -> None:
    """Print what was drawn, and where."""
    images, rois = len(scene.images), sum(1 for _ in scene.rois)
    what = f"{images} image{'s' * (images != 1)}, {rois} RoI{'s' * (rois != 1)}"
    for kind, path in (("picture", scene.wishes.output), ("page", scene.wishes.html)):
        if path is not None:
            _say(_shown(f"{kind:<10}{path}  {what}, {_in_units(path.stat().st_size)}"))


def put(data: bytes) -> None:
    """Write bytes to standard output."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _print_json(value: Any, to_stderr: bool = False) -> None:
    _say(json.dumps(value, indent=2), to_stderr)


def _shown(text: str) -> str:
    """Return a text whose unprintable characters, as names in files may have, are escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _in_units(size: float) -> str:
    """Return a number of bytes as people read it, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _say(text: str, to_stderr: bool = False) -> None:
    """Print a line, if that stream is open; click 8.1 fails where it is not."""
    if (sys.stderr if to_stderr else sys.stdout) is not None:
        click.echo(text, err=to_stderr)
