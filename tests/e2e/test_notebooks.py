"""Reports in notebooks."""

import html
import re

import pytest
from command import run_here

import lucid


def test_a_report_is_the_text_of_the_command(files):
    report = lucid.extract("f.npy", "r.npy", "crops.h5", stride=16)
    done = run_here(
        "extract", "--features", "f.npy", "--rois", "r.npy", "--stride", "16", "-o", "crops.h5",
        "--overwrite", text=True,
    )  # fmt: skip
    assert f"{report}\n" == done.stdout


def test_a_notebook_shows_the_text_of_a_report_and_the_crops_of_a_file_that_says_its_job(files):
    pytest.importorskip("matplotlib")
    shown = {}
    for name in ("crops.h5", "crops.npy"):
        report = lucid.extract("f.npy", "r.npy", name, stride=16)
        shown[name] = report._repr_html_()
        assert str(report).splitlines()[0] in shown[name]
    assert re.search(r'<img alt="[^"]+" src="data:image/png;base64,iVBOR', shown["crops.h5"])
    assert "<img" not in shown["crops.npy"]


def test_other_reports_are_shown_as_the_command_prints_them(files):
    lucid.extract("f.npy", "r.npy", "crops.h5", stride=16)
    for report in (lucid.verify("crops.h5"), lucid.frame("f.npy", "r.npy")):
        assert report._repr_html_() == f"<pre>{html.escape(str(report))}</pre>"
