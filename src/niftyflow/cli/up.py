"""`niftyflow up`: take in a live feed, make candles, decide on them, until stopped."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from niftyflow.cli.context import on_signals, run, settings_of, state_of
from niftyflow.kit.clock import WallClock
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.workspace import Workspace


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
    only: Annotated[Part | None, typer.Option(help="Run one part of the graph; the others are elsewhere.")] = None,
) -> None:
    """Take in a live feed, make candles, decide and trade on paper, until stopped by Ctrl-C."""
    workspace = state_of(context).workspace
    overrides = {
        "feed.broker": broker.value if broker else None,
        "feed.url": url,
        "feed.symbols": symbols,
        "feed.instruments_file": instruments,
    }
    run(_up(workspace, settings_of(workspace, overrides), only))


async def _up(workspace: Workspace, settings: AppSettings, only: Part | None) -> None:
    from niftyflow.runtime.feeds import instruments_of, live_feed  # noqa: PLC0415 - heavy
    from niftyflow.runtime.wiring import Does, Process, engines  # noqa: PLC0415 - heavy

    takes_in = only in {None, Part.TAPE, Part.INGESTION}
    feed, clock = live_feed(settings) if takes_in else (None, WallClock())
    does = {
        None: Does.ALL, Part.TAPE: Does.PROCESSING, Part.INGESTION: Does.NOTHING, Part.PROCESSING: Does.PROCESSING,
        Part.DECISIONS: Does.DECISIONS,
    }[only]  # fmt: skip
    async with engines(workspace, settings) as on:
        process = Process(workspace, settings, on)
        on_signals(process.stop)
        if feed is None:
            await process.run(None, [], clock, does=does)
            return
        offered = await process.until_stopped(instruments_of(settings, clock, on.health.worker("ingestion")))
        if offered is None:
            return
        typer.echo(f"taking in {len(offered)} instruments from {settings.feed.broker} into {workspace.path}")
        await process.run(feed, offered, clock, does=does)
