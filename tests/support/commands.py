"""The real commands in processes of their own: started, killed, waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NIFTYFLOW = (sys.executable, "-m", "niftyflow.cli.app")


def start(*arguments: str, log: Path, **environment: str) -> subprocess.Popen[str]:
    """Start `niftyflow ARGUMENTS`; what it says on standard error goes to a file. A gateway takes any free port."""
    surroundings = {"NIFTYFLOW_GATEWAY__PORT": "0", **os.environ, **environment}
    with log.open("a") as errors:
        return subprocess.Popen(
            [*NIFTYFLOW, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, env=surroundings
        )


@contextmanager
def simulator(*arguments: str, log: Path) -> Iterator[str]:
    """Run `niftyflow sim ARGUMENTS` on a free port; yield its address."""
    process = start("sim", *arguments, "--port", "0", log=log)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("ws://"), log.read_text()
        yield url
    finally:
        end(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with -9, as a power cut or the kernel would."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def end(process: subprocess.Popen[str], seconds: float = 60) -> int:
    """Ask a process to end and return its exit code; a process that does not is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode
