"""An account played by hand in memory: prices and commands go in, orders and fills come out, a restart at any step.

The venue is the paper one, driven as the desk drives it; strategies are scripts that a test writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from niftyflow.kit.join import Segment, Step
from niftyflow.kit.settings import Settings
from niftyflow.model import (
    Candle,
    CandleBatch,
    FillEvent,
    Instrument,
    InstrumentKey,
    Order,
    OrderEvent,
    OrderState,
    Side,
    Signal,
    StrategyState,
    StrategyStatus,
    TickBatch,
    to_e4,
)
from niftyflow.storage.book_ports import Account, PositionRow
from niftyflow.trading import paper
from niftyflow.trading.account import TradingAccount
from niftyflow.trading.portfolio import AccountState, Portfolio
from niftyflow.trading.requests import OrderRequest
from niftyflow.trading.runner import Runner
from niftyflow.trading.settings import OnError, TradingSettings
from niftyflow.trading.strategy import Context, Saved, Strategy
from support.trading_days import ACCOUNT, SHARES, a_tick, at

NOON = at("12:00")
Prices = Mapping[str, float]
Script = dict[str, Callable[..., None]]

SECOND = 1000
PRICES = {"INFY": 1500.0, "TCS": 3800.0, "SBIN": 620.0}


class ScriptParameters(Settings):
    """A script is told nothing."""


class Scripted(Strategy):
    """Does in each hook what a test says, and remembers which hooks were called with what."""

    kind: ClassVar[str] = "scripted"
    Parameters: ClassVar[type[Settings]] = ScriptParameters

    def __init__(self, **script: Callable[..., None]) -> None:
        super().__init__(ScriptParameters())
        self.script: Script = script
        self.called: list[tuple[str, Any]] = []
        self.memory: dict[str, Any] = {}

    def _do(self, hook: str, context: Context, *arguments: Any) -> None:
        self.called.append((hook, *arguments))
        if hook in self.script:
            self.script[hook](context, *arguments)

    def on_start(self, context: Context) -> None:
        self._do("on_start", context)

    def on_candle(self, context: Context, candle: Candle) -> None:
        self._do("on_candle", context, candle)

    def on_signal(self, context: Context, signal: Signal) -> None:
        self._do("on_signal", context, signal)

    def on_fill(self, context: Context, fill: FillEvent) -> None:
        self._do("on_fill", context, fill)

    def on_timer(self, context: Context, name: str) -> None:
        self._do("on_timer", context, name)

    def on_stop(self, context: Context) -> None:
        self._do("on_stop", context)

    def save(self) -> Saved:
        return dict(self.memory)

    def load(self, saved: Saved) -> None:
        self.called.append(("load", saved))
        self.memory = dict(saved)

    def hooks(self) -> list[str]:
        """Return the names of the hooks that were called."""
        return [each[0] for each in self.called]


class Play:
    """An account with scripts, and everything that was ever to be committed."""

    def __init__(
        self, settings: Mapping[str, Any] | None = None, instruments: Sequence[Instrument] = SHARES,
        **scripts: Strategy,
    ) -> None:  # fmt: skip
        self.settings = TradingSettings.model_validate({"strategies": []} | dict(settings or {}))
        self.instruments = list(instruments)
        self.scripts = scripts
        self.orders: dict[str, Order] = {}
        self.events: list[OrderEvent] = []
        self.fills: list[FillEvent] = []
        self.positions: dict[tuple[str, ...], PositionRow] = {}
        self.strategies: dict[str, StrategyState] = {}
        self.state: dict[str, Any] = msgspec.to_builtins(AccountState(capital=to_e4(self.settings.capital_rupees)))
        self.account = self._open(0)

    # -- its life --------------------------------------------------------------------------------------------------

    def _open(self, time: int) -> TradingAccount:
        working = [order for order in self.orders.values() if not order.state.is_final]
        stored = Account(
            account=ACCOUNT, fence=1, state=msgspec.json.decode(msgspec.json.encode(self.state)), time=time, sequence=0,
            orders=working, positions=[self.positions[key] for key in sorted(self.positions)],
            strategies=sorted(self.strategies.values(), key=lambda each: each.name), progress={},
        )  # fmt: skip
        account = TradingAccount(Portfolio.of(stored, self.settings.broker_plan), self.settings, stored.time)
        account.runner = Runner(account, self.make)
        states = msgspec.json.decode(msgspec.json.encode(stored.strategies), type=list[StrategyState])
        account.runner.restore(states, {})
        return account

    def make(self, kind: str, parameters: Mapping[str, Any]) -> Strategy:
        """Return the script of a name."""
        assert not parameters
        return self.scripts[kind]

    def restart(self) -> None:
        """Throw the account away and take it back from what was committed, through JSON."""
        told = self.account.told.until  # as the log's watermarks say it
        self.account = self._open(self.account.now)
        self.account.told.until = dict(told)
        self.account.set_instruments(self.instruments)

    def start(self, name: str, symbols: Iterable[str], on_error: OnError = OnError.SQUARE_OFF) -> None:
        """Start a script on symbols."""
        keys = sorted(f"NSE:{symbol}" for symbol in symbols)
        state = StrategyState(
            account=ACCOUNT, name=name, kind=name, status=StrategyStatus.RUNNING, instruments=keys, parameters={},
            at=self.account.now,
        )  # fmt: skip
        self.account.runner.start(state, on_error, {})

    # -- what it takes in ------------------------------------------------------------------------------------------

    def step(
        self, time: int, prices: Prices | None = None, *, received: int | None = None, ticks: Sequence[Any] = (),
        candles: Iterable[Candle] = (), signals: Iterable[Signal] = (), each_alone: bool = False, settles: bool = True,
    ) -> None:  # fmt: skip
        """Take a step: a tick of each price just before `time` (or at `received`), candles and signals."""
        when = time - 1 if received is None else received
        rows = [a_tick(symbol, when, price) for symbol, price in (prices or {}).items()] + list(ticks)
        bodies: list[tuple[str, Any]] = []
        for topic, records, kind in (
            ("raw-ticks", rows, TickBatch), ("market_candles", list(candles), CandleBatch),
            ("signals", list(signals), None),
        ):  # fmt: skip
            parts = [[record] for record in records] if each_alone else [records] if records else []
            bodies += [(topic, kind.from_records(part) if kind else tuple(part)) for part in parts]
        step = Step(time, True, tuple(Segment(topic, 0, body) for topic, body in bodies), {})  # noqa: FBT003
        if self.account.begins_day(self.account.time_after(step)):
            self.account.set_instruments(self.instruments)
        self.account.take(step, self.account.time_after(step))
        if settles:
            self.settle()

    def settle(self) -> None:
        """Commit and carry out, until nothing is left to do."""
        account = self.account
        while True:
            actions = account.take_actions()
            self.commit()
            if not actions:
                return
            for action in actions:
                order = account.portfolio.orders.get(action.client_order_id)
                if order is not None and action.kind == "send":
                    account.receive(paper.accept(order, order.decided_at))
                elif order is not None:
                    account.receive(paper.cancel([order], account.now, "asked for"))
            account.work_off_exits()

    def commit(self) -> None:
        """Keep what changed, as a book would: no event twice, none left out."""
        changes = self.account.take_changes({})
        for event in changes.events:
            known = [each.sequence for each in self.events if each.client_order_id == event.client_order_id]
            assert event.sequence == len(known) + 1, "an event is there already, or one is missing"
            self.events.append(event)
        self.orders |= {order.client_order_id: order for order in changes.orders}
        self.fills += changes.fills
        self.positions |= {(row.strategy, row.exchange, row.symbol, row.product): row for row in changes.positions}
        self.strategies |= {each.name: each for each in changes.strategies}
        assert changes.account is not None
        self.state = msgspec.json.decode(changes.account)

    # -- what it does ----------------------------------------------------------------------------------------------

    def order(self, symbol: str, side: Side, quantity: int, *, settles: bool = True, **more: Any) -> Order:
        """Give an order by hand and return it as it stands."""
        fields = {"strategy": "manual", "cause": f"command/{len(self.orders)}"} | more
        order = self.account.place(
            OrderRequest(instrument=key_of(symbol), side=side, quantity=quantity, **fields)
        )  # fmt: skip
        if settles:
            self.settle()
            return self.orders[order.client_order_id]
        return order

    def held(self, symbol: str, strategy: str | None = None) -> int:
        """Return what is open in a symbol."""
        return self.account.portfolio.net_quantity(key_of(symbol), strategy)

    def states(self) -> list[OrderState]:
        """Return the states of all orders, in the order in which they were decided."""
        return [order.state for order in self.orders.values()]

    def last(self) -> Order:
        """Return the order decided last."""
        return list(self.orders.values())[-1]


def key_of(symbol: str) -> InstrumentKey:
    """Return the key of a share of NSE."""
    return InstrumentKey(f"NSE:{symbol}")


def a_play(settings: dict[str, Any] | None = None, **scripts: Scripted) -> Play:
    """Return an account at noon that has seen a price of each share."""
    play = Play(settings, **scripts)
    play.step(NOON, PRICES)
    return play


def a_holder(quantity: int = 10, settings: dict[str, Any] | None = None, **order: Any) -> Play:
    """Return an account that bought INFY by hand, a second after noon."""
    play = a_play(settings)
    play.order("INFY", Side.BUY, quantity, **order)
    play.step(NOON + SECOND, PRICES)
    assert play.held("INFY") == quantity
    return play
