"""`preview -o -`: pictures in terminals."""

import io
import re
import sys

import numpy as np
import pytest
from command import run_here
from lucid_cli import terminal
from scenes import F, R


@pytest.fixture
def _matplotlib():
    pytest.importorskip("matplotlib")


@pytest.mark.usefixtures("_matplotlib")
def test_a_terminal_that_shows_no_pictures_is_refused_and_one_that_does_is_shown_it(monkeypatch):
    monkeypatch.setattr("lucid_cli.console.stdout_is_terminal", lambda: True)
    line = ["preview", "--features", F, "--rois", R, "--rows", "11", "-q", "-o", "-"]
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TMUX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    done = run_here(*line)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"this terminal shows no pictures" in done.stderr
    monkeypatch.setenv("TERM", "xterm-kitty")
    assert run_here(*line).stdout.startswith(b"\x1b_Ga=T,f=100,m=1;iVBOR")


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iTerm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iTerm2"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}, None),
    ],
)
def test_terminals_are_known_by_their_environment(environment, way):
    assert terminal.pictures_of(environment) == way


def test_kitty_and_iterm_get_the_png_itself():
    from base64 import b64decode

    png = bytes(range(256)) * 40
    kitty = terminal.shown(png, "kitty")
    parts = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty)
    assert b64decode(b"".join(data for _, data in parts)) == png
    assert [keys[-3:] for keys, _ in parts] == [b"m=1"] * (len(parts) - 1) + [b"m=0"]
    assert parts[0][0] == b"a=T,f=100,m=1"
    (iterm,) = re.findall(
        rb"\x1b\]1337;File=inline=1;size=10240:(.*)\x07", terminal.shown(png, "iTerm2")
    )
    assert b64decode(iterm) == png


def decoded_sixels(text):
    """Return the picture that a terminal would show, (h, w, 3) in hundredths."""
    width, height = map(int, re.match(rb'\x1bPq"1;1;(\d+);(\d+)', text).groups())
    picture = np.full((height + 6, width, 3), -1)
    colors, color, x, y = {}, None, 0, 0
    body = re.sub(rb'^\x1bPq"[\d;]*', b"", text.rstrip()[:-2])
    for token in re.findall(rb"#\d+;2;\d+;\d+;\d+|#\d+|!\d+.|[$-]|[?-~]", body):
        if token.startswith(b"#"):
            number, *rest = map(int, token[1:].split(b";"))
            if rest:
                colors[number] = rest[1:]
            color = colors[number]
        elif token in b"$-":
            x, y = 0, y + 6 * (token == b"-")
        else:
            count = int(token[1:-1]) if token.startswith(b"!") else 1
            for bit in range(6):
                if (token[-1] - 63) >> bit & 1:
                    picture[y + bit, x : x + count] = color
            x += count
    return picture[:height]


def test_sixels_are_the_picture(rng):
    Image = pytest.importorskip("PIL.Image")
    values = rng.integers(0, 2, (17, 23, 3)).astype(np.uint8) * 255
    values[:, 5:19] = values[:, 5:6]  # a run
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    shown = decoded_sixels(terminal.shown(stream.getvalue(), "sixel"))
    np.testing.assert_array_equal(shown, values.astype(int) * 100 // 255)


@pytest.mark.parametrize(("answer", "way"), [(b"\x1b[?62;4;22c", "sixel"), (b"\x1b[?62;22c", None)])
def test_a_terminal_is_asked_for_sixels(monkeypatch, answer, way):
    import os
    import pty
    import threading
    import tty

    master, slave = pty.openpty()
    tty.setraw(master)
    asked = []

    def terminal_answers():
        asked.append(os.read(master, 64))
        os.write(master, answer)

    thread = threading.Thread(target=terminal_answers)
    thread.start()
    for name, mode in (("stdin", "r"), ("stdout", "w")):
        monkeypatch.setattr(sys, name, os.fdopen(os.dup(slave), mode))
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TMUX", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert terminal.way_to_show() == way
    thread.join()
    assert asked == [b"\x1b[c"]
    sys.stdin.close()
    sys.stdout.close()
    for file in (master, slave):
        os.close(file)
