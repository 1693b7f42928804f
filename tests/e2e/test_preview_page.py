"""The page that `preview --html` writes, in a real browser: it computes what the core computes."""

import json
import re

import h5py
import numpy as np
import pytest
from chromium import Page
from oracles import roi_align
from scenes import ROOT, written

from lucid.models.utils import roi_align as pooled

SAMPLE = {
    "features": ROOT / "sample_data" / "features.h5",
    "rois": ROOT / "sample_data" / "rois.npy",
}


def test_the_page_needs_no_network_and_nothing_in_it_ends_its_script(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["features"] = np.zeros((1, 2, 3, 4), np.float32)
        file["ids"] = ["</script><b>"]
    rois = [[0, 0, 0, 2, 2]]
    text = written(tmp_path / "p.html", features=tmp_path / "f.h5", rois=rois).read_text()
    assert text.count("</script>") == 2
    assert not re.search(r"(src|href)=\"?(https?:)?//|url\(|@import|fetch\(|import\(", text)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert data["images"][0]["title"] == "Image 0 · </script><b>"


@pytest.mark.slow
def test_a_page_of_twenty_large_maps_with_photographs_is_less_than_five_megabytes(tmp_path, rng):
    Image = pytest.importorskip("PIL.Image")
    features = rng.standard_normal((20, 1, 300, 400)).astype(np.float32)
    noise = rng.integers(0, 255, (30, 40, 3), np.uint8)
    photo = tmp_path / "photo.jpg"
    Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC).save(photo)
    for image in range(20):
        (tmp_path / f"{image}.jpg").symlink_to(photo)
    rois = np.c_[np.arange(20), np.full((20, 4), [3, 4, 90, 80])]
    path = written(
        tmp_path / "p.html", features=features, rois=rois, rows="0:20",
        images=tmp_path / "{id}.jpg",
    )  # fmt: skip
    assert path.stat().st_size < 5e6


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("page") / "p.html", **SAMPLE)
    with Page(path, "--window-size=1280,900") as opened:
        yield opened
        assert opened.errors == []


def crops(**options):
    """Return the crops of the mean over channels, as loops have them."""
    with h5py.File(SAMPLE["features"]) as file:
        features = file["features"][:].mean(axis=1, keepdims=True, dtype=np.float64)
    return roi_align(features, np.load(SAMPLE["rois"]).astype(float), (7, 7), **options)[:, 0]


@pytest.mark.slow
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(
    ("scale", "ratio"), [(0.125, -1), (0.0625, 2), (0.3, -1), (0.01, 3), (1.7, -1)]
)
def test_crops_in_the_page_are_those_of_plain_loops(page, aligned, scale, ratio):
    expected = crops(spatial_scale=scale, sampling_ratio=ratio, aligned=aligned)
    asked = f"{{aligned: {str(aligned).lower()}, spatialScale: {scale}, samplingRatio: {ratio}}}"
    for row in range(12):
        np.testing.assert_allclose(
            page.run(f"lucid.crop({row}, {asked})"), expected[row], atol=1e-4
        )


@pytest.mark.slow
def test_offsets_in_the_page_move_boxes_in_input_coordinates(page):
    with h5py.File(SAMPLE["features"]) as file:
        features = file["features"][:].mean(axis=1, keepdims=True)
    rois = np.load(SAMPLE["rois"]) + np.array([0, 5.5, -3, 5.5, -3])
    expected = pooled(features, rois, (7, 7), (0.125, 0.2), 2)[:, 0]
    for row in range(12):
        options = "{spatialScale: [0.125, 0.2], offset: [-3, 5.5], samplingRatio: 2}"
        found = page.run(f"lucid.crop({row}, {options})")
        np.testing.assert_allclose(found, expected[row], atol=1e-4)


def turned(page, control, value):
    """Have a person's hand move the control of a label."""
    page.run(
        "{ const label = [...document.querySelectorAll('label')]"
        f".find((one) => one.textContent.trim() === '{control}');"
        "const input = label.control;"
        f"if (input.type === 'checkbox') {{ if (input.checked !== {value}) input.click(); }}"
        f"else {{ input.value = {value};"
        "for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind)); } }"
    )


