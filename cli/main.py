"""The command line: its commands, and how a run ends."""

import os
import signal
import sys
from typing import NoReturn

import click

from lucid.errors import LucidError

from . import console
from .extract import extract
from .info import info

DATA_ERROR = 1  # something was looked at and found wrong; usage errors are click's 2


class Terminated(KeyboardInterrupt):
    """A signal arrived that interrupts like Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lucid-roialign")
def commands() -> None:
    """RoIAlign for feature maps on disk: features file and RoI file in, crops file out."""


commands.add_command(extract)
commands.add_command(info)


def main() -> NoReturn:
    """Run the command and exit; signals end it as they end any process, after tidying up."""
    # A RoI's products are small: threads inside them cost more than they bring, and the last bits
    # of a crop would depend on how many there are. NumPy reads this when it is loaded.
    os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _terminate)
    try:
        status = commands.main(prog_name="lucid-roialign", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except LucidError as error:
        console.complain(str(error))
        status = DATA_ERROR
    except click.Abort as abort:  # what click makes of KeyboardInterrupt
        cause = abort.__cause__ or abort.__context__
        _die_of(cause.number if isinstance(cause, Terminated) else signal.SIGINT)
    except OSError as error:  # what is printed cannot be
        console.complain(f"cannot write what is printed: {error.strerror or error}")
        status = DATA_ERROR
    sys.exit(status or 0)


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated(number)


def _die_of(number: int) -> NoReturn:
    """End so that the parent sees the signal: shells stop their loops on Ctrl-C by this."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise AssertionError("unreachable")
