"""Signals that interrupt a command: it tidies up, and ends as any process does of them."""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False  # so `typing` is not loaded before signals are watched
if TYPE_CHECKING:
    from typing import ClassVar, NoReturn

INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 1.0  # seconds that a run has to tidy up before another signal ends it at once


class Interrupted(KeyboardInterrupt):
    """A signal arrived that interrupts like Ctrl-C."""

    by: ClassVar[int | None] = None  # the signal; what it interrupts may end in any other error
    told: ClassVar[bool] = False  # whether it was said how far the command came


def watch() -> None:
    """Have signals raise `Interrupted`, and the end of a pipe that is read end the process."""
    Interrupted.by, Interrupted.told = None, False
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for number in INTERRUPTING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _interrupt)


def notice() -> None:
    """Raise `Interrupted` if a signal came where Python ignores what is raised, as in imports."""
    if Interrupted.by is not None:
        raise Interrupted


def _interrupt(number: int, frame: object) -> NoReturn:
    """Interrupt the run as Ctrl-C does, and let it tidy up.

    Another signal is often the same one, sent by the terminal and by a wrapper as well. One that
    comes later is from somebody who will not wait; what is left is then as after a kill.
    """
    until = time.monotonic() + PATIENCE

    def again(number: int, frame: object) -> None:
        if time.monotonic() > until:
            die_of(number)

    for each in INTERRUPTING:
        if signal.getsignal(each) is _interrupt:
            signal.signal(each, again)
    Interrupted.by = number
    raise Interrupted


def die_of(number: int) -> NoReturn:
    """End so that the parent sees the signal: shells stop their loops on Ctrl-C by this."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise AssertionError("unreachable")
