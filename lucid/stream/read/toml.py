"""Files of TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from lucid.errors import SourceError
from lucid.stream.read.missing import not_opened


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a file of TOML says.

    Raises
    ------
    SourceError
        If it cannot be read, or is none.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise not_opened(path, error) from error
    except ValueError as error:
        raise SourceError(f"{path} cannot be read as TOML: {error}") from error
