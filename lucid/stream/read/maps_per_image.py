"""Feature maps as files have them: an array for each image."""

from __future__ import annotations

from lucid.stream.read.axes import Axes
from lucid.stream.read.image_ids import Ids
from lucid.stream.read.many_maps import ManyMaps
from lucid.stream.read.maps import FEATURES
from lucid.stream.read.per_image import per_image
from lucid.stream.read.words import gathered


class MapPerImage(ManyMaps):
    """An array for each image, perhaps of differing height and width."""

    is_of_one = True

    def __init__(self, spec: str, axes: Axes, given: Ids | None, trust: bool) -> None:
        super().__init__(spec, axes)
        ids, inputs = (given.names, given.inputs) if given else (None, [])
        said = self._hold(per_image(spec, ids, FEATURES, self.require_maps, trust))
        self.words = gathered(spec, said, in_order=given is not None)
        self.held_per_image *= 1 + bool(self.words.single)
        self.ids, self.ids_from = self._arrays.ids, "argument" if given else "names"
        self.paths = [*self._arrays.paths(), *(one.path for one in inputs if one.path)]
        this = self._arrays.as_input("features", self.shape, self.kind)
        self.inputs = [this, *inputs]
