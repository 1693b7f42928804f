"""Arguments as words of the command line: what it makes of them is what they were."""

import click
import numpy as np
import pytest
from lucid_cli.options import from_table

from lucid.stream.command_line import words_of
from lucid.stream.settings import Settings

ARGUMENTS = [
    {"spatial_scale": (0.5, 0.25), "aligned": True, "output_size": (3, 7)},
    {"features": ("a b.h5", "c.h5"), "stride": 16.0, "aligned": False, "strict": True},
    {"boxes": "xywh", "category": ("person", "dog"), "image_size": (480, 640), "no_crowd": False},
    {"layout": "nlc", "grid": (14, 14), "skip_tokens": 1, "rois": "it's {id}.txt"},
    {"channels": slice(2, None, 3), "sampling_ratio": float("inf")},
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_words_are_read_as_the_arguments_that_they_say(arguments):
    given = {"features": "f.h5", "rois": "r.json"} | arguments
    if "category" not in given:
        given = {"rois": "r.npy"} | given
    names = [name for name in given if name not in {"features", "rois"}]
    command = click.command(from_table("features", "rois", *names)(lambda **found: found))
    found = command.main(words_of(given), standalone_mode=False)
    found = {name: value for name, value in found.items() if value is not None}
    assert vars(Settings(**found)) == vars(Settings(**given))


def test_arrays_in_memory_have_a_name_to_be_replaced():
    given = {"features": np.zeros((1, 1, 2, 2)), "rois": [[0, 0, 0, 1, 1]]}
    assert words_of(given) == ["--features", "ARRAY.npy", "--rois", "ARRAY.npy"]
