"""`niftyflow replay FILE|DAY`: a session through the real wire, log and fold, in a workspace of its own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from niftyflow.cli.context import on_signals, run, settings_of, showing, state_of
from niftyflow.kit.clock import VirtualClock, monotonic, to_ist
from niftyflow.model import Misconfigured
from niftyflow.runtime.settings import ALONE
from niftyflow.runtime.workspace import Workspace

if TYPE_CHECKING:
    from niftyflow.brokers.simulator.tape import Source
    from niftyflow.runtime.recorded import Recorded
    from niftyflow.runtime.resuming import Replay
    from niftyflow.runtime.settings import AppSettings
    from niftyflow.runtime.wiring import Engines


TICKS = "raw-ticks"


class Past(NamedTuple):
    """Where the candles before a day are taken from."""

    workspace: Workspace
    day: date


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
        Path | None,
        typer.Option(help="Workspace of its own: empty, or that of a replay cut off. [replays/NAME of the workspace]"),
    ] = None,
    only_day: Annotated[str | None, typer.Option("--date", help="Of a file with several days, play this one.")] = None,
    as_recorded: Annotated[
        bool, typer.Option("--as-recorded", help="With the answers and commands recorded on that DAY, not new ones.")
    ] = False,
) -> None:
    """Play a session through the whole path: candles, signals, orders, fills, charges and profit, stored and told.

    It has a workspace of its own. Cut off, it goes on when it is given again with the same workspace in --into.
    """
    workspace = state_of(context).workspace
    target = Workspace(into if into is not None else _own_folder(workspace, Path(source).name.split(".")[0]))
    settings = settings_of(workspace, dict(ALONE), quiet=True)
    run(_replay(workspace, target, settings, source, speed, only_day, as_recorded=as_recorded))


async def _replay(
    workspace: Workspace, target: Workspace, settings: AppSettings, name: str, speed: str, only_day: str | None, *,
    as_recorded: bool,
) -> None:  # fmt: skip
    from niftyflow.brokers.simulator.files import open_source  # noqa: PLC0415 - heavy
    from niftyflow.brokers.simulator.pace import parse_speed  # noqa: PLC0415 - heavy
    from niftyflow.brokers.simulator.tape import OneDay  # noqa: PLC0415 - heavy
    from niftyflow.runtime.recordings import export_day  # noqa: PLC0415 - heavy
    from niftyflow.runtime.resuming import begin  # noqa: PLC0415 - heavy

    replayed = begin(target, f"{name} {only_day or ''}".strip())
    day = _day_of(name)
    path = Path(name) if day is None else await export_day(workspace, day)
    tape = open_source(path)
    if only_day is not None:
        tape = OneDay(tape, _parse_day(only_day))
    recorded = None
    if as_recorded:
        from niftyflow.runtime.recorded import recorded_day  # noqa: PLC0415 - heavy

        if day is None:
            raise Misconfigured("--as-recorded needs a DAY that this workspace has recorded, not a file")
        recorded = await recorded_day(workspace, day, settings.trading.account)
    past = None if day is None else Past(workspace, day)
    await play(
        target, settings, tape, parse_speed(speed), title=f"replay of {name}", replayed=replayed, recorded=recorded,
        past=past,
    )  # fmt: skip


async def play(
    target: Workspace, settings: AppSettings, tape: Source, speed: float, title: str,
    replayed: Replay | None = None, recorded: Recorded | None = None, past: Past | None = None,
) -> None:  # fmt: skip
    """Play a tape into a workspace, show it while it runs, and say what came of it."""
    from niftyflow.brokers.simulator.playback import Playback  # noqa: PLC0415 - heavy
    from niftyflow.brokers.simulator.replay import ReplayFeed  # noqa: PLC0415 - heavy
    from niftyflow.cli.screen import Rate  # noqa: PLC0415 - heavy
    from niftyflow.runtime.recorded import copy_past  # noqa: PLC0415 - heavy
    from niftyflow.runtime.resuming import Progress, ResumedJournal, ResumedLetters, note  # noqa: PLC0415 - heavy
    from niftyflow.runtime.wiring import Process, engines  # noqa: PLC0415 - heavy

    if replayed is not None:
        note(target, replayed)
    clock = VirtualClock()
    playback = Playback(tape)
    async with engines(target, settings) as on:
        resumed = None
        if replayed is not None and replayed.progress is Progress.CUT_OFF:
            resumed = await ResumedJournal.of(on.bus, TICKS)
            on.letters = ResumedLetters(
                on.bus, target.path, [letter for _, letter in await on.bus.read_dead_letters(TICKS)]
            )
        if past is not None:
            await copy_past(past.workspace, past.day, on.market)
        process = Process(target, settings, on, resumed=resumed, recorded=recorded)
        on_signals(process.stop)
        instruments = list(tape.instruments)
        feed = ReplayFeed(playback, clock, speed=speed)
        rate, began = Rate(), monotonic()

        def counts() -> str:
            return f"{rate.of(playback.delivered)} ticks; {process.money()}"

        async with showing(on.hot, instruments, clock, title, counts, is_wanted=True):
            await process.run(feed, instruments, clock)
        is_done = playback.is_finished and not process.is_stopped
        if replayed is not None and is_done:
            note(target, replayed.at(Progress.DONE))
        await _say(on, target, settings, playback.delivered, monotonic() - began)
        if replayed is not None and not is_done:
            typer.echo(f"cut off; go on with the same command and --into {target.path}")


async def _say(on: Engines, target: Workspace, settings: AppSettings, ticks: int, seconds: float) -> None:
    from niftyflow.cli.day_report import show  # noqa: PLC0415 - heavy
    from niftyflow.model import Interval  # noqa: PLC0415
    from niftyflow.runtime.day_report import report  # noqa: PLC0415 - heavy

    show(await report(on.book, on.decisions, settings.trading.account))

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
