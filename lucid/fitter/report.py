"""Which frames fit, for people and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from textwrap import wrap
from typing import Any

from lucid.errors import Spell, spelled
from lucid.stream.report import as_html
from lucid.stream.wording import COLUMNS, shown

NOTHING = "(none: as it is)"
LEAST_ROOM = 40  # of options and notes, columns
HEADS = {"fit": "rank   fit  inside  fills  apart  ", "match": "rank    error  equal in  "}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame that boxes may be in."""

    rank: int  # from 1; those that fit alike share it
    options: tuple[str, ...]  # words of a command line that say it, with those that were given
    own: tuple[str, ...]  # those of them that were not given
    arguments: dict[str, Any]  # the same in Python
    fit: float  # from 0 to 1
    inside: float  # the mean share of boxes that is on the map
    fills: tuple[float, float]  # the share of the height and the width of pictures they span
    maps: float  # the share of maps that have the size of those of such pictures
    apart: float  # cells that boxes lie from those of the first of its rank, at most
    note: str = ""  # what options do not say
    operator: str | None = None  # with a reference, as all below
    aligned: bool | None = None
    sampling_ratio: int | str | None = None
    mode: str | None = None
    spatial_scale: tuple[float, float] | None = None
    max_abs_error: float | None = None  # None if it is not finite
    computed_in: str | None = None
    reproduces: str | None = None  # to which rounding, '' if it does not
    frameworks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, all of which JSON has."""
        known: dict[str, Any] = {
            "rank": self.rank,
            "options": list(self.options),
            "fit": round(self.fit, 6),
            "inside": round(self.inside, 6),
            "fills": [round(share, 6) for share in self.fills],
            "maps": round(self.maps, 6),
            "apart": round(self.apart, 6),
            "note": self.note or None,
        }
        if self.operator is None:
            return known
        names = ("operator", "aligned", "sampling_ratio", "mode", "max_abs_error", "computed_in")
        scale = list(self.spatial_scale or ())
        found = {name: getattr(self, name) for name in names}
        more = {"reproduces": self.reproduces or None, "frameworks": list(self.frameworks)}
        return known | found | {"spatial_scale": scale} | more


@dataclass(frozen=True, slots=True)
class FrameReport:
    """Candidates, the best first."""

    features: str
    features_shape: tuple[int, ...]
    rois: str
    boxes: int  # that candidates were tried on
    reference: str | None
    candidates: tuple[Candidate, ...]
    facts: tuple[str, ...]  # the hints, to be `spelled`

    @property
    def hints(self) -> tuple[str, ...]:
        """What would tell apart candidates that fit alike."""
        return tuple(map(spelled, self.facts))

    def lines(self, columns: int = COLUMNS, spell: Spell = str) -> Iterator[str]:
        """Yield what the command prints, with options as keywords or as `spell` writes them."""
        return map(shown, self._lines(columns, spell))

    def _lines(self, columns: int, spell: Spell) -> Iterator[str]:
        yield f"features  {self.features}  {self.features_shape}"
        yield f"rois      {self.rois}, tried on {self.boxes} boxes"
        if self.reference is not None:
            yield f"reference {self.reference}"
        is_match = self.reference is not None
        head = HEADS["match" if is_match else "fit"]
        yield ""
        yield f"{head}options"
        for one in self.candidates:
            row = _match_row(one) if is_match else _fit_row(one)
            yield from _beside(row, len(head), columns, _said(one, spell), _notes(one))
        yield ""
        for fact in self.facts:
            yield from wrap(spelled(fact, spell), columns)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return as_html(str(self))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, all of which JSON has."""
        return {
            "features": self.features,
            "rois": self.rois,
            "boxes": self.boxes,
            "reference": self.reference,
            "candidates": [one.as_dict() for one in self.candidates],
            "hints": list(self.hints),
        }


def _fit_row(one: Candidate) -> str:
    fills = f"{100 * min(one.fills):3.0f} %"
    apart = f"{one.apart:.2f}" if one.apart else "-"
    return f"{one.rank:4}  {one.fit:.2f}   {100 * one.inside:3.0f} %  {fills}  {apart:>5}  "


def _match_row(one: Candidate) -> str:
    error = "-" if one.max_abs_error is None else f"{one.max_abs_error:.1e}"
    return f"{one.rank:4}  {error:>7}  {one.reproduces or '-':<8}  "


def _said(one: Candidate, spell: Spell) -> Sequence[str]:
    """Return a candidate's own options, as flags or as keywords, none of which is to be cut."""
    if spell is str:
        said = [f"{name}={value!r}," for name, value in one.arguments.items()]
        return [*said[:-1], *(last.removesuffix(",") for last in said[-1:])] or [NOTHING]
    said = []
    for word in map(quote, one.own):
        if word.startswith("--"):
            said.append(word)
        else:
            said[-1] += f" {word}"
    return said or [NOTHING]


def _notes(one: Candidate) -> Sequence[str]:
    """Return what stands below the options."""
    notes = [one.note] * bool(one.note)
    if one.reproduces:
        notes += ["as " + ", ".join(one.frameworks)] * bool(one.frameworks)
    return notes


def _beside(row: str, indent: int, columns: int, *texts: Any) -> Iterator[str]:
    """Yield a row with its texts to the right of it."""
    options, notes = texts
    room = max(columns - indent, LEAST_ROOM)
    lines = [*_filled(options, room)]
    for note in notes:
        lines += wrap(note, room, initial_indent="  ", subsequent_indent="  ")
    for k, line in enumerate(lines):
        yield f"{'' if k else row:<{indent}}{line}".rstrip()


def _filled(options: Sequence[str], width: int) -> Iterator[str]:
    """Yield lines of an option with its value or more, which stay whole to be pasted."""
    line, *others = options
    for option in others:
        if len(line) + 1 + len(option) > width:
            yield line
            line = option
        else:
            line = f"{line} {option}"
    yield line
