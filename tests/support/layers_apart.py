"""One layer in a process of its own over a log of files, as no command runs it: for tests of that log."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import uvloop

from niftyflow.cli.context import on_signals
from niftyflow.runtime.running import run_process
from niftyflow.runtime.settings import load
from niftyflow.runtime.wiring import Does
from niftyflow.runtime.workspace import Workspace

TESTS = Path(__file__).parents[1]


def start_layer(workspace: Workspace, layer: str, log: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the process; what it says goes to a file."""
    surroundings = {**os.environ, **environment, "PYTHONPATH": str(TESTS), "NIFTYFLOW_INTERNAL__PORT": "0"}
    command = [sys.executable, "-m", "support.layers_apart", str(workspace.path), layer]
    with log.open("a") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, text=True, env=surroundings)


async def _main(folder: str, layer: str) -> None:
    workspace, stopping = Workspace(folder), asyncio.Event()
    on_signals(stopping.set)
    takes_in = layer == "ingestion"
    does = Does.NOTHING if takes_in else Does[layer.upper()]
    await run_process(
        workspace, load(workspace.settings_file), does, stopping, print, takes_in=takes_in, door=None
    )  # fmt: skip


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
