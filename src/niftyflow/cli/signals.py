"""`niftyflow signals`: what the rules concluded, and why.

It opens the store for reading only, so it can look while `niftyflow up` writes.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, clock, nothing, rupees, show
from niftyflow.kit.clock import to_ist
from niftyflow.model import Reason, Signal, milliseconds, parse_instrument
from niftyflow.runtime.stores import has_market

if TYPE_CHECKING:
    from niftyflow.runtime.decisions import SignalsWanted
from niftyflow.runtime.workspace import Workspace

NEWEST = 50
MAKERS = "`niftyflow up` and `niftyflow replay` make them"
LAYOUT = Layout(
    (
        Column("time IST"), Column("signal"), Column("rule"), Column("instrument"), Column("action"),
        Column("strength", is_number=True), Column("price", is_number=True), Column("stop", is_number=True),
        Column("target", is_number=True), Column("until"), Column("conditions"),
    ),
    175,
    ((0, 1), (2, 3), (4, 9), (5, 6), (7, 8)),
)  # fmt: skip


def signals(
    context: typer.Context,
    *,
    last: Annotated[int | None, typer.Option(help=f"The newest N only [{NEWEST} without --day].", min=1)] = None,
    instrument: Annotated[
        str | None, typer.Option(help="Signals about this instrument, such as RELIANCE or NSE:RELIANCE.")
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="Signals of this rule.")] = None,
    day: Annotated[str | None, typer.Option(help="Signals of this day, such as 2024-01-25.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of signals, as on the topic.")] = False,
) -> None:
    """Show signals: the rule, what it says, how strongly, until when it holds, and the conditions that held."""
    from niftyflow.runtime.decisions import SignalsWanted  # noqa: PLC0415 - heavy

    since, until = (0, 1 << 60) if day is None else _span(day)
    wanted = SignalsWanted(
        last=last if last is not None or day is not None else NEWEST,
        since=since,
        until=until,
        instrument=None if instrument is None else parse_instrument(instrument),
        strategy=strategy,
    )
    workspace = state_of(context).workspace
    settings_of(workspace, {}, quiet=True)
    run(_signals(workspace, wanted, as_json=as_json))


def _span(text: str) -> tuple[int, int]:
    from niftyflow.market import day_start  # noqa: PLC0415 - heavy

    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise typer.BadParameter(f"--day {text!r}: write a day such as 2024-01-25") from error
    return day_start(day), day_start(day + timedelta(days=1))


async def _signals(workspace: Workspace, wanted: SignalsWanted, *, as_json: bool) -> None:
    from niftyflow.runtime.decisions import find_signals, reading_decisions  # noqa: PLC0415 - heavy

    if not has_market(workspace):
        raise nothing(f"there are no signals in {workspace.path} yet; {MAKERS}")
    async with reading_decisions(workspace) as (_, decisions):
        found = await find_signals(decisions, wanted)
    if not found:
        raise nothing(f"there are no such signals in {workspace.path}; {MAKERS}")
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    show("signals", LAYOUT, [_row(signal) for signal in found])


def _row(signal: Signal) -> Row:
    return Row(
        (
            clock(milliseconds(signal.timestamp)), signal.id, signal.strategy, signal.instrument, signal.action.value,
            f"{signal.strength:.2f}", rupees(signal.price), rupees(signal.stop), rupees(signal.target),
            f"{to_ist(milliseconds(signal.valid_until)):%H:%M}", "; ".join(map(spelled, signal.reason)),
        )
    )  # fmt: skip


def spelled(reason: Reason) -> str:
    """Return a condition with the value it held for."""
    return reason.rule if reason.value is None else f"{reason.rule} ({reason.value:,.2f})"
