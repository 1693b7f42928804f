"""All that is printed: the result on stdout, progress and messages on stderr."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from lucid.stream.wording import COLUMNS, in_units, shown, wrapped

from . import contents
from .interrupts import Interrupted

if TYPE_CHECKING:
    from lucid.fitter.report import FrameReport
    from lucid.stream import Content, ExtractReport, Made, TextInfo
    from lucid.stream.write.shards import Progress
    from lucid.verifier.report import VerifyReport
    from lucid.viewer.parts import Scene

    from .manifest import Outcome

SCHEMA = 1  # of the objects that are printed as JSON, see schema.json


def complain(message: str) -> None:
    """Say in one line what went wrong."""
    _say(f"Error: {shown(' '.join(message.split()))}", to_stderr=True)


def interrupted_early() -> None:
    """Say after a signal that nothing was done yet."""
    _say("Interrupted before a crop was written", to_stderr=True)


def interrupted(report: ExtractReport, rows_done: int, kept: bool, overwrite: bool) -> None:
    """Say after a signal how far the run came and, if something was kept, how to go on."""
    Interrupted.told = True
    option = "--resume instead of --overwrite" if overwrite else "--resume"
    way = f"; the same command with {option} finishes {report.output}" if kept else ""
    _say(f"Interrupted with {rows_done} of {report.shape[0]} crops done{way}", to_stderr=True)


def interrupted_verifying(rows_done: int, rows: int, kept: bool) -> None:
    """Say after a signal how many rows were looked at and, if that was kept, how to go on."""
    Interrupted.told = True
    way = "; the same command with --resume looks at the others" * kept
    _say(f"Interrupted with {rows_done} of {rows} rows looked at{way}", to_stderr=True)


def interrupted_in(number: int, runs: int, overwrite: bool) -> None:
    """Say after a signal in which of many runs it came."""
    Interrupted.told = True
    way = "without --overwrite" * overwrite or "as it is"
    _say(f"Interrupted in run {number + 1} of {runs}; the same command {way} goes on", True)


def stdin_is_terminal() -> bool:
    """Return whether a person would have to type what is read."""
    return sys.stdin is not None and sys.stdin.isatty()


def stdout_is_terminal() -> bool:
    """Return whether a person would see what is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def bar(
    total: int, done: int, wanted: bool | None, last: str, unit: str = " crops"
) -> Iterator[Callable[[float], None]]:
    """Yield what is to be told how many units are done, and draw it.

    `done` were before, and `last` says what is done when all are.
    """
    seen = sys.stderr is not None and (sys.stderr.isatty() if wanted is None else wanted)
    if not seen:
        yield lambda now_done: None
        return
    from lucid.stream.bar import drawn

    with drawn(total, done, last, unit, sys.stderr) as advance:
        yield advance


def warn(message: str) -> None:
    """Say in one line what is probably wrong."""
    _say(f"Warning: {shown(' '.join(message.split()))}", to_stderr=True)


def show_json(report: ExtractReport, dry_run: bool, to_stderr: bool) -> None:
    """Print a report as one JSON object."""
    _print_json(report.as_dict() | {"dry_run": dry_run}, to_stderr)


def show_origins(origins: Mapping[str, Sequence[str]], to_stderr: bool) -> None:
    """Print which options the command line did not say, and what did."""
    for number, (origin, names) in enumerate(origins.items()):
        _say(
            shown(f"{'' if number else 'options':<10}{', '.join(names)} as {origin} says"),
            to_stderr,
        )


def show_inputs(report: ExtractReport, to_stderr: bool) -> None:
    """Print what a run works on, before it does."""
    from .options import flag_of  # here, for that loads the options of commands

    for line in report.input_lines(_columns(to_stderr), flag_of):
        _say(shown(line), to_stderr)


def show_output(report: ExtractReport, dry_run: bool, to_stderr: bool) -> None:
    """Print what a run wrote, or would write."""
    for line in report.output_lines(dry_run, _columns(to_stderr)):
        _say(shown(line), to_stderr)


