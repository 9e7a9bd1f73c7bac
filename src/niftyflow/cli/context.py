"""What commands share: the workspace chosen, and running a process until it is told to end."""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from niftyflow.kit.log import configure
from niftyflow.runtime.settings import AppSettings, load
from niftyflow.runtime.workspace import Workspace

if TYPE_CHECKING:
    from niftyflow.kit.clock import Clock
    from niftyflow.model import Instrument
    from niftyflow.storage.ports import HotStore

M_ARENA_MAX = -8
"""Of mallopt(3)."""


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

    _share_arenas()
    uvloop.run(main)


def _share_arenas() -> None:
    """Have threads allocate from two arenas of glibc's, not from one each: what is free in one is of use to all."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at the first SIGINT or SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signal_)
        stop()

    for signal_ in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_, first)


async def imported(modules: Iterable[str]) -> None:
    """Import what is heavy beside the loop, so that pages are served meanwhile."""
    for module in modules:
        await asyncio.to_thread(importlib.import_module, module)


@asynccontextmanager
async def showing(
    hot: HotStore, instruments: Sequence[Instrument], clock: Clock, title: str, counts: Callable[[], str], *,
    is_wanted: bool,
) -> AsyncIterator[None]:  # fmt: skip
    """Show latest prices in the terminal for the time of a `with`, when that is wanted."""
    if not is_wanted:
        yield
        return
    from niftyflow.cli.screen import Screen  # noqa: PLC0415 - heavy

    shown = asyncio.create_task(Screen(hot, instruments, clock, title).run(counts))
    try:
        yield
    finally:
        shown.cancel()
        with suppress(asyncio.CancelledError):
            await shown
