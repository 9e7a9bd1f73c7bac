"""`niftyflow up`: take in a live feed, make candles, decide on them, serve them, until stopped."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from niftyflow.cli.context import imported, on_signals, run, settings_of, state_of
from niftyflow.kit.clock import WallClock
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.workspace import Workspace

if TYPE_CHECKING:
    from niftyflow.runtime.serving import Door
    from niftyflow.runtime.wiring import Engines, Process

HEAVY = ("niftyflow.runtime.feeds", "niftyflow.runtime.wiring", "polars")


class Broker(StrEnum):
    """Feeds that `up` knows."""

    SIMULATOR = "simulator"
    KITE = "kite"


class Part(StrEnum):
    """A part of the graph that may run in a process of its own; the tape is ingestion and processing."""

    TAPE = "tape"
    INGESTION = "ingestion"
    PROCESSING = "processing"
    DECISIONS = "decisions"


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
    only: Annotated[
        Part | None, typer.Option(help="Run one part of the graph, without the gateway; the others are elsewhere.")
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
    run(_up(workspace, settings_of(workspace, overrides), only, port, has_gateway=gateway))


async def _up(
    workspace: Workspace, settings: AppSettings, only: Part | None, port: int | None, *, has_gateway: bool
) -> None:
    stopping = asyncio.Event()
    on_signals(stopping.set)
    async with AsyncExitStack() as stack:
        door = None
        if has_gateway and only is None:
            from niftyflow.runtime.serving import front_door  # noqa: PLC0415 - heavy

            door = await stack.enter_async_context(front_door(settings, port))
        await imported(HEAVY)
        from niftyflow.runtime.wiring import Process, engines  # noqa: PLC0415 - heavy

        on = await stack.enter_async_context(engines(workspace, settings))
        process = Process(workspace, settings, on, stopping=stopping)
        await _run(workspace, settings, on, process, only, door, stack)


async def _run(
    workspace: Workspace, settings: AppSettings, on: Engines, process: Process, only: Part | None, door: Door | None,
    stack: AsyncExitStack,
) -> None:  # fmt: skip
    from niftyflow.runtime.feeds import feed_of, instruments_of, live_feed  # noqa: PLC0415 - heavy
    from niftyflow.runtime.wiring import Does  # noqa: PLC0415 - heavy

    takes_in = only in {None, Part.TAPE, Part.INGESTION}
    feed, clock = live_feed(settings) if takes_in else (None, WallClock())
    does = {
        None: Does.ALL, Part.TAPE: Does.PROCESSING, Part.INGESTION: Does.NOTHING, Part.PROCESSING: Does.PROCESSING,
        Part.DECISIONS: Does.DECISIONS,
    }[only]  # fmt: skip
    if door is not None:
        from niftyflow.runtime.serving import open_gateway  # noqa: PLC0415 - heavy

        opened = await stack.enter_async_context(open_gateway(door, workspace, settings, on, process, clock))
        typer.echo(f"serving {door.address}    (`niftyflow link` signs a browser in)")
        if opened.first_key is not None:
            typer.echo(f"the owner's API key, told this once and kept in {workspace.key_file}: {opened.first_key}")
    if feed is None:
        await process.run(None, [], clock, does=does, supervised=True)
        return
    offered = await process.until_stopped(instruments_of(settings, clock, on.health.worker("ingestion")))
    if offered is None:
        return
    typer.echo(f"taking in {len(offered)} instruments from {settings.feed.broker} into {workspace.path}")
    await process.run(
        feed, offered, clock, does=does, supervised=True, new_feed=lambda: feed_of(settings, clock)
    )  # fmt: skip
