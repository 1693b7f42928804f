"""The command line: its commands, and how a run ends."""

import os
import signal
import sys
import time
import warnings
from typing import ClassVar, NoReturn

import click

from lucid.errors import LucidError

from . import console
from .extract import extract
from .frame import frame
from .info import info
from .preview import preview
from .verify import verify

DATA_ERROR = 1  # something was looked at and found wrong; usage errors are click's 2


INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 1.0  # seconds that a run has to tidy up before another signal ends it at once


class Interrupted(KeyboardInterrupt):
    """A signal arrived that interrupts like Ctrl-C."""

    by: ClassVar[int | None] = None  # the signal; what it interrupts may end in any other error


def _show_schema(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the schema instead of running a command."""
    if wanted and not ctx.resilient_parsing:
        console.show_schema()
        ctx.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lucid-roialign")
@click.option(
    "--json-schema", is_flag=True, is_eager=True, expose_value=False, callback=_show_schema,
    help="Show the JSON schema of what --json prints and exit.",
)  # fmt: skip
def commands() -> None:
    """RoIAlign for feature maps on disk: features file and RoI file in, crops file out."""


commands.add_command(extract)
commands.add_command(frame)
commands.add_command(info)
commands.add_command(preview)
commands.add_command(verify)


def main() -> NoReturn:
    """Run the command and exit; signals end it as they end any process, after tidying up."""
    # A RoI's products are small: threads inside them cost more than they bring, and the last bits
    # of a crop would depend on how many there are. NumPy reads this when it is loaded.
    os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
    warnings.showwarning = lambda message, *where: console.warn(str(message))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for number in INTERRUPTING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _interrupt)
    sys.exit(_status())


def _status() -> int:
    """Run the command; return its exit status, or end by the signal that interrupted it.

    A command that returns False has found something wrong, and said so.
    """
    Interrupted.by = None
    try:
        ended = commands.main(prog_name="lucid-roialign", standalone_mode=False)
        return DATA_ERROR if ended is False else 0
    except (Exception, KeyboardInterrupt) as error:
        if Interrupted.by is not None:  # an import of compiled code makes an ImportError of it
            _die_of(Interrupted.by)
        return _told(error)


def _told(error: BaseException) -> int:
    """Say what went wrong and return the exit status for it; raise what nobody expected."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, LucidError):
        console.complain(str(error))
        return DATA_ERROR
    if isinstance(error, OSError):  # what is printed cannot be
        console.complain(f"cannot write what is printed: {error.strerror or error}")
        return DATA_ERROR
    raise error


def _interrupt(number: int, frame: object) -> NoReturn:
    """Interrupt the run as Ctrl-C does, and let it tidy up.

    Another signal is often the same one, sent by the terminal and by a wrapper as well. One that
    comes later is from somebody who will not wait; what is left is then as after a kill.
    """
    until = time.monotonic() + PATIENCE

    def again(number: int, frame: object) -> None:
        if time.monotonic() > until:
            _die_of(number)

    for each in INTERRUPTING:
        if signal.getsignal(each) is _interrupt:
            signal.signal(each, again)
    Interrupted.by = number
    raise Interrupted


def _die_of(number: int) -> NoReturn:
    """End so that the parent sees the signal: shells stop their loops on Ctrl-C by this."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise AssertionError("unreachable")
