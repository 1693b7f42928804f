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
    """SIGTERM arrived, which interrupts like Ctrl-C."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lucid-roialign")
def commands() -> None:
    """RoIAlign for feature maps on disk: features file and RoI file in, crops file out."""


commands.add_command(extract)
commands.add_command(info)


def main() -> NoReturn:
    """Run the command and exit; signals end it as they end any process, after tidying up."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = commands.main(prog_name="lucid-roialign", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except LucidError as error:
        console.complain(str(error))
        status = DATA_ERROR
    except click.Abort as abort:  # what click makes of KeyboardInterrupt
        _die_of(signal.SIGTERM if isinstance(abort.__cause__, Terminated) else signal.SIGINT)
    sys.exit(status or 0)


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated


def _die_of(number: signal.Signals) -> NoReturn:
    """End so that the parent sees the signal: shells stop their loops on Ctrl-C by this."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise AssertionError("unreachable")
