"""What lucid works with: versions, threads, and which way its engine takes."""

import platform
from importlib import import_module
from typing import Any

import numpy as np

from lucid.roi.engines.numpy.blas import thread_count
from lucid.roi.engines.selection import get_engine, why_not_compiled
from lucid.roi.threads import get_num_threads


def show_config() -> str:
    """Return a text that says what lucid works with, to be printed in a bug report.

    Its lines are the versions, the engine, the number of threads, and NumPy's BLAS with its own.

    Examples
    --------
    >>> print(show_config())  # doctest: +ELLIPSIS
    lucid-roialign ...
    """
    version = import_module("lucid").__version__
    get_blas_threads, _ = thread_count()
    missing = why_not_compiled()
    lines = [
        f"lucid-roialign {version}, Python {platform.python_version()}, NumPy {np.__version__}",
        f"{platform.system()} {platform.machine()}",
        f"engine: {get_engine()}" + (f" (compiled: {missing})" if missing else ""),
        f"threads: {get_num_threads()} for a call on arrays",
        f"NumPy's BLAS: {_blas_name()}, {get_blas_threads()} threads outside of calls",
    ]
    return "\n".join(lines)


def _blas_name() -> str:
    """Return the name and version of the library that NumPy was built with."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