def table(page):
    """Return the numbers that the page shows."""
    return np.array(
        page.run(
            "[...document.querySelectorAll('#numbers tr')]"
            ".map((line) => [...line.cells].map((cell) => Number(cell.textContent)))"
        )
    )


@pytest.mark.slow
def test_controls_change_the_numbers_as_the_core_says(page):
    page.run("document.getElementById('reset').click(); chooseImage(2)")
    assert page.run("document.getElementById('row').selectedOptions[0].text") == "row 0"
    np.testing.assert_allclose(table(page), crops(spatial_scale=0.125)[0], rtol=1e-4)
    turned(page, "aligned", "true")
    np.testing.assert_allclose(
        table(page), crops(spatial_scale=0.125, aligned=True)[0], rtol=1e-4, atol=1e-6
    )
    turned(page, "scale", 0.0625)
    turned(page, "sampling ratio", 2)
    expected = crops(spatial_scale=0.0625, sampling_ratio=2, aligned=True)[0]
    np.testing.assert_allclose(table(page), expected, rtol=1e-4, atol=1e-6)
    assert page.run("document.getElementById('command').value").endswith(
        "--spatial-scale 0.0625 --aligned --sampling-ratio 2"
    )
    turned(page, "offset x", 4)
    turned(page, "offset y", -2)
    assert page.run("state.offset") == [-2, 4]
    np.testing.assert_allclose(table(page), page.run("lucid.crop(0)"), rtol=1e-4, atol=1e-6)
    assert "[[1, 1, -2, 4]]" in page.run("document.getElementById('command').value")


@pytest.mark.slow
def test_keys_step_through_images_and_rows(page):
    page.run("document.getElementById('reset').click(); chooseImage(0)")
    page.press("]")
    page.press("j")
    assert page.run("document.getElementById('row').selectedOptions[0].text") == "row 6"
    page.press("a")
    assert page.run("document.getElementById('aligned').checked") is True
    page.press("[")
    assert page.run("document.getElementById('image').selectedOptions[0].text") == "Image 0"


@pytest.mark.slow
def test_every_control_has_a_name_for_screen_readers(page):
    page.tell("Accessibility.enable")
    nodes = page.tell("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "checkbox", "slider", "spinbutton", "combobox", "textbox", "image"}
    controls = [node for node in nodes if node.get("role", {}).get("value") in roles]
    names = [node.get("name", {}).get("value", "") for node in controls]
    assert len(names) > 15
    assert all(names), controls
    assert {"aligned", "scale", "offset x", "offset y"} <= set(names)


@pytest.mark.slow
def test_numbers_of_sixteen_bits_are_within_a_ten_thousandth(tmp_path, rng):
    features = rng.standard_normal((5, 1, 400, 400)).astype(np.float32)
    features[0, 0, 3, 5] = np.nan
    corner = rng.uniform(20, 300, (30, 2))
    rois = np.c_[rng.integers(0, 5, 30), corner, corner + rng.uniform(0, 90, (30, 2))]
    path = written(tmp_path / "p.html", features=features, rois=rois, rows="0:30")
    assert '"kind":"u2"' in path.read_text()
    expected = pooled(features, rois, (7, 7))[:, 0]
    with Page(path) as opened:
        for row in range(30):
            found = opened.run(f"lucid.crop({row})")
            np.testing.assert_allclose(found, expected[row], atol=1e-4)
        assert opened.run("Number.isNaN(data.images[0].values[0][3 * 400 + 5])")
        assert opened.errors == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "rois", [np.empty((0, 5)), [[0, 5, 5, 2, 9], [0, np.nan, 1, 2, 3], [7, 1, 1, 2, 2]]]
)
def test_pages_of_no_rois_and_of_invalid_ones_open(tmp_path, rois):
    features = np.full((1, 2, 6, 9), np.nan, np.float32)
    path = written(tmp_path / "p.html", features=features, rois=rois, rows=slice(None))
    with Page(path) as opened:
        for key in ("j", "]", "a", "b", "+", "0"):
            opened.press(key)
        turned(opened, "scale", 0.5)
        assert opened.run("document.getElementById('map').ariaLabel").startswith("map of Image 0")
        assert opened.run("document.querySelectorAll('#tiles button').length") == min(len(rois), 2)
        assert opened.errors == []
