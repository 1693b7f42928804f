"""What a preview shows of the sample data."""

from pathlib import Path

from lucid.viewer.page import make_page
from lucid.viewer.scene import make_scene
from lucid.viewer.wishes import Wishes

ROOT = Path(__file__).parents[1]
F, R = (str(ROOT / "sample_data" / name) for name in ("features.h5", "rois.npy"))
PHOTOS = str(ROOT / "sample_data" / "photos" / "*.jpg")


def seen(features=F, rois=R, **wishes):
    """Return the scene of a preview."""
    return make_scene(Wishes(features=features, rois=rois, **wishes))


def rois_of(scene):
    """Return what is drawn of each row."""
    return {roi.row: roi for roi in scene.rois}


def written(path, **wishes):
    """Write a page and return its path."""
    path.write_bytes(make_page(make_scene(Wishes(html=path, **wishes))))
    return path
