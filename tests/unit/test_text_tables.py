"""Tables of boxes as text: what headers are understood, and what is refused."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucid.errors import LucidError, ShapeError, SourceError
from lucid.stream.read.columns import by_hand, by_header
from lucid.stream.read.text_tables import read_text_table


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SAVED = 'image|x1|y1|x2|y2\r\n"ça;va"|1|2|3|4\r\n'  # as spreadsheets save it


def table(text, name="boxes.csv", **options):
    Path(name).write_text(text)
    return read_text_table(Path(name), **options)


def named(rows):
    return [rows.keys.names[code] for code in rows.keys.codes]


@pytest.mark.parametrize(
    ("header", "image", "box", "form"),
    [
        ("image,x1,y1,x2,y2", 0, (1, 2, 3, 4), "xyxy"),
        ("ImageID,Source,XMin,XMax,YMin,YMax", 0, (2, 4, 3, 5), "xyxy"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", 0, (4, 5, 6, 7), "xyxy"),
        ("id,image_id,x,y,width,height", 1, (2, 3, 4, 5), "xywh"),
        ("file_name,left,top,w,h", 0, (1, 2, 3, 4), "xywh"),
        ("file_name,Left,Top,Right,Bottom", 0, (1, 2, 3, 4), "xyxy"),
        ("img_id,cx,cy,w,h,roi id", 0, (1, 2, 3, 4), "cxcywh"),
        ("x1,y1,x2,y2", None, (0, 1, 2, 3), "xyxy"),
    ],
)
def test_headers_that_are_in_use_are_understood(header, image, box, form):
    found = by_header(header.split(","), "t.csv")
    assert (found.image, found.box, found.form) == (image, box, form)
    assert found.index_by == ("position" if image is None else "id")


def test_an_index_is_a_position_and_an_id_is_not():
    assert by_header(["batch_index", "x1", "y1", "x2", "y2"], "t.csv").index_by == "position"
    assert by_header(["image_id", "x1", "y1", "x2", "y2"], "t.csv").index_by == "id"


@pytest.mark.parametrize(
    ("text", "image", "box", "form"),
    [
        ("image,-,x1,y1,x2,y2", 0, (2, 3, 4, 5), "xyxy"),
        ("x=l,y=t,w=b,h=r", None, (1, 2, 3, 4), "xywh"),
        ("image=pic, cx=l, cy=t, w=b, h=r", 0, (1, 2, 3, 4), "cxcywh"),
    ],
)
def test_columns_may_be_said_by_hand(text, image, box, form):
    found = by_hand(text, ["pic", "l", "t", "b", "r"], "t.csv")
    assert (found.image, found.box, found.form) == (image, box, form)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,x1,y1,x2", "t.csv must have columns x1, y1, x2, y2; or x, y, w, h"),
        ("image,x1=l,y1,x2,y2", "by order or role=name, not both"),
        ("image,picture,x1,y1,x2,y2", "columns must be of image, id, x1"),
        ("image,image,x1,y1,x2,y2", "each once"),
        ("x1=l,y1=t,x2=b,y2=bottom", "t.csv has no column 'bottom'; it has pic, l, t, b, r"),
    ],
)
def test_columns_that_mean_nothing_are_refused(text, message):
    with pytest.raises(ShapeError, match=message):
        by_hand(text, ["pic", "l", "t", "b", "r"], "t.csv")


def test_rows_keep_their_order_and_names():
    rows = table("id,image,x,y,w,h\n7,b.jpg,1,2,3,4\n8,a.jpg,5.5,6,7,8\n9,b.jpg,0,0,1,1\n")
    assert named(rows) == ["b.jpg", "a.jpg", "b.jpg"]
    assert rows.boxes.tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8], [0, 0, 1, 1]]
    assert (rows.form, rows.index_by, rows.roi_ids.tolist()) == ("xywh", "id", [7, 8, 9])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.tsv", "image\tx1\ty1\tx2\ty2\n3\t1\t2\t3\t4\n"),
        ("t.txt", "image x1  y1 x2 y2\n3 1 2 3 4\n\n"),
        ("t.csv", '\ufeffimage, x1, y1, x2, y2\r\n"3",1,2,3,4\r\n'),
    ],
)
def test_tabs_spaces_quotes_and_marks_of_byte_order_are_understood(name, text):
    rows = table(text, name)
    assert (named(rows), rows.boxes.tolist()) == ([3], [[1, 2, 3, 4]])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("delimiter", ";\t,")
def test_what_spreadsheets_save_is_read(tmp_path, encoding, delimiter):
    text = "image,x1,y1,x2,y2\nça;va,1,2,3,4\n" if delimiter == "," else SAVED
    text = "\ufeff" * (encoding == "utf-16-be") + text.replace("|", delimiter)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    rows = read_text_table(tmp_path / "t.csv")
    assert (named(rows), rows.boxes.tolist()) == (["ça;va"], [[1, 2, 3, 4]])


def test_other_encodings_are_told_with_their_line(tmp_path):
    for encoding, fact in (("latin-1", "line 2 is not"), ("utf-16", "it is cut off")):
        (tmp_path / "t.csv").write_bytes(SAVED.replace("|", ",").encode(encoding)[:-1])
        with pytest.raises(SourceError, match=f"must be UTF-8 or UTF-16 text, and {fact}"):
            read_text_table(tmp_path / "t.csv")


def test_without_a_header_columns_say_what_is_what():
    with pytest.raises(ShapeError, match="boxes.csv has no header; say which columns are what"):
        table("-5KQ66BBWC4,0902,0.07,0.15,0.28,0.81\n")
    rows = table("-5KQ66BBWC4,0902,0.07,0.15,0.28,0.81\n", columns="image,-,x1,y1,x2,y2")
    assert (named(rows), rows.boxes.tolist()) == (["-5KQ66BBWC4"], [[0.07, 0.15, 0.28, 0.81]])


def test_a_padded_number_stays_a_text():
    assert named(table("image,x1,y1,x2,y2\n000139,1,2,3,4\n139,1,2,3,4\n7.0,1,2,3,4\n")) == [
        "000139", 139, 7
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", SourceError, "boxes.csv is empty"),
        ("image,x1,y1,x2,y2\n0,1,2,3,4\n0,1,2\n", SourceError, "line 3 .* it has 3 columns"),
        ("image;x1;y1;x2;y2\n0;1;2;3;4,5\n", SourceError, "'4,5' .* written with a point"),
        (
            "image,x1,y1,x2,y2\n0,1,2,3,four\n",
            SourceError,
            "line 2 .* column 5 is 'four' and",
        ),
        ("image,label\n0,cat\n", ShapeError, "must have columns .*; its header is image, label"),
    ],
)
def test_what_is_no_table_of_boxes_is_said_with_its_line(text, error, message):
    with pytest.raises(error, match=message):
        table(text)


@given(st.lists(st.tuples(st.integers(0, 9), *[st.floats(-1e6, 1e6)] * 4), max_size=20))
def test_what_csv_writes_is_read_back(rows):
    with open("any.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("image_index", "x1", "y1", "x2", "y2"), *rows])
    found = read_text_table(Path("any.csv"))
    np.testing.assert_array_equal(found.boxes, np.array([row[1:] for row in rows]).reshape(-1, 4))
    assert named(found) == [row[0] for row in rows]


@given(st.binary(max_size=200), st.sampled_from([".csv", ".tsv", ".txt"]))
def test_any_bytes_are_a_table_or_an_error_of_one_line(data, suffix):
    path = Path("any").with_suffix(suffix)
    path.write_bytes(data)
    message = ""
    try:
        read_text_table(path)
    except LucidError as error:
        message = str(error)
    assert "\n" not in message
