"""`niftyflow demo` as the benchmarks run it: a process of its own on a free port, in a workspace that may be kept."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

LOOK_SECONDS = 0.01
PATIENCE_SECONDS = 180


class Demo:
    """A demo, from the moment it is started."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "niftyflow.cli.app", "--workspace", str(folder), "demo", "--port", port, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | environment,
        )  # fmt: skip

    def seconds_to_page(self) -> float:
        """Return the seconds from the start to the first byte of an answer, pages built or not."""
        while time.perf_counter() - self.began < PATIENCE_SECONDS:
            try:
                urllib.request.urlopen(f"{self.address}/", timeout=5).read(1)
            except urllib.error.HTTPError:
                pass  # no page was built here: the answer that says so is as late
            except OSError:
                time.sleep(LOOK_SECONDS)
                continue
            return time.perf_counter() - self.began
        raise TimeoutError("no page")

    def seconds_to_link(self) -> float:
        """Return the seconds from the start to the one-time link, from which on everything answers."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if re.search(r"http://\S+/#ticket=\S+", line):
                return time.perf_counter() - self.began
        raise ChildProcessError("the demo has ended")

    def ask(self, path: str) -> Any:
        """Return the data that a route answers with the owner's key."""
        key = (self.folder / "demo" / "api-key").read_text().strip()
        request = urllib.request.Request(f"{self.address}{path}", headers={"X-API-KEY": key})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def memory(self) -> dict[str, int]:
        """Return MB of memory: the peak, and now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        sizes = dict(line.split(":", 1) for line in status.splitlines())
        return {name: int(sizes[field].split()[0]) // 1024 for name, field in (("peak", "VmHWM"), ("now", "VmRSS"))}

    def seconds_to_end(self) -> float:
        """Press Ctrl-C; return the seconds until the process is gone, which must be clean."""
        began = time.perf_counter()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        assert code == 0, code
        return time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
