"""What a caller asks of a run, checked before any file is opened."""

import os
from collections.abc import Iterator
from copy import copy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lucid.stream.checks import (
    HDF5_SUFFIXES,
    IN_GROUPS,
    PIPE,
    PLACE,
    ZARR_SUFFIX,
    ArgumentError,
    Held,
)
from lucid.stream.options import ALIASES, OPTIONS, REQUIRED
from lucid.stream.options.meanings import fit_axes, of_operator
from lucid.stream.options.option import contradictions


class Settings:
    """The checked arguments of a run, each an attribute; see `lucid.extract`.

    Parameters
    ----------
    **arguments
        Options by name; one that is not given has its default.

    Raises
    ------
    TypeError, ValueError
        If there is no such option, one has no meaning, or two contradict each other.
    """

    def __init__(self, **arguments: Any) -> None:
        given = {ALIASES.get(name, name): value for name, value in arguments.items()}
        for name in given:
            if name not in OPTIONS:
                raise TypeError(f"extract() got an unexpected keyword argument {name!r}")
        for name in REQUIRED - given.keys():
            raise TypeError(f"extract() needs {name}")
        for name, option in OPTIONS.items():
            setattr(self, name, option.check(given.get(name, option.default)))
        self.output_name = str(vars(self)["output"])
        self.in_groups = self.output_name.endswith(IN_GROUPS)
        self.output = Path(self.output_name.removesuffix(IN_GROUPS))
        if isinstance(self.rois, Held) and self.rois.counts is not None:
            vars(self)["box_counts"] = self.box_counts or self.rois.counts
        if self.aligned is None:
            vars(self)["aligned"] = self.entry.aligned
        said = {name for name, value in given.items() if value is not None}
        fit_axes(self, said)
        if not self.means("spatial_scale"):  # boxes are fractions, whatever files say
            vars(self).update(spatial_scale=(1.0, 1.0), frame=self.frame or "none")
        for contradicts, fact in self._contradictions(said):
            if contradicts:
                raise ArgumentError(fact)

    if TYPE_CHECKING:  # the table says which attributes there are

        def __getattr__(self, name: str) -> Any: ...

    @property
    def entry(self) -> Any:
        """What is listed about the operator; see `lucid.roi.operators`."""
        return _operators().OPERATORS[self.operator]

    @property
    def operator_options(self) -> dict[str, Any]:
        """The options that mean something to the operator, by name."""
        takes = self.entry.takes - {"level"}  # that is about the maps
        return {name: getattr(self, name) for name in OPTIONS if name in takes}

    def means(self, option: str) -> bool:
        """Return whether an option means something to the operator of the run."""
        return option in self.entry.takes or option not in _operators().of_some()

    def with_engine(self, engine: str) -> Self:
        """Return the same settings with an engine where none was asked for."""
        settings = copy(self)
        vars(settings)["engine"] = self.engine or engine
        return settings

    def for_maps(self) -> Self:
        """Return what others need that open the maps alone: no array of RoIs in memory."""
        settings = copy(self)
        held = {name for name, value in vars(self).items() if isinstance(value, Held)}
        vars(settings).update(dict.fromkeys(held))
        return settings

    def from_anywhere(self) -> Self:
        """Return the same settings with paths of maps that do not depend on the current folder."""
        settings = copy(self)
        for name in ("features", "grid", "ids"):
            value = getattr(self, name)
            if isinstance(value, str):
                vars(settings)[name] = _absolute(value)
            elif isinstance(value, tuple) and isinstance(value[0], str):
                vars(settings)[name] = tuple(map(_absolute, value))
        if self.level is not None:
            vars(settings)["level"] = tuple(
                one._replace(features=_absolute(one.features)) for one in self.level
            )
        return settings

    def _contradictions(self, said: set[str]) -> Iterator[tuple[bool, str]]:
        """Yield whether options, of which some were said, contradict each other, and how."""
        yield from of_operator(self, said)
        yield from contradictions(self, OPTIONS)
        yield from self._of_levels(said)
        yield from self._of_outputs()
        yield from self._of_ways_to_run()
        yield from self._of_maps()
        yield from self._of_frames()
        yield from self._of_box_files()

    def _of_levels(self, said: set[str]) -> Iterator[tuple[bool, str]]:
        is_pyramid = self.level is not None
        yield self.features is None and not is_pyramid, "pass {features}, or {level} of a pyramid"
        yield "canonical" in said and not is_pyramid, "{canonical} is for a pyramid: pass {level}"
        yield (
            is_pyramid and not (self.spatial_scale is self.stride is None),
            "{level} says the scales of its maps; drop {spatial_scale} and {stride}",
        )
        yield is_pyramid and self.is_per_image, "crops of {level} are not written image by image"

    def _of_outputs(self) -> Iterator[tuple[bool, str]]:
        is_zarr, is_hdf5 = (
            self.output.suffix in suffixes for suffixes in ((ZARR_SUFFIX,), HDF5_SUFFIXES)
        )
        chunked = bool(self.compression != "none" or self.chunks or self.checksum)
        yield (
            chunked and not is_zarr and not is_hdf5,
            "{compression}, {chunks} and {checksum} are for HDF5 and zarr, not for "
            f"{self.output.suffix or '.npy'}",
        )
        yield is_zarr and self.checksum, "{checksum} is for HDF5, not for .zarr"
        yield is_zarr and self.compression == "lzf", "zarr has {compression} gzip and zstd, not lzf"
        yield (
            is_hdf5 and self.compression == "zstd",
            "HDF5 has {compression} gzip and lzf, not zstd",
        )
        yield (
            chunked and self.is_per_image,
            "{compression}, {chunks} and {checksum} are for the crops of all images together",
        )
        yield (
            self.coverage and (self.is_per_image or self.output.suffix in ("", ".npy")),
            "{coverage} stands beside the crops of all images, in .h5, .zarr, .npz or .safetensors",
        )

    def _of_ways_to_run(self) -> Iterator[tuple[bool, str]]:
        yield (
            self.overwrite and self.shard is not None,
            "{overwrite} and {shard} contradict each other; remove the output that is there",
        )
        yield (
            self.shard is not None and not self.can_resume,
            "a run from or to a pipe has no {shard}",
        )
        yield (
            str(self.features) == str(self.rois) == PIPE,
            "{features} and {rois} cannot both be piped in",
        )
        yield self.resume and not self.can_resume, "a run from or to a pipe cannot be resumed"
        yield (
            self.jobs not in {"auto", 1} and not self.can_share,
            "pipes and maps in memory use one process; drop {jobs}",
        )

    def _of_maps(self) -> Iterator[tuple[bool, str]]:
        tokens = "l" in self.layout
        yield tokens and self.grid is None, "{layout} with l for tokens needs {grid}: HxW"
        yield (
            not tokens and (self.grid is not None or self.skip_tokens > 0),
            "{grid} and {skip_tokens} are for tokens: {layout} nlc, lc, ncl or cl",
        )
        several = self.features if isinstance(self.features, tuple) else ()
        yield (
            any(PLACE in one for one in several),
            "{features} are several files or have {{id}}, not both",
        )
        yield PIPE in several, "{features} are several files or piped in, not both"

    def _of_frames(self) -> Iterator[tuple[bool, str]]:
        may_say_sizes = str(self.rois).endswith((".json", ".tsv"))
        has_sizes = self.image_size is not None or may_say_sizes
        yield (
            self.normalized and self.image_size is None,
            "{normalized} needs {image_size}: HxW, or an array of a height and width per image",
        )
        yield (
            self.resize is not None and not has_sizes,
            "{resize} needs {image_size}, the sizes of the pictures",
        )

    def _of_box_files(self) -> Iterator[tuple[bool, str]]:
        of_rois = {".json": "COCO's JSON", ".xml": "VOC's XML"}
        kind = of_rois.get(os.path.splitext(str(self.rois))[1])  # noqa: PTH122 - may be a URL
        yield (
            self.category is not None and kind is None,
            "{category} is for {rois} in COCO's JSON or VOC's XML",
        )
        yield self.no_crowd and kind != "COCO's JSON", "{no_crowd} is for {rois} in COCO's JSON"
        yield (
            kind is not None and not self.entry.form.is_upright,
            f"{{operator}} {self.operator} takes boxes of {', '.join(self.entry.form.columns)}, "
            f"and {{rois}} in {kind} are upright",
        )
        yield (
            self.columns is not None and kind is not None,
            f"{{columns}} are for tables, not for {{rois}} in {kind}",
        )
        yield (
            self.box_ranges_inclusive and self.box_ranges is None,
            "{box_ranges_inclusive} needs {box_ranges}",
        )

    @property
    def is_per_image(self) -> bool:
        """Whether each image has its crops apart, in a file or a group."""
        return self.in_groups or PLACE in self.output.name

    @property
    def to_stream(self) -> bool:
        """Whether crops go to standard output."""
        return str(self.output) == PIPE

    @property
    def can_resume(self) -> bool:
        """Whether an interrupted run could be gone on with: a pipe cannot be read again."""
        return PIPE not in map(str, (self.features, self.rois, self.output))

    @property
    def can_share(self) -> bool:
        """Whether several processes could work on a run: each opens the maps by itself."""
        of_levels = (level.features for level in self.level or ())
        of_maps = (self.features, self.grid, self.ids, *of_levels)
        return self.can_resume and not any(isinstance(one, Held) for one in of_maps)


@cache
def _operators() -> Any:
    """Return the operators; they need NumPy, which takes long to import."""
    return import_module("lucid.roi.operators")


def _absolute(path: str) -> str:
    """Return a path, which may have wildcards or name a dataset, from the root on."""
    return path if "://" in path or os.path.isabs(path) else os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH117, PTH118 - the rest stays as written
