"""Pictures in terminals: which way a terminal shows them, and a picture in that way."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import tty
from base64 import b64encode
from collections.abc import Iterator, Mapping

KITTY, ITERM, SIXEL = "kitty", "iTerm2", "sixel"
ANSWER_SECONDS = 0.5  # that a terminal may take to say what it can
KITTY_CHUNK = 4096
SIXEL_COLORS, SIXEL_ROWS = 255, 6


def pictures_of(environment: Mapping[str, str]) -> str | None:
    """Return how the terminal shows pictures, as its environment says it; None if that does not."""
    if "TMUX" in environment or environment.get("TERM", "").startswith("screen"):
        return None  # what stands between passes no pictures on unless it is told to
    program = environment.get("TERM_PROGRAM", "")
    if "KITTY_WINDOW_ID" in environment or environment.get("TERM") == "xterm-kitty":
        return KITTY
    if program == "ghostty":
        return KITTY
    if program in {"iTerm.app", "WezTerm"} or environment.get("LC_TERMINAL") == "iTerm2":
        return ITERM
    return None


def way_to_show() -> str | None:
    """Return how the terminal at standard output shows pictures, None if it cannot."""
    found = pictures_of(os.environ)
    if found or sys.stdin is None or not sys.stdin.isatty():
        return found
    return SIXEL if "4" in _attributes(sys.stdin.fileno(), sys.stdout.fileno()) else None


def _attributes(reader: int, writer: int) -> list[str]:
    """Ask a terminal what it can (DA1), and return the numbers of its answer."""
    before = termios.tcgetattr(reader)
    try:
        tty.setcbreak(reader)
        os.write(writer, b"\x1b[c")
        answer = b""
        while not answer.endswith(b"c") and select.select([reader], [], [], ANSWER_SECONDS)[0]:
            answer += os.read(reader, 64)
    finally:
        termios.tcsetattr(reader, termios.TCSANOW, before)
    match = re.search(rb"\x1b\[\?([\d;]*)c", answer)
    return match[1].decode().split(";")[1:] if match else []


def shown(png: bytes, way: str) -> bytes:
    """Return what a terminal is told so that it shows a picture."""
    if way == KITTY:
        return b"".join(_kitty(b64encode(png))) + b"\n"
    if way == ITERM:
        size = str(len(png)).encode()
        return b"\x1b]1337;File=inline=1;size=" + size + b":" + b64encode(png) + b"\x07\n"
    return b"".join(_sixel(png)) + b"\n"


def _kitty(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), KITTY_CHUNK):
        keys = b"a=T,f=100," * (start == 0)
        more = b"m=%d" % (start + KITTY_CHUNK < len(data))
        yield b"\x1b_G" + keys + more + b";" + data[start : start + KITTY_CHUNK] + b"\x1b\\"


def _sixel(png: bytes) -> Iterator[bytes]:
    """Yield a picture in bands of six rows, colour by colour."""
    import io

    import numpy as np
    from PIL.PngImagePlugin import PngImageFile

    picture = PngImageFile(io.BytesIO(png)).convert("RGB").quantize(SIXEL_COLORS)
    colors = np.array(picture.getpalette()).reshape(-1, 3) * 100 // 255
    cells = np.asarray(picture)
    yield b'\x1bPq"1;1;%d;%d' % (cells.shape[1], cells.shape[0])
    for number, (red, green, blue) in enumerate(colors.tolist()):
        yield b"#%d;2;%d;%d;%d" % (number, red, green, blue)
    for top in range(0, len(cells), SIXEL_ROWS):
        band = cells[top : top + SIXEL_ROWS]
        bits = 1 << np.arange(len(band))[:, None]
        for number in np.unique(band).tolist():
            sixels = ((band == number) * bits).sum(axis=0) + 63
            yield b"#%d" % number + _packed(sixels.astype(np.uint8).tobytes()) + b"$"
        yield b"-"
    yield b"\x1b\\"


def _packed(sixels: bytes) -> bytes:
    """Return sixels with runs of equal ones as a count and one of them."""
    return re.sub(rb"(.)\1{3,}", lambda run: b"!%d" % len(run[0]) + run[1], sixels, flags=re.DOTALL)
