"""Routes of orders, trades, positions and the portfolio: commands go to trading, everything else is read.

It judges no order. What may not leave is refused by the risk gate, and the answer says why.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from niftyflow.gateway import examples_trading as examples
from niftyflow.gateway import schemas_trading as schemas
from niftyflow.gateway.decision_rows import command_row, event_row, fill_row, order_row, position_row
from niftyflow.gateway.envelope import success
from niftyflow.gateway.errors import NotFound
from niftyflow.gateway.giving import IdempotencyKey, answer_of, given, not_yet, status_of
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_common import answers
from niftyflow.gateway.sources import Sources, sources_of
from niftyflow.market import day_start, ist_day
from niftyflow.model import CommandKind, CommandResult, FillEvent, InvalidValue, Order, OrderState, parse_instrument
from niftyflow.model.account_views import AccountView
from niftyflow.storage.book_ports import BookStore

router = APIRouter(prefix="/api/v1", tags=["trading"], route_class=Route)

DAY_MS: Final = 86_400_000
EVER: Final = 1 << 60
FIRST_LOOK: Final = 500
"""Orders looked through before more are fetched."""
SPANS: Final = (1, 7, 30, 365)
"""Days looked through for trades, each when the one before held too few."""
WORKING: Final = "working"
STATES: Final = (*OrderState, WORKING)

OrderId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_.-]{1,64}$", examples=["nf4k2j9q7w1m3x8c5v"])]
MaybeSymbol = Annotated[str | None, Query(pattern=schemas.SYMBOL, description="RELIANCE or NSE:RELIANCE")]
MaybeStrategy = Annotated[str | None, Query(pattern=schemas.NAME)]
Limit = Annotated[int, Query(ge=1, le=1000)]
# -- orders --------------------------------------------------------------------------------------------------------


@router.get(
    "/orders", operation_id="listOrders", summary="Orders, newest first",
    responses=answers(list[schemas.OrderAnswer], example=[examples.ORDER]),
)  # fmt: skip
async def orders(
    request: Request,
    state: Annotated[
        str | None, Query(max_length=200, description=f"Several with commas: {', '.join(STATES)} (not ended)")
    ] = None,
    strategy: MaybeStrategy = None, symbol: MaybeSymbol = None, limit: Limit = 100,
) -> Response:  # fmt: skip
    """Return the newest orders that fit, of their risk verdict the failed checks alone."""
    sources = sources_of(request)
    instrument = None if symbol is None else parse_instrument(symbol)
    states = _states(state)

    def fits(order: Order) -> bool:
        return order.state in states and strategy in {None, order.strategy} and instrument in {None, order.instrument}

    found: list[Order] = []
    look = max(FIRST_LOOK, limit)
    while True:  # the port filters nothing: look further back until there are enough
        looked = await sources.book.orders(sources.account, limit=look)
        found = [order for order in looked if fits(order)]
        if len(found) >= limit or len(looked) < look:
            break
        look *= 4
    return success([order_row(order, every_check=False) for order in reversed(found[-limit:])])


@router.post(
    "/orders", operation_id="placeOrder", summary="Place an order", status_code=201,
    responses=answers(
        schemas.OrderGivenAnswer, "refused", status=201, body=True, means="Placed",
        example={"command": examples.COMMAND, "order": examples.ORDER},
    ) | not_yet(schemas.OrderGivenAnswer, order=None),
)  # fmt: skip
async def place_order(request: Request, asked: schemas.OrderAsked, key: IdempotencyKey = None) -> Response:
    """Place an order on the account, past the risk gate; 409 with the failed checks when that refuses."""
    body = {
        "instrument": parse_instrument(asked.symbol), "side": asked.side, "quantity": asked.quantity,
        "order_type": asked.order_type, "product": asked.product, "validity": asked.validity,
        "price": _text(asked.price), "trigger": _text(asked.trigger),
    }  # fmt: skip
    command, result = await given(request, CommandKind.PLACE_ORDER, body, key)
    order = await _order_of(sources_of(request).book, result)
    return success(answer_of(command, result, order=order), status_of(result, 201))


@router.get(
    "/orders/{order_id}", operation_id="getOrder", summary="An order with its states and fills",
    responses=answers(
        schemas.OrderDetailAnswer, "not_found",
        example={"order": examples.ORDER, "events": [examples.EVENT], "fills": []},
    ),
)  # fmt: skip
async def order(request: Request, order_id: OrderId) -> Response:
    """Return everything that the book has of an order."""
    sources = sources_of(request)
    found = await _known(sources, order_id)
    events = await sources.book.order_events(order_id)
    fills = await sources.book.fills(sources.account, client_order_id=order_id)
    return success(
        {"order": order_row(found), "events": list(map(event_row, events)), "fills": list(map(fill_row, fills))}
    )


@router.put(
    "/orders/{order_id}", operation_id="changeOrder", summary="Change a working order",
    responses=answers(
        schemas.OrderGivenAnswer, "not_found", "refused", body=True,
        example={"command": examples.COMMAND, "order": examples.ORDER},
    ) | not_yet(schemas.OrderGivenAnswer, order=None),
)  # fmt: skip
async def change_order(
    request: Request, order_id: OrderId, asked: schemas.OrderChangeAsked, key: IdempotencyKey = None
) -> Response:
    """Change quantity, price or trigger, when the changed order passes the risk gate; else it stays as it is."""
    await _known(sources_of(request), order_id)
    body = {
        "client_order_id": order_id, "quantity": asked.quantity, "price": _text(asked.price),
        "trigger": _text(asked.trigger),
    }  # fmt: skip
    return await _about(request, CommandKind.MODIFY_ORDER, body, key)


@router.delete(
    "/orders/{order_id}", operation_id="cancelOrder", summary="Cancel a working order",
    responses=answers(
        schemas.OrderGivenAnswer, "not_found", "refused",
        example={"command": examples.COMMAND, "order": examples.ORDER | {"state": "cancelled"}},
    ) | not_yet(schemas.OrderGivenAnswer, order=None),
)  # fmt: skip
async def cancel_order(request: Request, order_id: OrderId, key: IdempotencyKey = None) -> Response:
    """Ask for an order to be cancelled; 409 when it has ended already."""
    await _known(sources_of(request), order_id)
    return await _about(request, CommandKind.CANCEL_ORDER, {"client_order_id": order_id}, key)


@router.get(
    "/orders/{order_id}/why", operation_id="explainOrder", summary="Why an order was placed",
    responses=answers(dict[str, Any], "not_found", example={"links": [], "missing": {}}),
)  # fmt: skip
async def why(request: Request, order_id: OrderId) -> Response:
    """Return the chain from an order back to the trades that made its candle, as `niftyflow why ORDER --json` does."""
    sources = sources_of(request)
    await _known(sources, order_id)
    return success(await sources.caller.call("why", order_id=order_id))


@router.get(
    "/commands/{command_id}", operation_id="getCommand", summary="What became of a command",
    responses=answers(schemas.CommandAnswer, "not_found", example=examples.COMMAND),
)  # fmt: skip
async def command(
    request: Request, command_id: Annotated[str, Path(pattern=r"^[0-9A-Za-z_.:-]{1,64}$", examples=["5d1f3b"])]
) -> Response:
    """Return a command's result; 404 while nobody has taken it."""
    result = await sources_of(request).commands.result(command_id)
    if result is None:
        raise NotFound(f"no command {command_id} was taken, or not yet")
    return success(command_row(command_id, result))


