"""`niftyflow sim`: the simulated exchange in a process of its own. Prints its address, its accounts, then only logs.

It plays; it never reads the platform's settings, stores or topics.
"""

from __future__ import annotations

import asyncio
import signal
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from niftyflow.kit.log import configure
from niftyflow.model import Exchange, Misconfigured

if TYPE_CHECKING:
    from niftyflow.brokers.simulator.rest import FrontOptions
    from niftyflow.brokers.simulator.tape import Source

DEFAULT_DATE = datetime(2026, 1, 5)  # noqa: DTZ001  a day, not a moment
DEFAULT_PORT = 8765
_SYNTHETIC_SPEED, _HELP_SPEED = "1", "Times real time (0.1 and up), or `max`: as fast as clients read."


class TimeLabel(StrEnum):
    """Which end of its minute a candle is labelled by."""

    START = "start"
    END = "end"


def sim(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Ticks, 1m candles (CSV or Parquet), a recording, or a folder of tick files.", metavar="FILE"
        ),
    ] = None,
    *,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Play a generated session (the default).")] = False,
    seed: Annotated[int, typer.Option(help="Which generated session: the same seed gives the same one.")] = 1,
    date: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="The generated session's trading day (2026-01-05); of a file, play that day only.",
        ),
    ] = None,
    symbols: Annotated[int, typer.Option(help="Shares in the generated session; the index comes on top.")] = 50,
    speed: Annotated[str, typer.Option(help=_HELP_SPEED)] = _SYNTHETIC_SPEED,
    host: Annotated[
        str, typer.Option(help="Address to listen on. There are no passwords: keep it to loopback.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)] = DEFAULT_PORT,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Start when the first client has subscribed (default at max speed)."),
    ] = None,
    ts_label: Annotated[
        TimeLabel | None, typer.Option(help="Whether candle times are starts or ends (else a column ts_end says so).")
    ] = None,
    start_at: Annotated[
        str | None, typer.Option(help="Begin at this Indian time, HH:MM[:SS].", metavar="HH:MM")
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            help="An account: user=AB1234,key=..,secret=..,cash=..,redirect=URL,postback=URL,holding=NSE:INFY*10@1500.",
            metavar="FIELD=VALUE,...",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="A fault, such as slow-answers:seconds=30,size=2; GET /sim/faults lists all.", metavar="NAME"
        ),
    ] = None,
    rate_limits: Annotated[bool, typer.Option("--rate-limits/--no-rate-limits", help="Keep Kite's limits.")] = True,
    socket_login: Annotated[
        bool, typer.Option("--socket-login/--no-socket-login", help="Refuse WebSockets without a living access token.")
    ] = False,
    arrivals: Annotated[
        Path | None, typer.Option(help="Write every REST call to this file, a line of JSON each.", metavar="FILE")
    ] = None,
    latency_ms: Annotated[
        int, typer.Option(help="Session time from an order's arrival until it meets the book.", min=0, max=60_000)
    ] = 50,
) -> None:
    """Play a market session as Kite would: WebSocket, REST and orders.

    The first line printed is the address, such as ws://127.0.0.1:8765; a line for each account follows. Kite's REST has
    the same address with http. Steer it there too: GET /sim/status, /sim/accounts, /sim/arrivals, /sim/faults; POST
    /sim/pause, /sim/resume, /sim/seek, /sim/speed, /sim/faults, /sim/shutdown; GET /instruments lists tokens.
    """
    if synthetic and source is not None:
        raise Misconfigured("give either a file or --synthetic, not both")
    if not structlog.is_configured():
        configure(json=False)
    from niftyflow.brokers.simulator.pace import parse_speed  # noqa: PLC0415  heavy

    pace = parse_speed(speed)
    tape = _open(source, date, seed, symbols, ts_label)
    front = _front(
        account or [], fault or [], seed=seed, has_rate_limits=rate_limits, socket_needs_login=socket_login,
        arrivals_file=arrivals, latency_ms=latency_ms,
    )  # fmt: skip
    asyncio.run(_serve(tape, speed=pace, waits=wait, host=host, port=port, start_at=start_at, front=front))


def _front(accounts: list[str], faults: list[str], *, seed: int, latency_ms: int, **options: Any) -> FrontOptions:
    from niftyflow.brokers.matching import MatchingSettings  # noqa: PLC0415  heavy
    from niftyflow.brokers.simulator.accounts import parse_account  # noqa: PLC0415  heavy
    from niftyflow.brokers.simulator.faults import parse_fault  # noqa: PLC0415  heavy
    from niftyflow.brokers.simulator.rest import FrontOptions  # noqa: PLC0415  heavy

    return FrontOptions(
        accounts=[parse_account(text, seed, number) for number, text in enumerate(accounts, 1)],
        faults=[parse_fault(text) for text in faults],
        matching=MatchingSettings(latency_ms=latency_ms),
        seed=seed,
        **options,
    )


def _open(path: Path | None, date: datetime | None, seed: int, symbols: int, ts_label: TimeLabel | None) -> Source:
    if path is None:
        from niftyflow.brokers.simulator.synthetic import SyntheticSession  # noqa: PLC0415  heavy

        return SyntheticSession(trading_parts(date or DEFAULT_DATE), seed=seed, symbols=symbols)
    from niftyflow.brokers.simulator.files import open_source  # noqa: PLC0415  heavy
    from niftyflow.brokers.simulator.tape import OneDay  # noqa: PLC0415  heavy

    tape = open_source(path, None if ts_label is None else ts_label.value)
    return tape if date is None else OneDay(tape, date.date())


def trading_parts(date: datetime) -> list[tuple[int, int]]:
    """Return when NSE's shares with derivatives trade on a day: parts of (from, until), ms UTC.

    Raises:
        Misconfigured: it is no trading day.
        CalendarUnknown: the calendar does not reach it.
    """
    from niftyflow.market import Segment, SessionClass, session  # noqa: PLC0415  heavy

    found = session(SessionClass(Exchange.NSE, Segment.CASH_WITH_DERIVATIVES), date.date())
    if found is None:
        raise Misconfigured(f"{date:%Y-%m-%d} is no trading day of NSE; choose another --date")
    return [(part.start, part.end) for part in found.continuous]


async def _serve(
    tape: Source, *, speed: float, waits: bool | None, host: str, port: int, start_at: str | None, front: FrontOptions
) -> None:
    from niftyflow.brokers.simulator.desk import moment_in  # noqa: PLC0415  heavy
    from niftyflow.brokers.simulator.playback import Playback  # noqa: PLC0415  heavy
    from niftyflow.brokers.simulator.server import SimulatorServer  # noqa: PLC0415  heavy

    playback = Playback(tape, is_made_ahead=True)
    if start_at is not None:
        playback.seek(moment_in(start_at, playback.session))
    server = SimulatorServer(playback, speed=speed, waits=waits, host=host, port=port, front=front)
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(stop, server.request_stop)
    await server.start()
    typer.echo(server.url)
    for each in server.front.accounts:
        typer.echo(f"account {each.user_id}: api_key {each.api_key}, api_secret {each.api_secret}")
    await server.run()


if __name__ == "__main__":
    typer.run(sim)
