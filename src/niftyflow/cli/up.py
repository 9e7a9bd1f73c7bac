"""`niftyflow up`: take in a live feed, make candles, decide on them, serve them, until stopped."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from niftyflow.cli.context import imported, on_signals, run, settings_of, state_of
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.workspace import Workspace

HEAVY = ("niftyflow.runtime.running", "polars")


class Broker(StrEnum):
    """Feeds that `up` knows."""

    SIMULATOR = "simulator"
    KITE = "kite"


def up(
    context: typer.Context,
    *,
    broker: Annotated[Broker | None, typer.Option(help="Where ticks come from [simulator].")] = None,
    url: Annotated[str | None, typer.Option(help="Address of the simulator [ws://127.0.0.1:8765].")] = None,
    symbols: Annotated[
        str | None, typer.Option(help="Instruments, EXCHANGE:SYMBOL,…; all that is offered when left out.")
    ] = None,
    instruments: Annotated[
        Path | None, typer.Option(help="Kite instruments CSV, instead of asking the broker.")
    ] = None,
    gateway: Annotated[
        bool, typer.Option("--gateway/--no-gateway", help="Serve pages, REST and sockets, or not.")
    ] = True,
    host: Annotated[str | None, typer.Option(help="Address the gateway listens on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port the gateway listens on [8000]; 0: a free one.", min=0, max=65_535)
    ] = None,
) -> None:
    """Take in a live feed, make candles, decide and trade on paper, serve it all, until stopped by Ctrl-C."""
    workspace = state_of(context).workspace
    overrides = {
        "feed.broker": broker.value if broker else None,
        "feed.url": url,
        "feed.symbols": symbols,
        "feed.instruments_file": instruments,
        "gateway.host": host,
    }
    run(_up(workspace, settings_of(workspace, overrides), port, has_gateway=gateway))


async def _up(workspace: Workspace, settings: AppSettings, port: int | None, *, has_gateway: bool) -> None:
    stopping = asyncio.Event()
    on_signals(stopping.set)
    async with AsyncExitStack() as stack:
        door = None
        if has_gateway:
            from niftyflow.runtime.serving import front_door  # noqa: PLC0415 - heavy

            door = await stack.enter_async_context(front_door(settings, port))
        await imported(HEAVY)
        from niftyflow.runtime.feeds import live_feed  # noqa: PLC0415 - heavy
        from niftyflow.runtime.running import run_graph, tell_served  # noqa: PLC0415 - heavy
        from niftyflow.runtime.serving import open_gateway  # noqa: PLC0415 - heavy
        from niftyflow.runtime.wiring import Does, Process, engines  # noqa: PLC0415 - heavy

        on = await stack.enter_async_context(engines(workspace, settings))
        process = Process(workspace, settings, on, stopping=stopping)
        feed, clock = live_feed(settings)
        if door is not None:
            opened = await stack.enter_async_context(open_gateway(door, workspace, settings, on, process, clock))
            tell_served(door, opened, workspace, typer.echo)
        await run_graph(process, settings, feed, clock, Does.ALL, typer.echo)
