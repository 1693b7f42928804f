"""A process that works for another: it opens the maps itself, and writes its rows in place."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from multiprocessing.connection import Connection

from lucid.stream.write.sinks import PlacedRows


def serve(channel: int) -> None:
    """Do what the calling process says, until it says no more or is gone.

    It is asked for the setup, then for tasks, each time with None. Rows that are written are
    answered batch by batch, and an error is answered as it is.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # if the caller is gone, so is this process
    os.set_inheritable(channel, False)
    with Connection(channel) as caller, ExitStack() as opened:
        try:
            caller.send(None)
            setup = caller.recv()
            file, plan = opened.enter_context(PlacedRows(setup.place)), setup.opened(opened)
            while True:
                caller.send(None)
                for done in setup.rows_written(plan, file, caller.recv()):
                    caller.send(done)
        except EOFError:
            return
        except Exception as error:
            caller.send(error)
