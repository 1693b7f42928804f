"""How far a verification of all rows came, beside the file that it is of."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream.read.fingerprint import Input
from lucid.stream.write import disk
from lucid.stream.write.whole import write_whole

ENDING = ".verify"


class Checked(NamedTuple):
    """Which rows were looked at, and what was found."""

    job: dict[str, Any]  # what was held against what
    done: NDArray[np.bool_]  # (K,)
    tally: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it beside a file of crops."""
        done = b64encode(zlib.compress(np.packbits(self.done).tobytes(), 1)).decode()
        said = {"job": self.job, "rows": len(self.done), "done": done, "tally": self.tally}
        write_whole(state_path(path), json.dumps(said).encode(), overwrite=True)

    @classmethod
    def read(cls, path: Path) -> Checked | None:
        """Return what stands beside a file of crops, None if there is nothing.

        Raises
        ------
        SinkError
            If that is something else.
        """
        state = state_path(path)
        try:
            said = json.loads(state.read_bytes())
            packed = np.frombuffer(zlib.decompress(b64decode(said["done"])), np.uint8)
            done = np.unpackbits(packed, count=said["rows"]).astype(bool)
            return cls(said["job"], done, said["tally"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, zlib.error) as error:
            raise SinkError(f"{state} says not how far a verification came; remove it") from error


def state_path(path: Path) -> Path:
    """Return where the state of a verification stands."""
    return path.with_name(path.name + ENDING)


def forget(path: Path) -> None:
    """Remove the state of a verification, if there is one."""
    disk.remove(state_path(path))


def identity(path: Path, inputs: list[Input], engine: str) -> dict[str, Any]:
    """Return what must be the same for a verification to be gone on with."""
    crops = Input("crops", path, None, (), "").fingerprint()
    return {"crops": crops, "inputs": [one.fingerprint() for one in inputs], "engine": engine}
