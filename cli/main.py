"""How a run of the command line begins and ends."""

from __future__ import annotations

import os
import sys

from .interrupts import Interrupted, die_of, notice, watch

TYPE_CHECKING = False  # so `typing` is not loaded before signals are watched
if TYPE_CHECKING:
    from typing import NoReturn

DATA_ERROR = 1  # something was looked at and found wrong; usage errors are click's 2


def main() -> NoReturn:
    """Run the command and exit; signals end it as they end any process, after tidying up."""
    watch()  # before all that takes a while to load
    # A RoI's products are small: threads inside them cost more than they bring, and the last bits
    # of a crop would depend on how many there are. NumPy reads this when it is loaded.
    os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
    sys.exit(_status())


def _status() -> int:
    """Run the command; return its exit status, or end by the signal that interrupted it."""
    try:
        return _run()
    except (Exception, KeyboardInterrupt) as error:
        if Interrupted.by is not None:  # an import of compiled code makes an ImportError of it
            _end(Interrupted.by)
        return _told(error)


def _end(number: int) -> NoReturn:
    """End by a signal, having said how far the command came."""
    if not Interrupted.told:
        from . import console

        console.interrupted_early()
    die_of(number)


def _run() -> int:
    """Run the command; one that returns False has found something wrong, and said so."""
    import warnings

    from . import console
    from .commands import commands

    notice()
    warnings.showwarning = lambda message, *where: console.warn(str(message))
    ended = commands.main(prog_name="lucid-roialign", standalone_mode=False)
    return DATA_ERROR if ended is False else 0


def _told(error: BaseException) -> int:
    """Say what went wrong and return the exit status for it; raise what nobody expected."""
    import click

    from lucid.errors import LucidError

    from . import console, options

    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, LucidError):
        console.complain(error.spelled(options.flag_of))
        return DATA_ERROR
    if isinstance(error, OSError):  # what is printed cannot be
        console.complain(f"cannot write what is printed: {error.strerror or error}")
        return DATA_ERROR
    raise error
