"""Which maps are drawn, and what of them: planes of numbers, photographs and RoIs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from lucid.errors import RoiError, SourceError
from lucid.stream.plan.job import Job
from lucid.stream.read.ids import match
from lucid.stream.read.pyramid import Pyramid
from lucid.stream.settings import Settings
from lucid.stream.write.identity import printable
from lucid.viewer.choice import MOST_IMAGES
from lucid.viewer.parts import Image, Roi
from lucid.viewer.photos import Photos
from lucid.viewer.planes import Reduction, plane_of, size_of
from lucid.viewer.wishes import Wishes

MOST_CELLS = 1 << 18  # of a map that are drawn
CELLS_OF_PAGE = 20 << 16  # of all planes of a page, which has them as numbers


class Place(NamedTuple):
    """Whose map one is: an image has one, or one of each level of a pyramid."""

    image: int
    level: int | None
    scale: tuple[float, float]  # cells per input coordinate, y before x


def place_of(job: Job, number: int) -> Place:
    """Return the image, the level and the scale of a map."""
    if not isinstance(job.features, Pyramid):
        y, x = job.operator.spatial_scale
        return Place(number, None, (y, x))
    level, image = divmod(number, job.rois.images)
    return Place(image, level, (job.features.scales[level],) * 2)


def images_asked_for(job: Job, wishes: Wishes) -> list[int] | None:
    """Return the numbers of the images that are asked for by id or number, None for any."""
    if wishes.image is None:
        return None
    found, ids, images = [], job.features.ids, job.rois.images
    for one in wishes.image:
        number = int(match([one], ids).images[0]) if ids else -1
        if number < 0 and one.isdecimal() and int(one) < images:
            number = int(one)
        if number < 0:
            known = f"ids such as {ids[0]!r}" if ids else "no ids"
            raise SourceError(
                f"{job.features.name} has no image {one!r}: its {images} images have {known} "
                "and numbers from 0"
            )
        found.append(number)
    return list(dict.fromkeys(found))


def drawn_maps(job: Job, with_rois: Collection[int], wanted: list[int] | None) -> list[int]:
    """Return the maps that are drawn, image by image; one of each that is asked for, at least."""
    maps: dict[int, list[int]] = {image: [] for image in wanted or ()}
    for number in sorted(with_rois):
        maps.setdefault(number % job.rois.images, []).append(number)
    if wanted is None:
        maps = dict(sorted(maps.items())) or {image: [] for image in [0][: job.rois.images]}
    shown = [number for image, some in maps.items() for number in some or [image]]
    if len(shown) > MOST_IMAGES:
        raise RoiError.advising(
            f"these RoIs lie on {len(shown)} maps, and {MOST_IMAGES} can be drawn at once",
            "choose fewer with {rows}, {image} or {random}",
        )
    return shown


def images_of(
    job: Job,
    numbers: list[int],
    rois: dict[int, list[Roi]],
    shown: Reduction,
    settings: Settings,
    wishes: Wishes,
) -> Iterator[Image]:
    """Yield maps with their photographs and RoIs."""
    features, places = job.features, [place_of(job, number) for number in numbers]
    photos = Photos(job, settings, wishes, {place.image for place in places})
    most_cells = MOST_CELLS
    if wishes.html is not None:
        planes = len(numbers) * (3 if wishes.show == "pca" else 1)
        most_cells = min(MOST_CELLS, CELLS_OF_PAGE // planes)
    for number, place in zip(numbers, places, strict=True):
        plane, step = plane_of(features, number, shown, most_cells, settings.memory // 4)
        yield Image(
            number=place.image,
            name=printable(features.ids[place.image]) if features.ids else "",
            level=place.level,
            scale=place.scale,
            size=size_of(features, number),
            plane=plane,
            step=step,
            backdrop=photos.of(place.image, place.scale),
            rois=rois.get(number, []),
        )
