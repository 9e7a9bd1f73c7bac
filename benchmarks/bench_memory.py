"""Memory of `niftyflow up` while it takes in fifty instruments and an index, sixty times real time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Budget, Measurement
from benchmarks.paths import simulator

BUDGET = Budget("memory of the process, decisions included, 50 instruments", "MB", 400, higher_is_better=False)
SECONDS = 30


def run() -> list[Measurement]:
    """Measure the greatest resident size in half a minute."""
    with tempfile.TemporaryDirectory() as folder, simulator("--synthetic", "--speed", "60", "--wait") as url:
        command = [sys.executable, "-m", "niftyflow.cli.app", "--workspace", folder, "up", "--url", url]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(SECONDS)
            assert process.poll() is None, "niftyflow up has ended"
            status = Path(f"/proc/{process.pid}/status").read_text()
            process.terminate()
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    return [
        Measurement(
            "niftyflow: peak resident", int(sizes["VmHWM"].split()[0]) / 1024, "MB",
            details={"resident at the end": int(sizes["VmRSS"].split()[0]) // 1024},
        )
    ]  # fmt: skip
