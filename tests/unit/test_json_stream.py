"""JSON element by element: what json.loads gives, in blocks of any size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucid import SourceError
from lucid.stream.read import json_stream
from lucid.stream.read.json_stream import elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def expected(document):
    if isinstance(document, list):
        return [("", element) for element in document]
    return [
        (name, element)
        for name, value in document.items()
        for element in (value if isinstance(value, list) else [value])
    ]


@given(
    st.lists(VALUES) | st.dictionaries(st.text(max_size=3), VALUES),
    st.integers(1, 50),
    st.sampled_from([None, 2]),
)
def test_elements_are_those_of_the_document_whatever_the_blocks(
    tmp_path_factory, document, block, indent
):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(document, indent=indent), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "BLOCK_CHARS", block)
        assert list(elements(path)) == expected(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it must be an object or an array"),
        ("7", "it must be an object or an array"),
        ('{"a": [1, 2', "missing"),
        ('{"a" 1}', "an object must have names and values"),
        ("{1: 2}", "an object must have names and values"),
        ("[1, ]", "Expecting value"),
        ("[1] [2]", "something follows"),
        ("[" * 100_000, "nested too deeply"),
        ("[nope]", "Expecting value"),
    ],
)
def test_what_is_not_json_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=f"bad.json cannot be read as JSON: .*{message}"):
        list(elements(path))


@pytest.mark.parametrize("block", [1, 7, 1 << 18])
@pytest.mark.parametrize("end", ["nope]}", "", '"without end'])
def test_the_line_of_a_fault_is_that_of_the_file(tmp_path, monkeypatch, block, end):
    monkeypatch.setattr(json_stream, "BLOCK_CHARS", block)
    path = tmp_path / "bad.json"
    path.write_text('{"a": [\n' + '{"b":\n 1},\n' * 20 + end)
    with pytest.raises(SourceError, match=r"cannot be read as JSON: line 42: [^()]*$"):
        list(elements(path))


def test_a_value_without_end_is_not_read_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "MAX_ELEMENT_CHARS", 1000)
    path = tmp_path / "long.json"
    path.write_text('["' + "x" * 10**6)
    with pytest.raises(SourceError, match="a value is longer than 1000 characters"):
        list(elements(path))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    import tracemalloc

    path = tmp_path / "large.json"
    one = {
        "image_id": 7,
        "bbox": [1.5, 2.5, 3.5, 4.5],
        "segmentation": [[float(k) for k in range(40)]],
    }
    path.write_text(json.dumps({"annotations": [one] * 8_000}))
    tracemalloc.start()
    count = sum(1 for _ in elements(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 8_000
    assert peak < 2_000_000 < path.stat().st_size
