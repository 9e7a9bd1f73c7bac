"""What a strategy is, and what it sees and may do: the same live, in replay and in backtests.

Owns the two shapes, `Strategy` and `Context`. It decides nothing, sends nothing and reads no clock: whoever runs a
strategy gives it a context, calls its hooks in the data's own order, and stops it alone when one of them throws.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from niftyflow.kit.settings import Settings
from niftyflow.market import Session
from niftyflow.model import Candle, CandleBatch, FillEvent, InstrumentKey, Order, OrderType, Product, Signal

ORDER_VALID_MS = 60_000

Saved = dict[str, Any]
"""A strategy's memory: text, numbers that are finite, booleans, null, and lists and objects of them."""


class Context(Protocol):
    """A strategy's window on the market and on its own orders. Nothing in it waits.

    An order given inside a hook fills after that hook has returned, never within it. Working orders, positions and
    timers survive a restart of the process: they are the account's to keep, not the strategy's.
    """

    @property
    def time(self) -> int:
        """Moment of the data, ms UTC; a candle is told at or after its end."""
        ...

    @property
    def name(self) -> str:
        """The strategy's name in its account."""
        ...

    @property
    def account(self) -> str:
        """The account it trades in."""
        ...

    @property
    def instruments(self) -> Sequence[InstrumentKey]:
        """What it runs on, in order of key."""
        ...

    def position(self, instrument: InstrumentKey) -> int:
        """Return the net units that this strategy holds; below zero when short."""
        ...

    def average_price(self, instrument: InstrumentKey) -> Decimal | None:
        """Return the average cost in rupees of what it holds, or None when it holds nothing."""
        ...

    def last_price(self, instrument: InstrumentKey) -> float | None:
        """Return the last price in rupees known at `time`, or None."""
        ...

    def tick_size(self, instrument: InstrumentKey) -> Decimal:
        """Return the day's step of prices in rupees: an order's price and trigger are multiples of it."""
        ...

    def working_orders(self, instrument: InstrumentKey | None = None) -> list[Order]:
        """Return this strategy's orders that are not final and not asked to be cancelled, oldest first."""
        ...

    def buy(
        self, instrument: InstrumentKey, quantity: int, *, order_type: OrderType = OrderType.MARKET,
        price: Decimal | None = None, trigger: Decimal | None = None, product: Product = Product.MIS,
        valid_for_ms: int = ORDER_VALID_MS, tag: str = "",
    ) -> Order:  # fmt: skip
        """Give an order to buy units, and return it; when the risk gate refused, it is rejected and says why.

        `valid_for_ms` is how long it may wait to be sent; once sent it stands until the session's end.
        """
        ...

    def sell(
        self, instrument: InstrumentKey, quantity: int, *, order_type: OrderType = OrderType.MARKET,
        price: Decimal | None = None, trigger: Decimal | None = None, product: Product = Product.MIS,
        valid_for_ms: int = ORDER_VALID_MS, tag: str = "",
    ) -> Order:  # fmt: skip
        """Give an order to sell units; otherwise as `buy`."""
        ...

    def close(self, instrument: InstrumentKey, tag: str = "") -> Order | None:
        """Cancel the instrument's working orders and bring its position to zero at market; return the exit.

        None when it is flat, or when the exit has to wait for what is being cancelled: the account then sees to it.
        """
        ...

    def cancel(self, client_order_id: str) -> None:
        """Ask for an order to be cancelled; one that is final already stays as it is."""
        ...

    def quantity_for(self, instrument: InstrumentKey, rupees: float) -> int:
        """Return the units, in whole lots, that an amount buys at the last price; 0 when that is not known."""
        ...

    def timer(self, name: str, at: int) -> None:
        """Have `on_timer` called once, when the data's time reaches `at` (ms UTC); the same name again moves it."""
        ...

    def session(self, instrument: InstrumentKey) -> Session | None:
        """Return the instrument's session on the day of `time`, or None when there is none.

        Raises:
            CalendarUnknown: the tables do not know the day.
        """
        ...

    def history(self, instrument: InstrumentKey) -> CandleBatch:
        """Return the instrument's `warm_up` closed 1m candles before the start, as first told, oldest first."""
        ...

    def log(self, event: str, **fields: object) -> None:
        """Tell an event of the strategy, with fields."""
        ...


class Strategy(ABC):
    """A rule that trades. Its memory is whatever `save` returns; it decides by that, its parameters and its context.

    Hooks neither wait nor read anything else, so that the same data gives the same orders. `on_start` is called once,
    when it is started; after a restart of the process `load` is called instead, and it goes on.
    """

    kind: ClassVar[str]
    Parameters: ClassVar[type[Settings]]

    def __init__(self, parameters: Settings) -> None:
        if not isinstance(parameters, self.Parameters):
            raise TypeError(f"{self.kind} takes {self.Parameters.__qualname__}, not {type(parameters).__qualname__}")

    @property
    def warm_up(self) -> int:
        """How many closed 1m candles of each instrument it wants to see before it starts."""
        return 0

    def on_start(self, context: Context) -> None:  # noqa: B027 - a hook that a strategy may leave out
        """Take in the history; nothing may be ordered yet."""

    def on_candle(self, context: Context, candle: Candle) -> None:  # noqa: B027
        """Take in a closed 1m candle as first told: each once, in order of time, then of instrument key."""

    def on_signal(self, context: Context, signal: Signal) -> None:  # noqa: B027
        """Take in a signal about one of its instruments, once."""

    def on_fill(self, context: Context, fill: FillEvent) -> None:  # noqa: B027
        """Take in a trade of its own; the position has changed already."""

    def on_timer(self, context: Context, name: str) -> None:  # noqa: B027
        """Act at a time it asked for."""

    def on_stop(self, context: Context) -> None:  # noqa: B027
        """Prepare to be stopped; what it still holds then is the account's to handle. A process's end stops nothing."""

    def save(self) -> Saved:
        """Return its memory, a copy: after `load` of it, it goes on exactly as if it had never stopped."""
        return {}

    def load(self, saved: Saved) -> None:  # noqa: B027
        """Take its memory back, also after a trip through JSON.

        Raises:
            InvalidValue: it is the memory of another kind of strategy, or of one with other parameters.
        """
