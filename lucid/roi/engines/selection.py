"""Which engine computes: what a call says, else the environment, else the best there is."""

import os
from functools import cache
from importlib import import_module
from typing import cast

from lucid.roi.engines import Engine

VARIABLE = "LUCID_ROIALIGN_ENGINE"
NAMES = ("auto", "numpy", "compiled")
HOMES = {"numpy": "lucid.roi.engines.numpy.engine", "compiled": "lucid.roi.engines.compiled"}


class _Setting:
    """What holds for the whole process."""

    name: str | None = None  # None: what the environment says


def set_engine(name: str) -> None:
    """Say which engine computes crops and gradients.

    Parameters
    ----------
    name : {'auto', 'numpy', 'compiled'}
        'compiled' is in C, and gives the same bits on any machine; 'numpy' is always there;
        'auto' is compiled where that was built, whatever the call. It is a call's word over that
        of the environment's LUCID_ROIALIGN_ENGINE.

    Raises
    ------
    ValueError
        If there is no such engine, or it was not built.

    Examples
    --------
    >>> set_engine("numpy")
    >>> get_engine()
    'numpy'
    >>> set_engine("auto")
    """
    as_engine(name)
    _Setting.name = name


def get_engine() -> str:
    """Return which engine computes: 'numpy' or 'compiled'.

    Raises
    ------
    ValueError
        If the environment names one that is not there.

    Examples
    --------
    >>> get_engine() in ("numpy", "compiled")
    True
    """
    if _Setting.name is not None:
        return as_engine(_Setting.name)
    return _resolved(os.environ.get(VARIABLE) or "auto", VARIABLE)


def current_engine() -> Engine:
    """Return the engine that computes."""
    return engine_named(get_engine())


@cache
def engine_named(name: str) -> Engine:
    """Return an engine by its name, 'numpy' or 'compiled'."""
    return cast(Engine, import_module(HOMES[name]))


def as_engine(name: str) -> str:
    """Return the engine that is there for a name: 'numpy' or 'compiled'.

    Raises
    ------
    ValueError
        If there is no such engine, or it was not built.
    """
    return _resolved(name, "engine")


def why_not_compiled() -> str:
    """Return why there is no compiled engine; nothing if there is one."""
    try:
        import_module(HOMES["compiled"])
    except ImportError as error:
        return str(error)
    return ""


_why_not = cache(why_not_compiled)


def _resolved(name: str, source: str) -> str:
    """Return the engine that a name means."""
    if name not in NAMES:
        raise ValueError(f"{source} must be one of {', '.join(NAMES)}, got {name}")
    if name == "auto":
        return "numpy" if _why_not() else "compiled"
    if name == "compiled" and _why_not():
        raise ValueError(
            f"{source} is 'compiled', which was not built here: install a C compiler, then "
            f"`pip install --force-reinstall --no-deps --no-binary lucid-roialign lucid-roialign`"
        )
    return name
