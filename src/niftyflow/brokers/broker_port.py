"""The order half of the broker port: everything an account can be asked or told, whoever the broker is.

An adapter implements `OrderBroker` whole; what its broker cannot do is said in `capabilities`, and asking for it raises
`InputRefused`. Every call passes the account's rate gate, has a time limit, and is sent once: nothing here retries.

Errors common to every question: `SessionDead`, `RateLimited`, `PermissionRefused`, `InputRefused`, `Unavailable` (no
answer, or one that cannot be: nothing was changed), `DecodeError` (an answer that is not what the broker promises).
Whatever changes something raises instead of `Unavailable` and `DecodeError` either `NotSent` or `OutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from niftyflow.brokers.account_book import (
    BasketMargin,
    BrokerSession,
    Charges,
    Conversion,
    Funds,
    Holding,
    Margin,
    Positions,
    PricedOrder,
    Profile,
)
from niftyflow.brokers.capabilities import Capabilities
from niftyflow.brokers.errors import OrderRejected
from niftyflow.brokers.order_book import (
    BrokerOrder,
    BrokerTrade,
    Gtt,
    GttRequest,
    OrderChange,
    OrderUpdates,
    Placed,
    Terms,
)
from niftyflow.brokers.quotes import MasterRow, Ohlc, Quote
from niftyflow.model import CandleBatch, Instrument, InstrumentKey, Interval, Order


class OrderBroker(Protocol):
    """One account at one broker."""

    @property
    def capabilities(self) -> Capabilities:
        """What the broker can do, as data."""
        ...

    @property
    def order_updates(self) -> OrderUpdates:
        """The account's order updates; they flow between `open` and `close`."""
        ...

    async def open(self) -> None:
        """Make room for connections and start the order updates; nothing is asked of the broker yet.

        Raises:
            Misconfigured: an address would send credentials in the open.
        """
        ...

    async def close(self) -> None:
        """Stop the order updates and close every connection."""
        ...

    # Orders. Cancelling the task that awaits one of these leaves the outcome unknown, as a time-out does.

    async def place(self, order: Order, terms: Terms = ...) -> Placed:
        """Send an intent once, with its client order id, and return the broker's id for it.

        Raises:
            OrderRejected: the broker refused it, for good.
            OutcomeUnknown: it may have been taken.
            NotSent: it surely did not leave.
            RateLimited: the broker refused it for coming too soon; it was not taken.
            SessionDead: the token is dead; it was not taken.
            InputRefused: a field is wrong, here or in the broker's eyes; it was not taken.
            PermissionRefused: the account may not; it was not taken.
        """
        ...

    async def modify(self, change: OrderChange) -> Placed:
        """Ask for a change of a standing order; whether the exchange takes it is told by the order's updates.

        Raises:
            OrderRejected: the broker refused the change; the order stands as it was.
            OutcomeUnknown: the change may have been taken.
            NotSent, RateLimited, SessionDead, InputRefused, PermissionRefused: as `place`; nothing was changed.
        """
        ...

    async def cancel(self, order: BrokerOrder) -> Placed:
        """Ask for a standing order's end; whether it was still in time is told by the order's updates.

        Raises:
            OrderRejected: the broker refused: most often it has filled or ended before.
            OutcomeUnknown: the cancellation may have been taken.
            NotSent, RateLimited, SessionDead, InputRefused, PermissionRefused: as `place`; nothing was changed.
        """
        ...

    async def orders(self) -> list[BrokerOrder]:
        """Return the day's order book, orders of others and of other programs too.

        Raises: what every question raises. Absence of an order from the book is no statement about it.
        """
        ...

    def refusal(self, order: BrokerOrder) -> OrderRejected:
        """Return what a refused order of the book means: the broker's words, ours, and what to do. Asks nothing."""
        ...

    async def order_history(self, broker_order_id: str) -> list[BrokerOrder]:
        """Return every state an order has gone through, oldest first.

        Raises: what every question raises; `InputRefused` for an id that the broker does not know.
        """
        ...

    async def trades(self, broker_order_id: str = "") -> list[BrokerTrade]:
        """Return the day's trades, or those of one order.

        Raises: what every question raises; `InputRefused` for an id that the broker does not know.
        """
        ...

    # The account.

    async def positions(self) -> Positions:
        """Return the positions, net and of the day. Raises: what every question raises."""
        ...

    async def convert(self, conversion: Conversion) -> None:
        """Hold a position as another product.

        Raises:
            OrderRejected: the broker refused; the position is as it was.
            OutcomeUnknown: it may have been done; the positions tell.
            NotSent, RateLimited, SessionDead, InputRefused, PermissionRefused: as `place`; nothing was changed.
        """
        ...

    async def holdings(self) -> list[Holding]:
        """Return the delivered shares. Raises: what every question raises."""
        ...

    async def funds(self) -> list[Funds]:
        """Return the money of each segment. Raises: what every question raises."""
        ...

    async def profile(self) -> Profile:
        """Return who the account belongs to. Raises: what every question raises."""
        ...

    async def margins(self, orders: Sequence[tuple[Order, Terms]]) -> list[Margin]:
        """Return what each order would need by itself. Raises: what every question raises."""
        ...

    async def basket_margin(
        self, orders: Sequence[tuple[Order, Terms]], *, with_positions: bool = True
    ) -> BasketMargin:
        """Return what orders would need together, hedges counted. Raises: what every question raises."""
        ...

    async def charges(self, orders: Sequence[PricedOrder]) -> list[Charges]:
        """Return what each order costs by the broker's contract note. Raises: what every question raises."""
        ...

    # Triggers kept by the broker. They carry no id of ours: an unknown outcome is resolved by `gtts`.

    async def place_gtt(self, request: GttRequest) -> str:
        """Hand triggers in and return the broker's id for them. Raises: as `place`."""
        ...

    async def modify_gtt(self, gtt_id: str, request: GttRequest) -> str:
        """Replace triggers by others. Raises: as `modify`."""
        ...

    async def cancel_gtt(self, gtt_id: str) -> str:
        """Take triggers back. Raises: as `cancel`."""
        ...

    async def gtts(self) -> list[Gtt]:
        """Return the triggers the broker keeps or has kept. Raises: what every question raises."""
        ...

    # The market, asked once.

    async def instruments(self) -> list[MasterRow]:
        """Return the whole master of today. Raises: what every question raises."""
        ...

    async def history(self, instrument: Instrument, interval: Interval, since: int, until: int) -> CandleBatch:
        """Return the broker's candles that start in [since, until) (ms UTC), oldest first, in as many calls as needed.

        The candle of a minute that is not over yet is among them when the broker gives it: ask for what is past.

        Raises: what every question raises; a part that fails fails the whole.
        """
        ...

    async def quotes(self, instruments: Sequence[InstrumentKey]) -> Mapping[InstrumentKey, Quote]:
        """Return full quotes; an unknown instrument is missing. Raises: what every question raises."""
        ...

    async def last_prices(self, instruments: Sequence[InstrumentKey]) -> Mapping[InstrumentKey, Decimal]:
        """Return last prices; an unknown instrument is missing. Raises: what every question raises."""
        ...

    async def ohlc(self, instruments: Sequence[InstrumentKey]) -> Mapping[InstrumentKey, Ohlc]:
        """Return the day's four prices; an unknown instrument is missing. Raises: what every question raises."""
        ...

    # The session.

    def login_url(self, state: str = "") -> str:
        """Return where the account's owner logs in; `state` comes back with the answer, so that it can be known."""
        ...

    async def session_of_today(self) -> BrokerSession | None:
        """Return the session, with the moment its token dies; null when nobody has logged in. Asks the broker nothing.

        Raises:
            Misconfigured: the file it lies in may be read by others.
        """
        ...

    async def exchange(self, request_token: str) -> BrokerSession:
        """Turn the login's one-time token into a session, and use it from now on.

        Raises: what every question raises; `SessionDead` for a token that is used, old or of another app, and
        `InputRefused` for a wrong secret.
        """
        ...

    async def invalidate(self) -> None:
        """End the session at the broker; every program that uses its token is logged out.

        Raises: what every question raises.
        """
        ...
