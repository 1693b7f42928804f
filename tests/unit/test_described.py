"""What is said of files of text: what they hold, and what each is usable as."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from lucid_cli.commands import commands

import lucid
from lucid.stream import TextInfo, describe

COCO = {
    "images": [{"id": k, "height": 30, "width": 40, "file_name": f"{k}.jpg"} for k in range(3)],
    "annotations": [{"id": 9, "image_id": 1, "bbox": [1, 1, 4, 4]}],
    "categories": [],
}
CORNERS = {"xmin": "x1", "ymin": "y1", "xmax": "x2", "ymax": "y2"}


@pytest.mark.parametrize(
    ("name", "text", "info"),
    [
        ("b.csv", "image_id,xmin,ymin,xmax,ymax,score\n4,1,1,5,5,1\n7,1,1,6,6,1\n4,0,0,1,1,1\n",
         TextInfo("rows", 3, {"image_id": "image", **CORNERS, "score": ""}, 2, ["rois"])),
        ("f.csv", "x1,y1,x2,y2\n1,1,5,5\n1,1,5\n1,1,5,x\n",
         TextInfo("rows", 3, {one: one for one in CORNERS.values()}, None, ["rois"],
                  fault="line 3 is not a box: it has 3 columns")),
        ("b.tsv", "a\tb\tc\td\n1\t1\t5\t5\n",
         TextInfo("rows", 1, dict.fromkeys("abcd", ""), None, [], needs_columns=True)),
        ("b.txt", "0 1 1 5 5\n1 2 2 3 3\n",
         TextInfo("rows of 5 columns without a header", 2, {}, None, [], needs_columns=True)),
        ("s.csv", "id,height,width\na,3,4\nb,5,6\n",
         TextInfo("rows", 2, {"id": "", "height": "height", "width": "width"}, 2, ["image_size"])),
        ("s.txt", "30 40\n31 41\n",
         TextInfo("rows of 2 columns without a header", 2, {}, None, ["image_size"])),
        ("i.txt", "the cat.jpg\na\n\nb\n", TextInfo("lines", 3, {}, None, ["ids"])),
        ("t.csv", "image_index,cx,cy,w,h,angle\n0,5,5,2,2,1\n",
         TextInfo("rows", 1, {"image_index": "image", **{one: one for one in
                  ("cx", "cy", "w", "h", "angle")}}, 1, ["rois"])),
        ("i.txt", "7\n8\n", TextInfo("lines", 2, {}, None, ["ids"])),
        ("a.json", json.dumps(COCO),
         TextInfo("annotations", 1, {}, 3, ["rois", "ids", "image_size"])),
        ("r.json", json.dumps([{"image_id": 1, "bbox": [1, 1, 4, 4]}] * 2),
         TextInfo("boxes", 2, {}, 1, ["rois"])),
        ("v.json", json.dumps([{"image_id": 1, "height": 3, "width": 4}] * 2),
         TextInfo("images", 2, {}, None, ["ids", "image_size"])),
        ("o.json", json.dumps({"height": [3, 4], "width": [5, 6]}),
         TextInfo("images", 2, {}, None, ["image_size"])),
        ("g.json", json.dumps({"17": {"file": 0, "idx": 1}}),
         TextInfo("images, each with its file and idx", 1, {}, None, ["ids"])),
    ],
)  # fmt: skip
def test_texts(tmp_path, name, text, info):
    (tmp_path / name).write_text(text)
    assert describe(tmp_path / name) == info


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("e.csv", "", "is empty"),
        ("", None, "is an empty folder"),
        ("x.json", '{"x": {"y": 1}}', "neither annotations nor images"),
        ("x.json", "7", "cannot be read as JSON"),
        ("n.csv", None, "No such file"),
    ],
)
def test_what_is_none_of_them(tmp_path, name, text, says):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(lucid.LucidError, match=says):
        describe(tmp_path / name)


def test_what_the_command_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.csv").write_text("image,x,y,w,h\na,1,1,5,5\n")
    (tmp_path / "odd.csv").write_text("p,x,y,z,t\na,1,1,5,5\n")
    for k in range(2):
        np.save(f"{k}.npy", np.zeros((3, 4, 4)))
    np.savez("a.npz", ids=np.arange(2), n=np.arange(2), names=np.array(["a", "b"]))

    np.savez(
        "v.npz", features=np.zeros((2, 3, 4, 5, 6)), rois=np.zeros((8, 7)), turned=np.zeros((8, 6))
    )

    def info(*arguments):
        return CliRunner().invoke(commands, ["info", *arguments]).stdout

    def usable(file):
        return [line.partition("usable as ")[2] for line in info(file).splitlines()]

    assert info("b.csv") == "b.csv  1 row of 1 image, columns image, x, y, w, h  usable as rois\n"
    (tmp_path / "bad.csv").write_text("x1,y1,x2,y2\n1,1,5,five\n")
    assert info("bad.csv").splitlines()[1].strip() == (
        "but line 2 is not a box: its column 4 is 'five' and no number"
    )
    assert info("odd.csv").endswith("  usable as rois with --columns\n")
    for files in ("{id}.npy", "[01].npy"):
        assert info(files).startswith("0.npy is the first of 2 files\n0.npy  (3, 4, 4) float64")
    assert json.loads(info("--json", "b.csv"))["table"]["roles"] == ["rois"]
    assert usable("a.npz") == ["ids", "", "ids"]
    assert usable("v.npz") == [
        "features with --operator roi-align-3d",
        "rois with --operator roi-align-3d",
        "rois with --operator roi-align-rotated or roi-align-3d",
    ]
