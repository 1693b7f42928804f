"""In which frame boxes are: what `lucid-roialign frame` does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Unpack

from lucid.fitter.fit import Fit, apart, distinct, fits_of
from lucid.fitter.guesses import guesses_for
from lucid.fitter.makers import TOLD_APART_BY
from lucid.fitter.options import FRAME, FrameOptions
from lucid.fitter.reference import Match, matches
from lucid.fitter.report import Candidate, FrameReport
from lucid.fitter.request import Request
from lucid.fitter.sight import Sight, look
from lucid.stream.checks import PathLike, SourceLike
from lucid.stream.command_line import words_of
from lucid.stream.options import OPTIONS, documented
from lucid.stream.write.identity import printable

ALIKE = 0.02  # difference of fits that says nothing
LIKELY = 0.3  # of the best fit: what else is held against a reference
LOOPS = "plain loops in float64"
OTHERS = 2  # that do not reproduce a reference are told beside those that do
SAME = 1e-9  # cells between boxes of frames that are one
ERRORS_ALIKE = 1.5


DEFAULTS = {name: option.default for name, option in OPTIONS.items()} | {"aligned": False}


@partial(documented, kinds=FrameOptions, table=FRAME)
def frame(
    features: SourceLike | Sequence[PathLike],
    rois: SourceLike,
    **options: Unpack[FrameOptions],
) -> FrameReport:
    """Try in which coordinates boxes are, and say how well each fits the maps.

    Tried are the formats of boxes, fractions, strides, ways to resize pictures if their sizes are
    known, and sizes whose height and width are swapped; what is given is held fixed.

    Parameters
    ----------
    features, rois : path or array
        As for `lucid.extract`, but no pipes.
    **options
        The options of the command, with the same names and defaults:

        {options}

    Returns
    -------
    FrameReport
        The candidates, the best first; `print` shows a table. `candidates[0].arguments` are
        keywords for `lucid.extract`.

    Raises
    ------
    SourceError, ShapeError, DTypeError, RoiError
        If an input cannot be read, or boxes are not upright.
    ValueError, TypeError
        If another argument has no meaning.

    Examples
    --------
    >>> import lucid
    >>> report = lucid.frame("sample_data/features.npy", "sample_data/rois.npy")
    >>> report.candidates[0].arguments
    {'stride': 16}
    """
    request = Request(features=features, rois=rois, **options)
    report = find_frames(request)
    draw(report, request)
    return report


def find_frames(request: Request) -> FrameReport:
    """Open the inputs and return which frames fit."""
    request.require_pictures()
    with ExitStack() as opened:
        sight = look(request, opened)
        given = request.given
        fits = fits_of(guesses_for(sight, given.keys()), sight)
        if request.reference is None:
            found = list(_ranked(fits, sight, request))
        else:
            best = max(one.value for one in fits)
            likely = distinct([one for one in fits if one.value >= LIKELY * best], SAME, SAME)
            found = list(_matched(matches(request.reference, likely, sight, given), sight, request))
        return FrameReport(
            features=printable(sight.job.features.name),
            features_shape=sight.job.features.shape,
            rois=printable(sight.job.rois.name),
            boxes=len(sight.rows),
            reference=None if request.reference is None else printable(str(request.reference)),
            candidates=tuple(found[: request.top]),
            facts=tuple(_hints(found, sight, request)),
        )


def draw(report: FrameReport, request: Request) -> None:
    """Draw the candidates, if that is asked for."""
    if request.pictures is None:
        return
    from lucid.viewer.preview import preview

    for number, one in enumerate(report.candidates, 1):
        preview(
            **{name: request.given[name] for name in ("features", "rois")},
            output=request.picture(number),
            images=request.images,
            overwrite=request.overwrite,
            **_given(request) | one.arguments,
        )


def _ranked(fits: list[Fit], sight: Sight, request: Request) -> Iterator[Candidate]:
    """Yield candidates without those that are another in other words."""
    left = sorted(fits, key=lambda fit: -fit.value)
    rank = 1
    while left and rank <= request.top:
        best = left[0].value
        alike = [one for one in left if one.value >= best - ALIKE]
        left = left[len(alike) :]
        kept = distinct(alike)
        for one in kept:
            yield _candidate(rank, one, apart(one, kept[0]), sight, request)
        rank += len(kept)


def _matched(found: list[Match], sight: Sight, request: Request) -> Iterator[Candidate]:
    """Yield candidates with what made the reference; of those that do alike, the least odd."""
    first: Match | None = None
    rank = 0
    good = sum(bool(one.reproduces) for one in found)
    for number, one in enumerate(
        sorted(found, key=_order)[: good + OTHERS * bool(good) or None], 1
    ):
        if first is None or not _is_alike(one, first):
            rank, first = number, one
        yield _candidate(rank, one.fit, apart(one.fit, first.fit), sight, request, one)


def _is_alike(one: Match, first: Match) -> bool:
    near = one.max_abs_error <= first.max_abs_error * ERRORS_ALIKE
    return one.reproduces == first.reproduces and (bool(one.reproduces) or near)


def _order(match: Match) -> Any:
    levels = ["float64", "float32", "float16"]
    level = levels.index(match.reproduces) if match.reproduces else len(levels)
    error = 0.0 if match.reproduces else match.max_abs_error
    return level, error, not match.maker.is_in_options, match.fit.guess.oddity, match.max_abs_error


def _candidate(
    rank: int, one: Fit, away: float, sight: Sight, request: Request, match: Match | None = None
) -> Candidate:
    arguments = one.guess.options(sight, request.given.keys())
    note = _note(one, arguments)
    if match is not None:
        own = {"operator": match.maker.operator, **match.maker.options}
        arguments |= {name: own[name] for name in own if own[name] != DEFAULTS.get(name)}
        note = "; ".join(filter(None, [note, _about(match)]))
    given = {name: value for name, value in _given(request).items() if name not in arguments}
    return Candidate(
        rank=rank,
        options=_words(given | arguments),
        own=_words(arguments),
        arguments=arguments,
        fit=one.value,
        inside=one.inside,
        fills=one.fills,
        maps=one.maps,
        apart=away,
        note=note,
        **(_made(match, one.guess.scale) if match else {}),
    )


def _made(match: Match, scale: tuple[float, float]) -> dict[str, Any]:
    """Return what is told of what made a reference."""
    maker = match.maker
    return {
        "operator": maker.operator,
        "aligned": maker.options.get("aligned"),
        "sampling_ratio": _plain(maker.options.get("sampling_ratio")),
        "mode": maker.options.get("mode", "avg") if maker.operator == "roi-align" else None,
        "spatial_scale": scale,
        "max_abs_error": match.max_abs_error if math.isfinite(match.max_abs_error) else None,
        "computed_in": match.computed_in,
        "reproduces": match.reproduces,
        "frameworks": _frameworks(match),
    }


def _frameworks(match: Match) -> tuple[str, ...]:
    """Return what makes such crops."""
    if match.reproduces == "float64":
        return (LOOPS, *match.maker.frameworks)
    return match.maker.frameworks if match.reproduces else ()


def _given(request: Request) -> dict[str, Any]:
    """Return what was given beside the inputs."""
    return {
        name: value for name, value in request.given.items() if name not in {"features", "rois"}
    }


def _words(arguments: dict[str, Any]) -> tuple[str, ...]:
    """Return arguments as words of a command line, not quoted."""
    return tuple(words_of(arguments))


def _plain(value: Any) -> Any:
    return "inf" if value == math.inf else value


def _note(one: Fit, arguments: dict[str, Any]) -> str:
    """Return what no option says of a frame."""
    if one.guess.is_swapped and "image_size" not in arguments:
        return "with the columns of the sizes swapped: they are width, height"
    if one.maps < 0.9:
        return "but maps of such inputs would have other sizes"
    return ""


def _about(match: Match) -> str:
    """Return what no option says of an operator."""
    maker = match.maker
    if maker.special == "from 0":
        return "with negative maxima as 0"
    if maker.special:
        return "with the largest weighted corner in place of the largest sample"
    if maker.moved == (0.0, 1.0):
        return "with boxes one longer: x2 + 1, y2 + 1"
    if any(maker.moved):
        return "with boxes moved by half a pixel, as by a frame of 1, 1, 0.5, 0.5"
    return ""


def _about_frameworks(one: Candidate) -> Iterator[str]:
    """Say what would tell apart the frameworks that make the same crops."""
    named = tuple(name for name in one.frameworks if name != LOOPS)
    if len(named) > 1:
        way = TOLD_APART_BY.get(named)
        more = f"; what tells them apart: {way}" if way else ", as of any, but for last digits"
        yield f"{len(named)} frameworks make the same of these RoIs{more}."


def _hints(found: list[Candidate], sight: Sight, request: Request) -> Iterator[str]:
    """Yield what would tell candidates apart that fit alike, to be `spelled`."""
    if not found:
        return
    best = [one for one in found if one.rank == 1]
    if request.reference is not None:
        if not best[0].reproduces:
            yield (
                "None reproduces the reference. It may be of other maps or boxes, or of an "
                "operator that is not tried."
            )
        elif len(best) > 1:
            yield (
                f"The {len(best)} of rank 1 do so alike; crops of boxes of other sizes, and across "
                "borders, may tell them apart."
            )
        else:
            yield from _about_frameworks(best[0])
        return
    ways = [] if sight.pictures is not None else ["{image_size}, the sizes of the pictures"]
    ways += [] if request.pictures else ["{pictures}, such as 'frame-{{n}}.png', to look at them"]
    ways += ["{reference}, crops that were made elsewhere"]
    if len(best) > 1:
        furthest = max(one.apart for one in best)
        yield (
            f"{len(best)} fit alike, and lie up to {furthest:.2g} cells apart. What tells them "
            f"apart: {'; '.join(ways)}; or how the network's input was made."
        )
    if "aligned" not in request.given:
        yield "{aligned} moves all by half a cell, which no fit shows; {reference} does."