# -- what came of them ---------------------------------------------------------------------------------------------


@router.get(
    "/trades", operation_id="listTrades", summary="Trades of the account, newest first",
    responses=answers(list[schemas.FillAnswer], example=[examples.FILL]),
)  # fmt: skip
async def trades(request: Request, symbol: MaybeSymbol = None, limit: Limit = 100) -> Response:
    """Return fills with what they cost."""
    sources = sources_of(request)
    instrument = None if symbol is None else parse_instrument(symbol)
    today = day_start(ist_day(sources.clock.now()))
    found: list[FillEvent] = []
    for since in (*(today - (days - 1) * DAY_MS for days in SPANS), 0):
        fills = await sources.book.fills(sources.account, since=max(0, since), until=EVER)
        found = [fill for fill in fills if instrument in {None, fill.instrument}]
        if len(found) >= limit:
            break
    return success([fill_row(fill) for fill in reversed(found[-limit:])])


@router.get(
    "/positions", operation_id="listPositions", summary="Positions with their profit",
    responses=answers(list[schemas.PositionAnswer], example=[examples.POSITION]),
)  # fmt: skip
async def positions(request: Request) -> Response:
    """Return every position by strategy and instrument, flat ones included, at the last price."""
    view: AccountView = await sources_of(request).caller.call("account")
    return success([position_row(each) for each in view.positions])


@router.post(
    "/positions/square-off", operation_id="squareOff", summary="Close positions at the market",
    responses=answers(
        schemas.GivenAnswer, "refused", body=True, example={"command": examples.COMMAND | {"body": {"positions": 1}}}
    ) | not_yet(schemas.GivenAnswer),
)  # fmt: skip
async def square_off(request: Request, asked: schemas.SquareOffAsked, key: IdempotencyKey = None) -> Response:
    """Close all open positions, or those of an instrument, of a strategy; the answer's body says how many."""
    body: dict[str, Any] = {"strategy": asked.strategy}
    if asked.symbol is not None:
        body["instrument"] = parse_instrument(asked.symbol)
    given_, result = await given(request, CommandKind.SQUARE_OFF, body, key)
    return success(answer_of(given_, result), status_of(result))


@router.get(
    "/portfolio", operation_id="getPortfolio", summary="The account in numbers",
    responses=answers(schemas.PortfolioAnswer, example=examples.PORTFOLIO),
)  # fmt: skip
async def portfolio(request: Request) -> Response:
    """Return capital, profit, exposure and counts, at last prices."""
    view: AccountView = await sources_of(request).caller.call("account")
    return success(view.portfolio)


async def _about(request: Request, kind: CommandKind, body: dict[str, Any], key: str | None) -> Response:
    given_, result = await given(request, kind, body, key)
    order = await _order_of(sources_of(request).book, result)
    return success(answer_of(given_, result, order=order), status_of(result))


async def _known(sources: Sources, order_id: str) -> Order:
    """Return an order of the account by its whole id.

    Raises:
        NotFound: there is none.
    """
    found = await sources.book.order(order_id)
    if found is None or found.client_order_id != order_id or found.account != sources.account:
        raise NotFound(f"no order {order_id} is in the book of account {sources.account}")
    return found


async def _order_of(book: BookStore, result: CommandResult | None) -> dict[str, Any] | None:
    """Return the order that a command was about, as it stands now."""
    order_id = None if result is None else result.body.get("client_order_id")
    found = None if order_id is None else await book.order(order_id)
    return None if found is None else order_row(found)


def _states(text: str | None) -> set[OrderState]:
    if text is None:
        return set(OrderState)
    found: set[OrderState] = set()
    for name in text.split(","):
        if name == WORKING:
            found |= {state for state in OrderState if not state.is_final}
        elif name in set(OrderState):
            found.add(OrderState(name))
        else:
            raise InvalidValue("state", name, f"use one of {', '.join(STATES)}")
    return found


def _text(amount: Any) -> str | None:
    return None if amount is None else str(amount)
