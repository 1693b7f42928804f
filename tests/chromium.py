"""A page in headless Chromium, driven through its DevTools by two pipes."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120  # seconds that a busy machine may take for an answer
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--hide-scrollbars", "--force-device-scale-factor=1", "--remote-debugging-pipe",
]  # fmt: skip

# The browser reads orders from file 3, and writes answers to file 4.
WITH_PIPES = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def chromium():
    """Return the path of the browser; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    return found


class Page:
    """A page that is open; `run` evaluates an expression in it."""

    def __init__(self, path, *flags):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [chromium(), *FLAGS, f"--user-data-dir={self._folder.name}", *flags]
        reader, self._to = os.pipe()
        self._from, writer = os.pipe()
        ends = [fcntl.fcntl(file, fcntl.F_DUPFD, 10) for file in (reader, writer)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", WITH_PIPES, *map(str, ends), *command, "about:blank"],
            pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for file in (reader, writer, *ends):
            os.close(file)
        self._held, self._number, self.errors = b"", 0, []
        self._attach()
        self.open(path)

    def open(self, path):
        """Go to a page."""
        self.tell("Page.navigate", url=path.as_uri())
        self._until(lambda event: event.get("method") == "Page.loadEventFired")

    def _attach(self):
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        attached = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")

    _session = None

    def tell(self, method, **params):
        """Give an order, and return what comes of it."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": params}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._to, json.dumps(order).encode() + b"\0")
        answer = self._until(lambda event: event.get("id") == self._number)
        assert "error" not in answer, answer
        return answer["result"]

    def _until(self, is_it):
        """Return the first message of a kind, and take down errors that come before."""
        until = time.monotonic() + PATIENCE
        while True:
            while b"\0" not in self._held:
                assert select.select([self._from], [], [], until - time.monotonic())[0], "no answer"
                part = os.read(self._from, 1 << 16)
                assert part, "the browser has ended"
                self._held += part
            message, _, self._held = self._held.partition(b"\0")
            event = json.loads(message)
            if event.get("method") == "Runtime.exceptionThrown" or (
                event.get("method") == "Log.entryAdded"
                and event["params"]["entry"]["level"] == "error"
            ):
                self.errors.append(event["params"])
            if is_it(event):
                return event

    def run(self, expression):
        """Return the value of an expression in the page."""
        answer = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key):
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            text = key if kind == "keyDown" and len(key) == 1 else ""
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, text=text)

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self._process.terminate()
        self._process.wait(PATIENCE)
        for file in (self._to, self._from):
            os.close(file)
        self._folder.cleanup()
