"""Engines of the book and decision stores for the contract suites, records for them, and a book's writer to be killed.

A new engine joins the suites by one entry in `BOOK_ENGINES`, `DECISION_ENGINES` or `KEY_ENGINES`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from niftyflow.kit.log import configure
from niftyflow.model import (
    Check,
    FillEvent,
    Interval,
    Order,
    OrderEvent,
    OrderState,
    OrderType,
    PositionChange,
    PositionEvent,
    Prediction,
    Product,
    Reason,
    Side,
    Signal,
    StrategyState,
    StrategyStatus,
    Validity,
    Verdict,
    client_order_id,
    moment,
    signal_id,
)
from niftyflow.storage.book_ports import BookStore, Changes, DecisionStore, PositionRow, TradingInput
from niftyflow.storage.key_ports import KeyStore
from niftyflow.storage.postgres_book import PostgresBookStore
from niftyflow.storage.postgres_decisions import PostgresDecisionStore
from niftyflow.storage.postgres_keys import PostgresKeyStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_decisions import SqliteDecisionStore
from niftyflow.storage.sqlite_keys import SqliteKeyStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.stores import postgres_book_tables, postgres_market

MINUTE = 60_000
OPENED = 1_453_866_300_000
"""2016-01-27 09:15 IST, ms UTC."""
PAPER = "paper-1"
MOST_COMMITS = 20_000

BOOK_ENGINES: dict[str, Callable[[Path], BookStore]] = {
    "pgbouncer": lambda folder: PostgresBookStore(postgres_book_tables(folder, through_pgbouncer=True)),
    "postgres": lambda folder: PostgresBookStore(postgres_book_tables(folder)),
    "sqlite": lambda folder: SqliteBookStore(folder / "book.db"),
}
"""Each makes a handle; two handles of one folder see the same data."""


@asynccontextmanager
async def _sqlite_decisions(folder: Path) -> AsyncIterator[DecisionStore]:
    market = SqliteMarketStore(folder / "market.db")
    await market.open()
    yield SqliteDecisionStore(market.database)
    await market.close()


@asynccontextmanager
async def _postgres_decisions(folder: Path) -> AsyncIterator[DecisionStore]:
    market = postgres_market(folder)
    await market.open()
    yield PostgresDecisionStore(market.database)
    await market.close()


DECISION_ENGINES = {"sqlite": _sqlite_decisions, "postgres": _postgres_decisions}
"""Each opens a store; opening one folder again gives the same data."""


@asynccontextmanager
async def _sqlite_keys(folder: Path) -> AsyncIterator[KeyStore]:
    book = SqliteBookStore(folder / "book.db")
    await book.open()
    try:
        yield SqliteKeyStore(book.database)
    finally:
        await book.close()


@asynccontextmanager
async def _postgres_keys(folder: Path, **settings: Any) -> AsyncIterator[KeyStore]:
    tables = postgres_book_tables(folder, **settings)
    await tables.open()
    try:
        yield PostgresKeyStore(tables)
    finally:
        await tables.close()


KEY_ENGINES: dict[str, Callable[[Path], AbstractAsyncContextManager[KeyStore]]] = {
    "pgbouncer": lambda folder: _postgres_keys(folder, through_pgbouncer=True),
    "postgres": _postgres_keys,
    "sqlite": _sqlite_keys,
}
"""Each opens a store; opening one folder again gives the same data."""


def an_order(number: int = 1, account: str = PAPER, **changes: Any) -> Order:
    """Return the intent that the `number`th minute led to, with a telling value in each field."""
    order = Order(
        account=account,
        client_order_id=client_order_id(account, f"candle-{number}", 1),
        strategy="ema-cross",
        symbol="M&M",
        exchange="NSE",
        side=Side.SELL,
        quantity=10,
        order_type=OrderType.SL,
        product=Product.MIS,
        validity=Validity.DAY,
        price=Decimal("2850.5005"),
        trigger=Decimal(2851),
        cause=f"candle-{number}",
        signal_id=f"signal-{number}",
        trace_id=f"trace-{number}",
        decided_at=OPENED + number * MINUTE,
        valid_until=OPENED + (number + 1) * MINUTE,
        risk=Verdict(verdict="pass", checks=[Check(name="value", is_passed=True, value="28505", limit="100000 ₹")]),
        updated_at=OPENED + number * MINUTE,
        sequence=1,
        tag=f"tag-{number}",
    )
    return msgspec.structs.replace(order, **changes)


def event_of(order: Order) -> OrderEvent:
    """Return the event that tells an order's state."""
    shared = {field: getattr(order, field) for field in OrderEvent.__struct_fields__ if field != "at"}
    return OrderEvent(**shared, at=order.updated_at)


def a_fill(order: Order, number: int = 1, **changes: Any) -> FillEvent:
    """Return a fill of five shares of an order."""
    fill = FillEvent(
        account=order.account,
        fill_id=f"fill-{number}",
        client_order_id=order.client_order_id,
        strategy=order.strategy,
        symbol=order.symbol,
        exchange=order.exchange,
        side=order.side,
        product=order.product,
        quantity=5,
        price=Decimal("2850.45"),
        charges={"stt": Decimal("3.5631"), "brokerage": Decimal(20), "gst": Decimal(0)},
        at=order.decided_at + number,
        signal_id=order.signal_id,
        trace_id=order.trace_id,
    )
    return msgspec.structs.replace(fill, **changes)