def show_outcomes(file: str, outcomes: Sequence[Outcome]) -> None:
    """Print what became of many runs."""
    counts = Counter(outcome.status for outcome in outcomes)
    became = ", ".join(f"{count} {status}" for status, count in counts.items())
    _say(shown(f"runs      {len(outcomes)} in {file}: {became}"))
    reports = [outcome.report for outcome in outcomes if outcome.report]
    size = in_units(sum(report.nbytes for report in reports))
    _say(f"crops     {sum(report.shape[0] for report in reports)}, {size}")


def show_outcomes_as_json(outcomes: Sequence[Outcome]) -> None:
    """Print what became of many runs as one JSON object."""
    runs = [
        outcome._asdict() | {"report": outcome.report and outcome.report.as_dict()}
        for outcome in outcomes
    ]
    _print_json({"runs": runs})


def show_shards(path: str, progress: Progress) -> None:
    """Print how far the shards of an unfinished output are."""
    _say(shown(f"{path} is unfinished: {progress}"))


def show_file_as_json(
    path: str, found: list[Content] | TextInfo | None, made: Made | None, shards: Progress | None
) -> None:
    """Print what a file holds as one JSON object."""
    arrays = found if isinstance(found, list) else []
    _print_json({
        "path": path,
        "arrays": [contents.described(one) for one in contents.of_job(arrays, made)],
        "table": None if found is None or isinstance(found, list) else found._asdict(),
        "made_by": contents.described_job(made) if made else None,
        "shards": shards._asdict() if shards else None,
    })  # fmt: skip


def show_file(path: str, files: int, info: list[Content] | TextInfo, made: Made | None) -> None:
    """Print what a file holds, the first of so many."""
    if files > 1:
        _say(shown(f"{path} is the first of {files} files"))
    if not isinstance(info, list):
        lines = [*contents.lines_of_text(path, info)]
    else:
        arrays = contents.of_job(info, made)
        lines = [line for one in arrays for line in contents.lines_of(path, one)]
    lines = lines or [f"{path} holds no arrays"]
    for line in wrapped(map(shown, lines), _columns(otherwise=sys.maxsize)):
        _say(line)
    for line in contents.lines_of_job(made, _columns()) if made else ():
        _say(shown(line))


def show_scene_as_json(scene: Scene) -> None:
    """Print what was drawn as one JSON object."""
    from lucid.viewer.described import described

    _print_json(described(scene))


def show_schema() -> None:
    """Print what objects are printed as JSON, as a JSON schema."""
    from importlib.resources import files

    _say(files(__package__).joinpath("schema.json").read_text("utf-8").rstrip())


def show_drawn(scene: Scene) -> None:
    """Print what was drawn, and where."""
    images, rois = len(scene.images), sum(1 for _ in scene.rois)
    what = f"{images} image{'s' * (images != 1)}, {rois} RoI{'s' * (rois != 1)}"
    for kind, path in (("picture", scene.wishes.output), ("page", scene.wishes.html)):
        if path is not None:
            _say(shown(f"{kind:<10}{path}  {what}, {in_units(path.stat().st_size)}"))


def show_verified(report: VerifyReport, as_json: bool) -> None:
    """Print what was found of crops."""
    if as_json:
        _print_json(report.as_dict())
        return
    for line in report.lines(_columns()):
        _say(line)


def show_frames(report: FrameReport, as_json: bool) -> None:
    """Print which frames fit."""
    if as_json:
        _print_json(report.as_dict())
        return
    from .options import flag_of

    for line in report.lines(_columns(), flag_of):
        _say(line)


def put(data: bytes) -> None:
    """Write bytes to standard output."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _print_json(value: dict[str, Any], to_stderr: bool = False) -> None:
    import json

    _say(json.dumps(_plain({"schema": SCHEMA} | value), indent=2, allow_nan=False), to_stderr)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what is no finite number is null."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _columns(to_stderr: bool = False, otherwise: int = COLUMNS) -> int:
    """Return how many columns the terminal has that shows a line, `otherwise` if none does."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream is None or not stream.isatty():
        return otherwise
    return os.get_terminal_size(stream.fileno()).columns or COLUMNS


def _say(text: str, to_stderr: bool = False) -> None:
    """Print a line, if that stream is open; click 8.1 fails where it is not."""
    from lucid.stream.bar import set_aside

    stream = sys.stderr if to_stderr else sys.stdout
    if stream is not None:
        with set_aside(stream):
            click.echo(text, err=to_stderr)
