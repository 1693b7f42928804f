"""Real pipes: .npy in by standard input, .npy out by standard output, as Unix users expect."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import PATIENCE, RUN, run_here

import lucid
from lucid.models.utils import roi_align

COMMAND = [*RUN, "extract"]


def extract(*arguments, stdin=b""):
    return run_here("extract", *arguments, stdin=stdin)


@pytest.fixture
def by_image(files):
    """Replace the RoIs by the same in the order of their images."""
    files.rois = files.rois[np.argsort(files.rois[:, 0], kind="stable")]
    np.save("r.npy", files.rois)
    files.expected = roi_align(files.features, files.rois, 7)
    return files


def test_rois_by_a_pipe(files):
    done = extract("--features", "f.npy", "--rois", "-", "-o", "c.npy",
                   stdin=Path("r.npy").read_bytes())  # fmt: skip
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load("c.npy"), roi_align(files.features, files.rois, 7))


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_features_by_a_pipe_into_a_file_with_rois_in_any_order(files, layout):
    stream = io.BytesIO()
    last = layout == "nhwc"
    np.save(stream, files.features.transpose(0, 2, 3, 1).copy() if last else files.features)
    done = extract("--features", "-", "--rois", "r.npy", "-o", "c.npy", "--layout", layout,
                   stdin=stream.getvalue())  # fmt: skip
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load("c.npy"), roi_align(files.features, files.rois, 7))


@pytest.mark.slow
def test_features_by_a_pipe_are_never_held_as_a_whole(files, rng):
    """200 MB go through 64 MB of address space more than the libraries take."""
    limit = (
        "import lucid.stream.extract, tqdm, resource as r; "
        "size = int(open('/proc/self/statm').read().split()[0]) * r.getpagesize(); "
        "r.setrlimit(r.RLIMIT_AS, (size + (100 << 20),) * 2); "
    )
    maps = np.ones((1, 64, 64, 64), np.float32)
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": (200, 64, 64, 64)}
    )
    np.save("ends.npy", [[0, 1, 1, 9, 9], [199, 1, 1, 9, 9]])
    with subprocess.Popen(
        [sys.executable, "-c", limit + RUN[2], "extract", "--features", "-", "--rois", "ends.npy",
         "-o", "c.npy", "--memory", "64M"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdin.write(stream.getvalue())
        for _ in range(200):
            process.stdin.write(maps.tobytes())
        process.stdin.close()
        assert process.wait(PATIENCE) == 0, process.stderr.read()
    np.testing.assert_array_equal(np.load("c.npy"), np.ones((2, 64, 7, 7), np.float32))


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("features", ["f.npy", "f.h5::deep/zipped"])
def test_crops_by_a_pipe_in_the_order_of_rows(files, sort, features):
    """Unsorted, rows that are ready early wait; invalid ones are zeros."""
    if sort:
        files.rois = files.rois[np.argsort(files.rois[:, 0], kind="stable")]
    files.rois[[0, 7, 59], 0] = -1
    np.save("r.npy", files.rois)
    done = extract("--features", features, "--rois", "r.npy", "-o", "-", "--invalid", "zero")
    assert done.returncode == 0, done.stderr
    expected = roi_align(files.features, files.rois, 7, invalid="zero")
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), expected)
    assert b"crops     -  (60, 6, 7, 7) float32" in done.stderr
    assert not list(files.path.glob("-*"))


def test_from_pipe_to_pipe(by_image):
    done = extract("--features", "-", "--rois", "r.npy", "-o", "-", "-q",
                   stdin=Path("f.npy").read_bytes())  # fmt: skip
    assert done.returncode == 0
    assert b"Error" not in done.stderr
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), by_image.expected)


@pytest.mark.slow
def test_rows_arrive_as_they_are_complete(by_image):
    """The crops of the first images can be read while the last image is not there yet."""
    features = Path("f.npy").read_bytes()
    count = int((by_image.rois[:, 0] < 4).sum())
    size = by_image.expected[0].nbytes
    with subprocess.Popen(
        [*COMMAND, "--features", "-", "--rois", "r.npy", "-o", "-", "-q"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdin.write(features[: -by_image.features[0].nbytes])
        process.stdin.flush()
        early = process.stdout.read(128 + count * size)
        np.testing.assert_array_equal(
            np.frombuffer(early[128:], np.float32), by_image.expected[:count].ravel()
        )
        process.stdin.write(features[-by_image.features[0].nbytes :])
        process.stdin.close()
        late = process.stdout.read()
        assert len(late) == (60 - count) * size
        assert process.wait(PATIENCE) == 0


def fails(done, code, message):
    assert done.returncode == code
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"Error: ") == 1


def test_from_pipe_to_pipe_needs_rois_in_the_order_of_images(files):
    done = extract("--features", "-", "--rois", "r.npy", "-o", "-",
                   stdin=Path("f.npy").read_bytes())  # fmt: skip
    fails(done, 1, "r.npy: from pipe to pipe, RoIs must be in the order of their images; row ")
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"", "has no valid .npy header"),
        (b"y\n" * 1000, "has no valid .npy header"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is HDF5, which must be a file"),
        (None, "ended before the values that its header promises"),
    ],
)
@pytest.mark.parametrize("which", ["features", "rois"])
def test_what_is_no_npy_stream_is_refused(files, stdin, message, which):
    inputs = {"features": "f.npy", "rois": "r.npy"}
    stdin = Path(inputs[which]).read_bytes()[:-9] if stdin is None else stdin
    inputs[which] = "-"
    done = extract("--features", inputs["features"], "--rois", inputs["rois"], "-o", "c.npy",
                   stdin=stdin)  # fmt: skip
    fails(done, 1, f"{which} on standard input {message}")
    assert not Path("c.npy").exists()


def test_fortran_order_cannot_be_read_forwards(files):
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(files.features))
    done = extract("--features", "-", "--rois", "r.npy", stdin=stream.getvalue())
    fails(done, 1, "is in Fortran order")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--features", "-", "--rois", "-"], "--features and --rois cannot both be piped in"),
        (["--features", "-", "--rois", "r.npy", "--resume"], "pipe cannot be resumed"),
        (["--features", "f.npy", "--rois", "r.npy", "-o", "-", "--compression", "gzip"],
         "--compression, --chunks and --checksum are for HDF5 and zarr, not for .npy"),
    ],
)  # fmt: skip
def test_what_pipes_cannot_do_is_a_usage_error(files, arguments, message):
    fails(extract(*arguments, stdin=b""), 2, message)


def test_crops_are_not_written_to_a_terminal(files):
    master, slave = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "--features", "f.npy", "--rois", "r.npy", "-o", "-"],
        stdout=slave, stderr=subprocess.PIPE, timeout=PATIENCE,
    )  # fmt: skip
    os.close(slave)
    os.close(master)
    fails(done, 2, "crops are not written to a terminal")


def test_nobody_is_waited_for_to_type_an_input(files):
    master, slave = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "--features", "f.npy", "--rois", "-"],
        stdin=slave, capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    os.close(slave)
    os.close(master)
    fails(done, 2, "redirect a .npy: --rois - < rois.npy")


def test_a_stream_that_breaks_off_leaves_nothing_that_could_not_be_gone_on_with(files):
    cut = Path("f.npy").read_bytes()[:-2000]
    done = extract("--features", "-", "--rois", "r.npy", "-o", "c.npy", stdin=cut)
    fails(done, 1, "features on standard input ended before the values")
    assert not list(files.path.glob("c.npy*"))


def test_rois_that_do_not_fit_into_the_memory_are_not_read(files):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": (2**61, 5)}
    )
    done = extract("--features", "f.npy", "--rois", "-", stdin=stream.getvalue())
    fails(done, 1, "or put them into a file")


@pytest.mark.parametrize(
    ("arguments", "closed"),
    [
        ("--features f.npy --rois r.npy -o -", ">&-"),
        pytest.param("--features f.npy --rois - -o c.npy", "<&-", marks=pytest.mark.slow),
    ],
)
def test_a_closed_stream_is_named(files, arguments, closed):
    command = " ".join(f"'{word}'" for word in COMMAND)
    done = subprocess.run(
        ["bash", "-c", f"{command} {arguments} {closed}"], capture_output=True, timeout=PATIENCE
    )
    fails(done, 1, "standard output is closed" if ">" in closed else "standard input is closed")


@pytest.mark.slow
def test_messages_need_no_stream(files):
    command = " ".join(f"'{word}'" for word in COMMAND)
    done = subprocess.run(
        ["bash", "-c", f"{command} --features f.npy --rois r.npy -o c.npy 2>&-"], timeout=PATIENCE
    )
    assert done.returncode == 0
    assert len(np.load("c.npy")) == 60


def test_a_reader_that_has_enough_ends_the_run_quietly(files):
    command = " ".join(f"'{word}'" for word in COMMAND)
    done = subprocess.run(
        ["bash", "-c", f"{command} --features f.npy --rois r.npy -o - -q | head -c 200 | wc -c; "
         "echo ${PIPESTATUS[0]}"],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.stdout.split() == ["200", str(128 + signal.SIGPIPE)]
    assert not {"Error", "Traceback"} & set(re.findall(r"\w+", done.stderr))


@pytest.mark.slow
def test_shells_pass_arrays_through(files):
    command = " ".join(f"'{word}'" for word in COMMAND)
    subprocess.run(
        ["bash", "-c", f"cat r.npy | {command} --features f.npy --rois - -o - -q > piped.npy"],
        timeout=PATIENCE, check=True,
    )  # fmt: skip
    lucid.extract("f.npy", "r.npy", "whole.npy")
    assert Path("piped.npy").read_bytes() == Path("whole.npy").read_bytes()