def a_position(account: str = PAPER, **changes: Any) -> PositionRow:
    """Return a short position."""
    position = PositionRow(
        account=account,
        strategy="ema-cross",
        symbol="M&M",
        exchange="NSE",
        product="MIS",
        net_quantity=-5,
        average_price=Decimal("2850.45"),
        realised=Decimal("-12.0001"),
        realised_fifo=Decimal("7.25"),
        charges=Decimal("23.5631"),
        updated_at=OPENED,
        state=b"\x00\xff state",
    )
    return msgspec.structs.replace(position, **changes)


def a_position_event(account: str = PAPER, **changes: Any) -> PositionEvent:
    """Return what a fill did to a position."""
    event = PositionEvent(
        account=account,
        strategy="ema-cross",
        symbol="M&M",
        exchange="NSE",
        product=Product.MIS,
        net_quantity=-5,
        average_price=Decimal("2850.45"),
        realised=Decimal(0),
        realised_fifo=Decimal("0.0001"),
        unrealised=Decimal("-4.75"),
        charges=Decimal("23.5631"),
        change=PositionChange.OPENED,
        fill_id="fill-1",
        at=OPENED,
    )
    return msgspec.structs.replace(event, **changes)


def a_strategy(name: str = "ema-cross", account: str = PAPER, **changes: Any) -> StrategyState:
    """Return a running strategy that saved something."""
    strategy = StrategyState(
        account=account,
        name=name,
        kind="ema_cross",
        status=StrategyStatus.RUNNING,
        instruments=["NSE:M&M", "NSE:TCS"],
        parameters={"fast": 9, "slow": 21.5, "label": "नौ"},
        saved={"last": {"NSE:TCS": [0.1, None, True]}},
        at=OPENED,
    )
    return msgspec.structs.replace(strategy, **changes)


def an_input(sequence: int, account: str = PAPER) -> TradingInput:
    """Return the market's stretch of a minute as an input."""
    return TradingInput(
        account=account, sequence=sequence, kind="market", time=OPENED + sequence * MINUTE, body='{"signals":[[0,7]]}'
    )


def a_signal(minute: int = 0, symbol: str = "M&M", strategy: str = "composite-v1", **changes: Any) -> Signal:
    """Return the signal that a rule gave at a minute."""
    time = moment(OPENED + minute * MINUTE)
    signal = Signal(
        id=signal_id(strategy, f"NSE:{symbol}", Interval.M1, time),
        strategy=strategy,
        symbol=symbol,
        exchange="NSE",
        interval=Interval.M1,
        timestamp=time,
        valid_until=moment(OPENED + (minute + 5) * MINUTE),
        action=Side.BUY,
        strength=0.1 + 0.2,
        price=2850.5,
        stop=2838.0,
        target=None,
        reason=[Reason(rule="composite >= 3.5", value=3.75), Reason(rule="after 09:30", value=None)],
        saw={"scorecard": "8f", "prediction": None, "view": {"breadth": 2.5}},
    )
    return msgspec.structs.replace(signal, **changes)


def a_prediction(minute: int = 0, symbol: str = "M&M", **changes: Any) -> Prediction:
    """Return a model's answer of a minute."""
    prediction = Prediction(
        symbol=symbol,
        exchange="NSE",
        interval=Interval.M1,
        timestamp=moment(OPENED + minute * MINUTE),
        prediction=0.1 + 0.2,
        confidence=0.88,
        model_version="v2.1-lstm",
        outcome="timeout",
    )
    return msgspec.structs.replace(prediction, **changes)


def bought(number: int) -> Changes:
    """Return the `number`th purchase (from 1) of a book that only buys: 1 share at `number` rupees, filled at once."""
    order = an_order(number, side=Side.BUY, quantity=1, filled=1, state=OrderState.FILLED)
    fill = a_fill(order, number, quantity=1, price=Decimal(number), charges={})
    cost = number * (number + 1) // 2
    return Changes(
        time=fill.at,
        orders=[order],
        events=[event_of(order)],
        fills=[fill],
        positions=[a_position(net_quantity=number, average_price=Decimal(0), realised=Decimal(-cost))],
        position_events=[a_position_event(net_quantity=number, fill_id=fill.fill_id)],
        inputs=[an_input(number)],
        progress={("market_candles", 0): number},
        account={"cash": -cost},
    )


async def buy_until_killed(engine: str, folder: Path, fence: int) -> None:
    """Go on buying from where the book stands; say on standard output which purchase was committed.

    It ends by itself after `MOST_COMMITS`, in case nobody kills it.
    """
    book = BOOK_ENGINES[engine](folder)
    await book.open()
    account = await book.take_over(PAPER, fence, {"cash": 0}, OPENED)
    for number in range(account.sequence + 1, account.sequence + MOST_COMMITS):
        await book.commit(PAPER, fence, bought(number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    configure(json=True, level="warning")
    asyncio.run(buy_until_killed(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
