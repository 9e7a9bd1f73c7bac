"""A demo as a user starts it, in a process of its own, and a real browser to look at it.

Without Chromium or the built page the tests skip, saying so; with CI=true they fail instead.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from niftyflow.runtime.serving import pages_folder

START_SECONDS = 120
STOP_SECONDS = 60
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class Demo:
    """A running `niftyflow demo`."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = Path(sys.executable).with_name("niftyflow")
        command = [program, "--workspace", str(folder), "demo", "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._heard: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.link = self._wait_for(r"open (http\S+)")
        self.address = self.link.partition("/#")[0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._heard.put(line)

    def _wait_for(self, pattern: str) -> str:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                found = re.search(pattern, self._heard.get(timeout=0.5))
            except Empty:
                continue
            if found:
                return found.group(1)
        self.process.kill()
        raise AssertionError("the demo did not come up:\n" + "".join(self.lines))

    def interrupt(self) -> float:
        """Press Ctrl-C; return the seconds until everything was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(STOP_SECONDS)
        return time.monotonic() - began

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


@contextmanager
def a_demo(folder: Path, *options: str) -> Iterator[Demo]:
    """Run a demo for the time of a `with`."""
    demo = Demo(folder, *options)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.kill()
        demo._reader.join(5)
        assert demo.process.stdout is not None
        demo.process.stdout.close()


@pytest.fixture
def playwright() -> Iterator[Playwright]:
    """Give the library that steers browsers; while it is there, its event loop runs, and no other test may."""
    with sync_playwright() as library:
        yield library


@pytest.fixture
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Give a real Chromium."""
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium: `make test` installs it")
    if pages_folder() is None:
        pytest.skip("the page is not built: `make web` builds it")
    found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
    yield found
    found.close()
