"""What commands share: the workspace chosen, and running a process until it is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import typer

from niftyflow.kit.log import configure
from niftyflow.runtime.settings import AppSettings, load
from niftyflow.runtime.workspace import Workspace


class State(NamedTuple):
    """The workspace, and whether it was named by the user."""

    workspace: Workspace
    is_named: bool


def state_of(context: typer.Context) -> State:
    """Return the state that the main options left, or the default (a command run on its own)."""
    found = context.find_object(State)
    return found if found is not None else State(Workspace.default(), is_named=False)


def settings_of(workspace: Workspace, overrides: dict[str, Any], *, quiet: bool = False) -> AppSettings:
    """Load the settings and set up logging as they say; `quiet` shows errors only."""
    settings = load(workspace.settings_file, overrides)
    configure(json=settings.log.json_lines, level="error" if quiet else settings.log.level)
    return settings


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the fastest loop there is."""
    import uvloop  # noqa: PLC0415 - only where something runs

    uvloop.run(main)


def on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at the first SIGINT or SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signal_)
        stop()

    for signal_ in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_, first)
