"""`niftyflow orders`: the orders of the book, with what became of them.

It opens the book for reading only, so it can look while `niftyflow up` trades.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, clock, nothing, rupees, show
from niftyflow.model import Order, OrderState, OrderType, parse_instrument
from niftyflow.runtime.stores import has_book

if TYPE_CHECKING:
    from niftyflow.runtime.decisions import OrdersFound, OrdersWanted
from niftyflow.runtime.workspace import Workspace

NEWEST = 50
MAKERS = "`niftyflow up` and `niftyflow replay` make them"
NOT_REFUSED = tuple(state for state in OrderState if state is not OrderState.REJECTED)
LAYOUT = Layout(
    (
        Column("time IST"), Column("order"), Column("strategy"), Column("instrument"), Column("side"),
        Column("quantity", is_number=True), Column("type"), Column("price", is_number=True), Column("state"),
        Column("filled", is_number=True), Column("average", is_number=True), Column("reason"),
    ),
    160,
    ((0, 1, 2), (3, 4, 6), (5, 7), (8, 11), (9, 10)),
)  # fmt: skip


def orders(
    context: typer.Context,
    *,
    last: Annotated[int | None, typer.Option(help=f"The newest N only [{NEWEST}].", min=1)] = None,
    state: Annotated[
        list[OrderState] | None, typer.Option(help="Orders in this state; give it again for another.")
    ] = None,
    all_states: Annotated[
        bool, typer.Option("--all-states", help="Orders that were refused (rejected) as well.")
    ] = False,
    strategy: Annotated[str | None, typer.Option(help="Orders of this strategy.")] = None,
    instrument: Annotated[
        str | None, typer.Option(help="Orders of this instrument, such as RELIANCE or NSE:RELIANCE.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Orders of this account; all accounts when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of orders, as in the book.")] = False,
) -> None:
    """Show orders: what was asked for, by whom, and what became of it.

    Refused orders are left out unless asked for. `niftyflow why ORDER` tells how one came about.
    """
    from niftyflow.runtime.decisions import OrdersWanted  # noqa: PLC0415 - heavy

    if state and all_states:
        raise typer.BadParameter("choose one of --state and --all-states")
    wanted = OrdersWanted(
        last=last or NEWEST,
        states=tuple(state or (() if all_states else NOT_REFUSED)),
        strategy=strategy,
        instrument=None if instrument is None else parse_instrument(instrument),
        account=account,
    )
    workspace = state_of(context).workspace
    settings_of(workspace, {}, quiet=True)
    run(_orders(workspace, wanted, as_json=as_json, is_cut_known=last is not None))


async def _orders(workspace: Workspace, wanted: OrdersWanted, *, as_json: bool, is_cut_known: bool) -> None:
    from niftyflow.runtime.decisions import find_orders, reading_book  # noqa: PLC0415 - heavy

    if not has_book(workspace):
        raise nothing(f"there are no orders in {workspace.path} yet; {MAKERS}")
    async with reading_book(workspace) as book:
        found = await find_orders(book, wanted)
    if not found.orders:
        raise nothing(_why_nothing(found, workspace))
    if as_json:
        typer.echo(msgspec.json.encode(found.orders))
        return
    show("orders", LAYOUT, [_row(order) for order in found.orders])
    left_out = []
    if found.older and not is_cut_known:
        left_out.append(f"{found.older:,} older ones (--last N shows more)")
    if found.other_states and wanted.states == NOT_REFUSED:
        left_out.append(f"{found.other_states:,} that were refused (--all-states)")
    if left_out:
        typer.echo(f"left out: {', '.join(left_out)}", err=True)


def _why_nothing(found: OrdersFound, workspace: Workspace) -> str:
    if found.other_states:
        return f"no order in such a state; there are {found.other_states:,} in others (--all-states)"
    return f"there are no such orders in {workspace.path}; {MAKERS}"


def _row(order: Order) -> Row:
    average = order.filled_value / order.filled if order.filled else None
    is_refused = order.state is OrderState.REJECTED
    return Row(
        (
            clock(order.decided_at), order.client_order_id, order.strategy, order.instrument, order.side.value,
            f"{order.quantity:,}", order.order_type.value, price_of(order), order.state.value,
            f"{order.filled:,}" if order.filled else "", "" if average is None else rupees(average),
            short_reason(order),
        ),
        "yellow" if is_refused else None,
    )  # fmt: skip


def price_of(order: Order) -> str:
    """Return the price, or the trigger, that an order waits for."""
    match order.order_type:
        case OrderType.LIMIT:
            return rupees(order.price)
        case OrderType.SL_M:
            return rupees(order.trigger)
        case OrderType.SL:
            return f"{rupees(order.trigger)}/{rupees(order.price)}"
        case _:
            return ""


def short_reason(order: Order) -> str:
    """Return why an order ended without trading, in a few words: the checks that failed, or what the venue said."""
    failed = [check.name for check in order.risk.checks if not check.is_passed]
    return ", ".join(failed) if failed else order.reason or ""
