"""What a case is given: an adapter that is open and logged in, what can be asked of it, and what can be done to it.

A ground makes one stage a case. Cases see nothing of what lies behind it: recordings, a simulator, or a real account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.capabilities import Capabilities
from niftyflow.brokers.conformance.cards import GroundName
from niftyflow.brokers.order_book import BrokerOrder, OrderUpdates
from niftyflow.brokers.quotes import MasterRow
from niftyflow.kit.clock import Clock
from niftyflow.model import (
    Instrument,
    InstrumentKey,
    Interval,
    Order,
    OrderType,
    Product,
    Side,
    Unavailable,
    UnknownInstrument,
    Validity,
    Verdict,
    client_order_id,
    split_key,
)

if TYPE_CHECKING:
    from niftyflow.brokers.conformance.case import Case


class CandleQuestion(NamedTuple):
    """Candles that the broker must have: they start in [since, until), ms UTC."""

    instrument: Instrument
    interval: Interval
    since: int
    until: int


class ArrivedCall(NamedTuple):
    """A call as it reached the broker: its kind in the words of the rate limits, and when, ms."""

    kind: str
    at: int


class Faults(Protocol):
    """What can be made to go wrong at the broker, from the next call on."""

    async def lose_answer(self) -> None:
        """Have the next order call carried out, and its connection cut without an answer."""
        ...

    async def fail_answer(self) -> None:
        """Have the next order call carried out, and answered with an error that says nothing of the outcome."""
        ...

    async def refuse_too_many(self, calls: int) -> None:
        """Have the next calls refused for coming too soon."""
        ...

    async def end_session(self) -> None:
        """Have the token die, as it does in the morning."""
        ...

    async def cut_updates(self) -> None:
        """Cut the stream of order updates off, once, without a goodbye."""
        ...


class Heard:
    """Everything the order updates told since the stage was made, in order."""

    def __init__(self, updates: OrderUpdates, patience_seconds: float) -> None:
        self._updates = updates
        self._patience_seconds = patience_seconds
        self.told: list[BrokerOrder] = []

    async def until(self, is_it: Callable[[BrokerOrder], bool], what: str) -> BrokerOrder:
        """Return the first statement like this, of those told and those to come.

        Raises:
            Unavailable: none came in time; the message names what was waited for, and what came last.
        """
        read = 0
        try:
            async with asyncio.timeout(self._patience_seconds):
                while True:
                    for order in self.told[read:]:
                        if is_it(order):
                            return order
                    read = len(self.told)
                    self.told += await self._updates.read()
        except TimeoutError:
            last = f"the last one told is {self.told[-1].status}" if self.told else "none was told"
            waited = f"{what} did not come in {self._patience_seconds:g} s: {last}"
            raise Unavailable("the stream of order updates", waited) from None


@dataclass(kw_only=True)
class Stage:
    """One adapter, opened for one case, in an account of its own or one that is only read.

    `shares` are traded now, the first one busily; `contract` is a future or option. `is_consistent` says whether all
    answers are of one account at one moment: recordings are not. `stranger` opens an adapter with a token that the
    broker does not know. `excuse` says afterwards what the ground had no answer to. Null: the ground cannot do it.
    """

    broker: OrderBroker
    clock: Clock
    shares: tuple[InstrumentKey, ...]
    candles: tuple[CandleQuestion, ...] = ()
    contract: InstrumentKey | None = None
    is_consistent: bool = True
    faults: Faults | None = None
    stranger: Callable[[], AbstractAsyncContextManager[OrderBroker]] | None = None
    arrivals: Callable[[], Awaitable[list[ArrivedCall]]] | None = None
    excuse: Callable[[], str] = lambda: ""
    patience_seconds: float = 30.0
    account: str = "conformance"
    heard: Heard = field(init=False)
    _master: dict[InstrumentKey, MasterRow] = field(init=False, default_factory=dict)
    _last: dict[InstrumentKey, Decimal] = field(init=False, default_factory=dict)
    _intents: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.heard = Heard(self.broker.order_updates, self.patience_seconds)

    @property
    def capabilities(self) -> Capabilities:
        """What the broker says it can do."""
        return self.broker.capabilities

    async def row_of(self, key: InstrumentKey) -> MasterRow:
        """Return an instrument's row of the master, which is asked for once.

        Raises:
            UnknownInstrument: it is not in the master.
        """
        if not self._master:
            self._master = {row.instrument.key: row for row in await self.broker.instruments()}
        if key not in self._master:
            raise UnknownInstrument(f"{key} is not in the broker's master")
        return self._master[key]

    async def last(self, key: InstrumentKey) -> Decimal:
        """Return an instrument's last price as it was when first asked for.

        Raises:
            UnknownInstrument: the broker has none.
        """
        if key not in self._last:
            self._last |= await self.broker.last_prices([key])
        if key not in self._last:
            raise UnknownInstrument(f"the broker has no last price of {key}")
        return self._last[key]

    async def price(self, key: InstrumentKey, factor: str) -> Decimal:
        """Return so much of the last price, on the tick."""
        return on_tick(await self.last(key) * Decimal(factor), (await self.row_of(key)).tick_size)

    def intent(self, key: InstrumentKey, **changes: Any) -> Order:
        """Return an order to buy one unit within the day, with an id of its own."""
        exchange, symbol = split_key(key)
        self._intents += 1
        now = self.clock.now()
        fields: dict[str, Any] = {
            "account": self.account, "client_order_id": client_order_id(self.account, f"case-{now}", self._intents),
            "strategy": "conformance", "symbol": symbol, "exchange": exchange, "side": Side.BUY, "quantity": 1,
            "order_type": OrderType.LIMIT, "product": Product.MIS, "validity": Validity.DAY, "price": None,
            "trigger": None, "cause": "conformance", "signal_id": "", "trace_id": "", "decided_at": now,
            "valid_until": now + 60_000, "risk": Verdict(verdict="pass"),
        }  # fmt: skip
        return Order(**(fields | changes))


class Ground(Protocol):
    """Where cases are run."""

    @property
    def name(self) -> GroundName:
        """Which of the three it is."""
        ...

    def lacks(self, case: Case) -> str:
        """Return why a case cannot be run here; empty: it can."""
        ...

    def stage(self, case: Case) -> AbstractAsyncContextManager[Stage]:
        """Make the stage of one case, and clear it away afterwards.

        Raises:
            NotRun: the stage cannot be made.
        """
        ...


class Kit(NamedTuple):
    """What an adapter's author gives beside the adapter: `KIT` of the module `conformance` in the adapter's package.

    `recorded` takes a folder of recordings. Null: there is no such ground for this broker.
    """

    recorded: Callable[[Path], Ground] | None = None
    simulator: Callable[[], Ground] | None = None


def on_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Return the nearest price on the tick."""
    return (price / tick).quantize(Decimal(1)) * tick
