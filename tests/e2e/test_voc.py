"""Boxes and sizes of images in annotations of Pascal VOC."""

import functools
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import pytest

import lucid
from lucid.stream.read.arrays import list_arrays
from lucid.stream.read.described import describe

SIZES = [(500, 353), (375, 500), (333, 500)]
BOXES = [[(1, 1, 353, 500), (48, 240, 195, 371)], [], [(8, 12, 352, 300.5)]]  # as VOC counts


def annotation(size, boxes, objects="dd"):
    """Return an annotation as labelImg and the development kit write it."""
    root = Element("annotation")
    SubElement(root, "filename").text = "000005.jpg"
    about = SubElement(root, "size")
    for name, length in zip(("width", "height", "depth"), (*size[::-1], 3), strict=True):
        SubElement(about, name).text = str(length)
    for box, called in zip(boxes, objects, strict=False):
        one = SubElement(root, "object")
        SubElement(one, "name").text = called
        part = SubElement(SubElement(one, "part"), "bndbox")  # of a head, which is no object
        SubElement(part, "xmin").text = "7"
        corners = SubElement(one, "bndbox")
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            SubElement(corners, name).text = str(value)
    return tostring(root, encoding="unicode")


@pytest.fixture
def files(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    maps = [rng.standard_normal((4, h // 16, w // 16), np.float32) for h, w in SIZES]
    for folder in ("feats", "Annotations"):
        Path(folder).mkdir()
    for k, (size, boxes, features) in enumerate(zip(SIZES, BOXES, maps, strict=True)):
        np.save(f"feats/{k:06}.npy", features)
        Path(f"Annotations/{k:06}.xml").write_text(annotation(size, boxes))
    return maps


def test_corners_count_from_0_and_the_last_pixel_is_inside(files):
    lucid.extract("feats/{id}.npy", "Annotations/{id}.xml", "c.npy", spatial_scale=1 / 16)
    rows = [(k, x1 - 1, y1 - 1, x2, y2) for k, each in enumerate(BOXES) for x1, y1, x2, y2 in each]
    np.save("r.npy", np.array(rows))
    lucid.extract("feats/{id}.npy", "r.npy", "d.npy", spatial_scale=1 / 16)
    np.testing.assert_array_equal(np.load("c.npy"), np.load("d.npy"))


def test_objects_of_a_category(files):
    """Objects of two names, in turn."""
    corners = [(8 * k + 1, 9, 8 * k + 40, 60) for k in range(4)]
    wanted = []
    for k, path in enumerate(sorted(Path("Annotations").iterdir())):
        path.write_text(annotation(SIZES[k], corners, "abab"))
        wanted += [(k, x1 - 1, y1 - 1, x2, y2) for x1, y1, x2, y2 in corners[1::2]]
    run = functools.partial(lucid.extract, "feats/{id}.npy", overwrite=True)
    run("Annotations/{id}.xml", "c.npy", category="b")
    np.save("r.npy", np.array(wanted))
    run("r.npy", "d.npy")
    np.testing.assert_array_equal(np.load("c.npy"), np.load("d.npy"))
    with pytest.raises(lucid.LucidError, match="has no object 'cat'; it has a, b"):
        run("Annotations/{id}.xml", "c.npy", category="b,cat")


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"no_crowd": True}, "no_crowd is for rois in COCO's JSON"),
        ({"columns": "x1,y1,x2,y2"}, "not for rois in VOC's XML"),
        ({"operator": "roi-align-rotated"}, "in VOC's XML are upright"),
        ({"boxes": "xywh"}, "says that its boxes are xyxy; drop boxes"),
    ],
)
def test_what_means_nothing_to_annotations(files, options, fact):
    with pytest.raises(ValueError, match=fact):
        lucid.extract("feats/{id}.npy", "Annotations/{id}.xml", "c.npy", **options)


def test_sizes_are_those_of_the_pictures(files):
    size = "Annotations/{id}.xml"
    lucid.extract(
        "feats/{id}.npy", size, "c.npy", image_size=size, resize="short:240,400", stride=16
    )
    np.save("sizes.npy", SIZES)
    lucid.extract(
        "feats/{id}.npy", size, "d.npy", image_size="sizes.npy", resize="short:240,400", stride=16
    )
    np.testing.assert_array_equal(np.load("c.npy"), np.load("d.npy"))


def test_info_shows_what_there_is(files):
    infos = {info.dataset: info for info in list_arrays("Annotations/000000.xml")}
    assert {name: info.shape for name, info in infos.items()} == {
        "boxes": (2, 4),
        "image_size": (2,),
    }
    assert infos["boxes"].roles == ["rois"]
    assert [one.info.dataset for one in describe("Annotations/{id}.xml")] == [*infos]


ENTITIES = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>'
OUTSIDE = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>'


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (ENTITIES, "declares a document type"),
        (OUTSIDE, "declares a document type"),
        ("<annotation>&c;</annotation>", "undefined entity"),
        ("<annotation><object>", "no element found"),
        ("<html/>", "got <html>"),
        ("<annotation><object><name>cat</name></object></annotation>", "<bndbox> of 'cat'"),
        ("<annotation><size><width>3</width></size></annotation>", "height, width"),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', "no XML"),
        ("<annotation>" + " " * (4 << 20), "at most 4 MiB"),
    ],
)
def test_what_is_no_annotation_is_refused_in_one_line(tmp_path, text, fact):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(lucid.LucidError, match="a.xml") as error:
        list_arrays(path)
    assert fact in str(error.value)
    assert "\n" not in str(error.value)
