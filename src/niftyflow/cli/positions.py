"""`niftyflow positions`: what is held, what it has made, and what it cost.

It opens the stores for reading only. An open position is valued at the last stored candle's close.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, nothing, rupees, show
from niftyflow.runtime.stores import has_book, has_market

if TYPE_CHECKING:
    from niftyflow.model.account_views import PositionView, Totals
from niftyflow.runtime.workspace import Workspace

MAKERS = "`niftyflow up` and `niftyflow replay` make them"
LAYOUT = Layout(
    (
        Column("strategy"), Column("instrument"), Column("product"), Column("quantity", is_number=True),
        Column("average", is_number=True), Column("last", is_number=True), Column("realised", is_number=True),
        Column("FIFO", is_number=True), Column("unrealised", is_number=True), Column("charges", is_number=True),
        Column("net", is_number=True),
    ),
    140,
    ((0, 1), (3, 2), (4, 5), (6, 7), (8, 9), (10,)),
)  # fmt: skip


def positions(
    context: typer.Context,
    *,
    account: Annotated[str | None, typer.Option(help="Positions of this account; all when left out.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Flat positions one by one as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: positions and totals.")] = False,
) -> None:
    """Show positions in rupees: average price, realised profit by average and by FIFO, charges, unrealised.

    Flat ones are one row unless --all. Unrealised is at the close of the last stored candle; net is after charges.
    """
    workspace = state_of(context).workspace
    settings_of(workspace, {}, quiet=True)
    run(_positions(workspace, account, every=every, as_json=as_json))


async def _positions(workspace: Workspace, account: str | None, *, every: bool, as_json: bool) -> None:
    from niftyflow.model.account_views import totals_of  # noqa: PLC0415 - heavy
    from niftyflow.runtime.decisions import find_positions, reading_book, reading_decisions  # noqa: PLC0415 - heavy

    if not has_book(workspace):
        raise nothing(f"there are no positions in {workspace.path} yet; {MAKERS}")
    async with AsyncExitStack() as stack:
        book = await stack.enter_async_context(reading_book(workspace))
        has_candles = has_market(workspace)
        market = (await stack.enter_async_context(reading_decisions(workspace)))[0] if has_candles else None
        found = await find_positions(book, market, account)
    if not found:
        of = "" if account is None else f" of account {account}"
        raise nothing(f"there are no positions{of} in {workspace.path}; {MAKERS}")
    shown = [each for each in found if every or each.net_quantity]
    totals = totals_of(found)
    if as_json:
        typer.echo(msgspec.json.encode({"positions": shown, "totals": totals}))
        return
    _show(shown, [each for each in found if not (every or each.net_quantity)], totals)


def _show(shown: list[PositionView], flat: list[PositionView], totals: Totals) -> None:
    from niftyflow.model.account_views import totals_of  # noqa: PLC0415 - heavy

    rows = [_row(each) for each in shown]
    if flat:
        rows.append(_sum(f"{len(flat):,} flat", totals_of(flat), "dim"))
    show("positions, rupees", LAYOUT, rows, _sum("total", totals, "bold"))
    if not totals.is_complete:
        typer.echo("an open position has no stored candle: its unrealised profit is not in the total", err=True)


def _row(each: PositionView) -> Row:
    is_open = each.net_quantity != 0
    return Row(
        (
            each.strategy, each.instrument, each.product.value, f"{each.net_quantity:,}",
            rupees(each.average_price) if is_open else "", rupees(each.last_price) if is_open else "",
            rupees(each.realised), rupees(each.realised_fifo), rupees(each.unrealised) if is_open else "",
            rupees(each.charges), rupees(each.net),
        )
    )  # fmt: skip


def _sum(name: str, totals: Totals, style: str) -> Row:
    amounts: tuple[Decimal, ...] = (
        totals.realised, totals.realised_fifo, totals.unrealised, totals.charges, totals.net,
    )  # fmt: skip
    return Row((name, "", "", "", "", "", *map(rupees, amounts)), style)
