"""`niftyflow replay FILE|DAY`: a session through the real wire, log and fold, in a workspace of its own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from niftyflow.cli.context import on_signals, run, settings_of, state_of
from niftyflow.kit.clock import VirtualClock, monotonic, to_ist
from niftyflow.model import Misconfigured
from niftyflow.runtime.workspace import Workspace

if TYPE_CHECKING:
    from niftyflow.brokers.simulator.tape import Source
    from niftyflow.runtime.settings import AppSettings
    from niftyflow.runtime.wiring import Engines


def replay(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|DAY",
            help="Ticks, 1m candles or a recording (CSV or Parquet), or a day (YYYY-MM-DD) recorded here.",
        ),
    ],
    *,
    speed: Annotated[str, typer.Option(help="Times real time (0.1 and up), or `max`.")] = "max",
    into: Annotated[
        Path | None, typer.Option(help="Workspace for the replay; it must be empty. [replays/NAME of the workspace]")
    ] = None,
    only_day: Annotated[str | None, typer.Option("--date", help="Of a file with several days, play this one.")] = None,
) -> None:
    """Play a session through the whole path and store its candles, in a workspace of its own."""
    workspace = state_of(context).workspace
    target = Workspace(into if into is not None else _own_folder(workspace, Path(source).name.split(".")[0]))
    if target.market_db.exists() or target.log.exists():
        raise Misconfigured(f"{target.path} is not empty: choose another workspace with --into, or remove it")
    settings = settings_of(target, {}, quiet=True)
    run(_replay(workspace, target, settings, source, speed, only_day))


async def _replay(
    workspace: Workspace, target: Workspace, settings: AppSettings, name: str, speed: str, only_day: str | None
) -> None:
    from niftyflow.brokers.simulator.files import open_source  # noqa: PLC0415 - heavy
    from niftyflow.brokers.simulator.pace import parse_speed  # noqa: PLC0415 - heavy
    from niftyflow.brokers.simulator.tape import OneDay  # noqa: PLC0415 - heavy
    from niftyflow.runtime.recordings import export_day  # noqa: PLC0415 - heavy

    day = _day_of(name)
    path = Path(name) if day is None else await export_day(workspace, day)
    tape = open_source(path)
    if only_day is not None:
        tape = OneDay(tape, _parse_day(only_day))
    await play(target, settings, tape, parse_speed(speed), title=f"replay of {name}")


async def play(
    target: Workspace, settings: AppSettings, tape: Source, speed: float, title: str, source: str = "replay"
) -> None:
    """Play a tape into a workspace, show it while it runs, and say what came of it."""
    from niftyflow.brokers.simulator.playback import Playback  # noqa: PLC0415 - heavy
    from niftyflow.brokers.simulator.replay import ReplayFeed  # noqa: PLC0415 - heavy
    from niftyflow.cli.screen import Rate, Screen  # noqa: PLC0415 - heavy
    from niftyflow.runtime.wiring import Process, engines  # noqa: PLC0415 - heavy

    clock = VirtualClock()
    playback = Playback(tape)
    async with engines(target, settings) as on:
        process = Process(target, settings, on)
        on_signals(process.stop)
        instruments = list(tape.instruments)
        feed = ReplayFeed(playback, clock, speed=speed, source=source)
        rate, began = Rate(), monotonic()
        screen = Screen(on.hot, instruments, clock, title)
        showing = asyncio.create_task(screen.run(lambda: f"{rate.of(playback.delivered)} ticks"))
        try:
            await process.run(feed, instruments, clock)
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing
        await _say(on, target, playback.delivered, monotonic() - began)


async def _say(on: Engines, target: Workspace, ticks: int, seconds: float) -> None:
    from niftyflow.model import Interval  # noqa: PLC0415

    counts = await on.market.count_candles(Interval.M1, 0, 1 << 60)
    letters = await on.bus.read_dead_letters("raw-ticks")
    gaps = await on.market.gaps(0, 1 << 60)
    typer.echo(
        f"{ticks:,} ticks in {seconds:.1f} s ({ticks / max(seconds, 1e-9):,.0f}/s), "
        f"{sum(counts.values()):,} candles of {len(counts)} instruments, {len(gaps)} gaps, "
        f"{len(letters)} dead letters, in {target.path}"
    )


def _day_of(text: str) -> date | None:
    if Path(text).exists():
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"{text} is neither a file nor a day such as 2026-11-20") from None


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"--date is {text!r}: write a day such as 2026-11-20") from None


def _own_folder(workspace: Workspace, name: str) -> Path:
    from niftyflow.kit.clock import WallClock  # noqa: PLC0415

    stamp = to_ist(WallClock().now()).strftime("%Y%m%d-%H%M%S")
    return workspace.path / "replays" / f"{name}-{stamp}"
