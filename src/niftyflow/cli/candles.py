"""`niftyflow candles`: stored candles as a table, JSON or CSV, and the minutes that are missing.

It opens the store for reading only, so it can look while `niftyflow up` writes. It builds intervals, never stores them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.kit.clock import IST, to_ist
from niftyflow.model import InstrumentKey, Interval, milliseconds, parse_instrument

if TYPE_CHECKING:
    from niftyflow.runtime.workspace import Workspace
    from niftyflow.storage.ports import MarketStore

MINUTE_MS = 60_000
EVER = 2**60
NEWEST = 50
NOTHING_FOUND = 3
MAKERS = "`niftyflow up` makes them from a feed, `niftyflow import FILE` takes them from a file"


class View(NamedTuple):
    """What is asked for: the newest `last` candles with `since` <= time < `until` (ms UTC); and how to show them."""

    key: InstrumentKey
    interval: Interval
    since: int
    until: int
    last: int | None
    form: str
    is_utc: bool


def candles(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="Instrument, such as RELIANCE or NSE:RELIANCE.", metavar="SYMBOL")],
    *,
    interval: Annotated[
        Interval | None, typer.Option(help="Interval; all but 1m and 1d are built from 1m [1m].")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="First day or time, such as 2024-01-25 or '2024-01-25 09:30'.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Last day, whole; or the time before which a candle begins.")
    ] = None,
    last: Annotated[int | None, typer.Option(help=f"The newest N only [{NEWEST} without --from].", min=1)] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON array of candle records, as on the topic.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV with a header; `niftyflow import` reads it.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Show and read times in UTC instead of Indian time.")] = False,
    gaps: Annotated[
        bool, typer.Option("--gaps", help="List 1m candles that are missing or incomplete, by day [the last day].")
    ] = False,
) -> None:
    """Show stored candles of an instrument.

    Ends with exit code 3 when there are none. Times are starts of candles, Indian unless --utc.
    """
    if json and csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if gaps and (last is not None or interval not in (None, Interval.M1)):
        raise typer.BadParameter("--gaps is about 1m candles of whole days: leave --interval and --last away")
    view = View(
        parse_instrument(symbol),
        interval or Interval.M1,
        0 if since is None else _moment("--from", since, is_utc=utc),
        EVER if until is None else _moment("--to", until, is_utc=utc, ends=True),
        last if last is not None or since is not None or gaps else NEWEST,
        "json" if json else "csv" if csv else "table",
        utc,
    )
    workspace = state_of(context).workspace
    settings_of(workspace, {}, quiet=True)
    run(_candles(workspace, view, is_gaps=gaps, is_from_given=since is not None))


def _moment(option: str, text: str, *, is_utc: bool, ends: bool = False) -> int:
    """Return ms UTC; of a bare date its start, or with `ends` the end of that day."""
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text!r}: write 2024-01-25 or '2024-01-25 09:30'") from error
    is_day = len(text.strip()) <= len("2024-01-25")
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC if is_utc else IST)
    return milliseconds(time + timedelta(days=1) if is_day and ends else time)


async def _candles(workspace: Workspace, view: View, *, is_gaps: bool, is_from_given: bool) -> None:
    from niftyflow.runtime.stores import has_market, market_of  # noqa: PLC0415 - heavy

    if not has_market(workspace):
        raise _nothing(f"there are no candles in {workspace.path} yet; {MAKERS}")
    async with market_of(workspace, read_only=True) as store:
        if is_gaps:
            await _show_gaps(store, view, is_from_given=is_from_given)
        else:
            await _show_candles(store, view)


async def _show_candles(store: MarketStore, view: View) -> None:
    from niftyflow.cli.candle_output import show_candles  # noqa: PLC0415 - heavy
    from niftyflow.storage.candle_reading import read_candles  # noqa: PLC0415 - heavy

    found = await read_candles(store, view.key, view.interval, view.since, view.until, view.last)
    if not len(found):
        raise await _nothing_stored(store, view)
    show_candles(found, view.key, form=view.form, is_utc=view.is_utc)
    is_cut = view.last is not None and len(found) == view.last
    if is_cut and view.form == "table" and view.since == 0:
        typer.echo(f"the newest {len(found)}; --last N or --from DATE shows more", err=True)


async def _show_gaps(store: MarketStore, view: View, *, is_from_given: bool) -> None:
    from niftyflow.cli.candle_output import show_gaps  # noqa: PLC0415 - heavy
    from niftyflow.kit.clock import WallClock  # noqa: PLC0415 - here only
    from niftyflow.storage.candle_reading import missing_minutes  # noqa: PLC0415 - heavy

    newest = await store.candles(view.key, Interval.M1, view.since, view.until, 1)
    is_span_given = is_from_given and view.until < EVER
    if not len(newest) and not (is_span_given and len(await store.candles(view.key, Interval.M1, 0, EVER, 1))):
        raise await _nothing_stored(store, view)
    last = int(newest.time[0]) if len(newest) else view.until - 1
    until = view.until if view.until < EVER else last + 1
    since = view.since if is_from_given else last
    now = max(WallClock().now(), last + MINUTE_MS)
    show_gaps(await missing_minutes(store, view.key, since, until, now), view.key, form=view.form, is_utc=view.is_utc)


async def _nothing_stored(store: MarketStore, view: View) -> typer.Exit:
    stored = Interval.D1 if view.interval is Interval.D1 else Interval.M1
    newest = await store.candles(view.key, stored, 0, EVER, 1)
    if len(newest):
        return _nothing(
            f"no {view.interval.value} candles of {view.key} in that span; its newest is of "
            f"{to_ist(int(newest.time[0])):%Y-%m-%d %H:%M} IST"
        )
    others = sorted(await store.count_candles(stored, 0, EVER))
    more = f" and {len(others) - 3:,} more" if len(others) > 3 else ""  # noqa: PLR2004
    few = f"; stored are those of {', '.join(others[:3])}{more}" if others else ""
    return _nothing(f"no {view.interval.value} candles of {view.key} are stored{few}; {MAKERS}")


def _nothing(message: str) -> typer.Exit:
    typer.echo(f"niftyflow: {message}", err=True)
    return typer.Exit(NOTHING_FOUND)
