"""The crops that are verified, opened in whichever way they were written."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from lucid.stream.checks import PLACE
from lucid.stream.plan.job import Job
from lucid.stream.read.stored import Stored, StoredApart, StoredTogether
from lucid.stream.write.companions import Companions
from lucid.stream.write.images import by_image
from lucid.stream.write.layout import DATASET
from lucid.verifier.request import Request


def open_stored(request: Request, job: Job, opened: ExitStack) -> Stored:
    """Open the crops of a file, or of the files or groups of images.

    Raises
    ------
    SourceError
        If they cannot be read.
    """
    stored: Stored
    if request.is_apart:
        stored = _apart(request, job)
    elif request.path.suffix == ".npy":
        stored = StoredTogether(request.path, (DATASET,))
    else:
        stored = StoredTogether(f"{request.path}::{DATASET}", (DATASET,))
    opened.callback(stored.close)
    return stored


def _apart(request: Request, job: Job) -> StoredApart:
    """Open the crops of images, which are in files of the names of images, or in groups."""
    companions = Companions(job)
    ids = companions.names()
    image, position = np.full((2, job.rois.rois), -1)
    for number, rows in enumerate(by_image(companions.table()[:, 0], len(ids))):
        image[rows], position[rows] = number, np.arange(len(rows))
    if request.is_in_groups:
        paths = [f"{request.path}::{one}/features" for one in ids]
    else:
        inner = "" if request.path.suffix == ".npy" else "::features"
        paths = [request.name.replace(PLACE, one) + inner for one in ids]
    return StoredApart(request.name, paths, image, position)
