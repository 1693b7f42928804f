"""What tables of text take in memory is not more than what they are counted as."""

import json
import tracemalloc

import pytest

from lucid.stream.read.box_rows import NAME_BYTES, ROW_BYTES
from lucid.stream.read.coco import read_coco
from lucid.stream.read.text_tables import read_text_table

ROWS = 4_000
SLACK = 3 << 19  # blocks of a file and what decodes them


def document(images):
    annotations = [
        {"id": k, "image_id": k % images, "bbox": [k / 7, 2, 3.25, 4], "category_id": 1,
         "segmentation": [[1.5, 2.5, 3.5, 4.5]]}
        for k in range(ROWS)
    ]  # fmt: skip
    named = [
        {"id": k, "file_name": f"COCO_val2014_{k:012}.jpg", "height": 480, "width": 640}
        for k in range(images)
    ]
    return json.dumps({"images": named, "annotations": annotations})


def table(images):
    return "id,image,x1,y1,x2,y2\n" + "".join(
        f"{k},COCO_val2014_{k % images:012}.jpg,{k / 7},2,3,4\n" for k in range(ROWS)
    )


@pytest.mark.slow
@pytest.mark.parametrize("images", [10, ROWS])
@pytest.mark.parametrize(
    ("name", "written", "read"),
    [("t.json", document, read_coco), ("t.csv", table, read_text_table)],
)
def test_reading_takes_no_more_than_is_counted(tmp_path, name, written, read, images):
    path = tmp_path / name
    path.write_text(written(images))
    tracemalloc.start()
    try:
        rows = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(rows.boxes) == ROWS
    assert peak < ROW_BYTES * ROWS + NAME_BYTES * images + SLACK
