"""Boxes in the tables of bottom-up attention and LXMERT, written as their scripts write them."""

import base64
import csv
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid.stream.read.attention_tsv import is_attention_tsv
from lucid.stream.read.described import describe

BOTTOM_UP = ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features")
LXMERT = ("img_id", "img_h", "img_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf",
          "num_boxes", "boxes", "features")  # fmt: skip
IDS, SIZES, COUNTS = (37209, 5, 262145), [(427, 640), (480, 640), (333, 500)], (3, 0, 5)


@pytest.fixture
def files(tmp_path, monkeypatch, rng):
    """Write maps of pictures whose short side was 320, and return rows (K, 5) of their boxes."""
    monkeypatch.chdir(tmp_path)
    Path("feats").mkdir()
    rows = []
    for k, (one, (h, w), count) in enumerate(zip(IDS, SIZES, COUNTS, strict=True)):
        np.save(f"feats/COCO_val2014_{one:012}.npy", rng.standard_normal((4, 22, 34), np.float32))
        x, y = (np.sort(rng.uniform(0, side, (count, 2))) for side in (w, h))
        boxes = np.column_stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]]).astype(np.float32)
        rows.append(np.column_stack([np.full(count, k), boxes]))
    return rows


def write(path, names, rows):
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, delimiter="\t", fieldnames=names, extrasaction="ignore")
        for one, (h, w), boxes in zip(IDS, SIZES, rows, strict=True):
            pack = lambda values: base64.b64encode(values.astype(np.float32)).decode()  # noqa: E731
            features = pack(np.zeros((len(boxes), 2048)))
            about = {"image_id": one, "image_w": w, "image_h": h, "img_id": one, "img_w": w}
            about |= {"img_h": h, "num_boxes": len(boxes), "boxes": pack(boxes[:, 1:])}
            table.writerow(dict.fromkeys(names, features) | about | {"features": features})


@pytest.mark.parametrize("names", [BOTTOM_UP, LXMERT])
def test_boxes_find_their_images_and_sizes_their_frames(files, names):
    write("t.tsv", names, files)
    order = np.argsort(IDS)  # as names of files are ordered
    place = {int(k): rank for rank, k in enumerate(order)}
    table = np.concatenate(files).astype(np.float64)
    table[:, 0] = [place[int(k)] for k in table[:, 0]]
    np.save("r.npy", table)
    np.save("sizes.npy", np.array(SIZES)[order])
    how = {"resize": "short:320,640", "stride": 16}
    lucid.extract("feats/{id}.npy", "t.tsv", "c.npy", **how)
    lucid.extract("feats/{id}.npy", "r.npy", "d.npy", image_size="sizes.npy", **how)
    np.testing.assert_array_equal(np.load("c.npy"), np.load("d.npy"))
    found = describe("t.tsv")
    assert (found.rows, found.images, found.roles) == (8, 2, ["rois"])


def test_a_line_that_contradicts_itself_is_named(files):
    write("t.tsv", BOTTOM_UP, files)
    whole = Path("t.tsv").read_bytes()
    Path("t.tsv").write_bytes(whole.replace(b"\t5\t", b"\t6\t"))
    with pytest.raises(lucid.LucidError, match=r"line 3 .* 80 bytes, 6 boxes of float32 16 each"):
        lucid.extract("feats/{id}.npy", "t.tsv", "c.npy")
    Path("t.tsv").write_bytes(whole + b"1\t2\n")
    with pytest.raises(lucid.LucidError, match="line 4 .* it has 2 fields, not 6 or 10"):
        lucid.extract("feats/{id}.npy", "t.tsv", "c.npy")


def test_other_tables_are_none(tmp_path):
    path = tmp_path / "t.tsv"
    for text in ("", "image_id\tx\ty\tw\th\tid\n", "1\t2\t3\t4\t5\t6\n", "1\t2\t3\t0\t!\t\n"):
        path.write_text(text)
        assert not is_attention_tsv(path)
