"""`OrderBroker` of one Kite account: its routes, session and order updates behind the port, and nothing else.

Every call is one request, or a few of the same kind, through the account's rate gate. It decides and retries nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

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
from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.capabilities import Capabilities, RateGate
from niftyflow.brokers.errors import OrderRejected
from niftyflow.brokers.kite.capabilities import KITE, NAME
from niftyflow.brokers.kite.failures import order_rejected
from niftyflow.brokers.kite.history import KiteHistory
from niftyflow.brokers.kite.login import login
from niftyflow.brokers.kite.market_data import KiteMarketData
from niftyflow.brokers.kite.orders import KiteOrders
from niftyflow.brokers.kite.portfolio import KitePortfolio
from niftyflow.brokers.kite.rest import KiteRest
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.brokers.kite.updates import KiteOrderUpdates
from niftyflow.brokers.order_book import (
    BrokerOrder,
    BrokerTrade,
    Gtt,
    GttRequest,
    OrderChange,
    Placed,
    Terms,
)
from niftyflow.brokers.quotes import MasterRow, Ohlc, Quote
from niftyflow.brokers.sealed import SealedSessions
from niftyflow.kit.clock import Clock
from niftyflow.kit.settings import readable
from niftyflow.model import CandleBatch, Instrument, InstrumentKey, Interval, Order

PLAIN: Final = Terms()


class KiteBroker:
    """One account at Kite, or at anything that speaks its REST. Open it first; `async with` does."""

    def __init__(
        self, settings: KiteRestSettings, clock: Clock, gate: RateGate, session: KiteSession | None = None
    ) -> None:
        self.session = session or KiteSession(settings, clock)
        self._settings = settings
        self._rest = KiteRest(settings, gate, self.session.credentials, self.session.doubt)
        self._orders = KiteOrders(self._rest)
        self._portfolio = KitePortfolio(self._rest)
        self._market = KiteMarketData(self._rest, clock, settings)
        self._history = KiteHistory(self._rest)
        self._updates = KiteOrderUpdates(settings, clock, self.session.credentials, self._orders.orders)

    @property
    def capabilities(self) -> Capabilities:
        """What Kite can do."""
        return KITE

    @property
    def order_updates(self) -> KiteOrderUpdates:
        """The account's order updates; `start` them to have them flow."""
        return self._updates

    async def open(self) -> None:
        """Make room for connections and start the order updates."""
        await self._rest.open()
        await self._updates.start()

    async def close(self) -> None:
        """Stop the order updates and close every connection."""
        await self._updates.stop()
        await self._rest.close()

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def place(self, order: Order, terms: Terms = PLAIN) -> Placed:
        """Send an intent once, its client order id in the tag."""
        return await self._orders.place(order, terms)

    async def modify(self, change: OrderChange) -> Placed:
        """Ask for a change of a standing order."""
        return await self._orders.modify(change)

    async def cancel(self, order: BrokerOrder) -> Placed:
        """Ask for a standing order's end."""
        return await self._orders.cancel(order)

    async def orders(self) -> list[BrokerOrder]:
        """Return the day's order book."""
        return await self._orders.orders()

    def refusal(self, order: BrokerOrder) -> OrderRejected:
        """Return what a refused order of the book means."""
        return order_rejected(order.reason)

    async def order_history(self, broker_order_id: str) -> list[BrokerOrder]:
        """Return an order's states, oldest first."""
        return await self._orders.order_history(broker_order_id)

    async def trades(self, broker_order_id: str = "") -> list[BrokerTrade]:
        """Return the day's trades, or one order's."""
        return await self._orders.trades(broker_order_id)

    async def positions(self) -> Positions:
        """Return the positions, net and of the day."""
        return await self._portfolio.positions()

    async def convert(self, conversion: Conversion) -> None:
        """Hold a position as another product."""
        await self._portfolio.convert(conversion)

    async def holdings(self) -> list[Holding]:
        """Return the delivered shares."""
        return await self._portfolio.holdings()

    async def funds(self) -> list[Funds]:
        """Return the money of each segment."""
        return await self._portfolio.funds()

    async def profile(self) -> Profile:
        """Return who the account belongs to."""
        return await self._portfolio.profile()

    async def margins(self, orders: Sequence[tuple[Order, Terms]]) -> list[Margin]:
        """Return what each order would need by itself."""
        return await self._portfolio.margins(orders)

    async def basket_margin(
        self, orders: Sequence[tuple[Order, Terms]], *, with_positions: bool = True
    ) -> BasketMargin:
        """Return what orders would need together."""
        return await self._portfolio.basket_margin(orders, with_positions=with_positions)

    async def charges(self, orders: Sequence[PricedOrder]) -> list[Charges]:
        """Return what each order costs by Kite's contract note."""
        return await self._portfolio.charges(orders)

    async def place_gtt(self, request: GttRequest) -> str:
        """Hand triggers in."""
        return await self._portfolio.place_gtt(request)

    async def modify_gtt(self, gtt_id: str, request: GttRequest) -> str:
        """Replace triggers by others."""
        return await self._portfolio.modify_gtt(gtt_id, request)

    async def cancel_gtt(self, gtt_id: str) -> str:
        """Take triggers back."""
        return await self._portfolio.cancel_gtt(gtt_id)

    async def gtts(self) -> list[Gtt]:
        """Return the triggers Kite keeps."""
        return await self._portfolio.gtts()

    async def instruments(self) -> list[MasterRow]:
        """Return the whole master of today."""
        return await self._market.instruments()

    async def history(self, instrument: Instrument, interval: Interval, since: int, until: int) -> CandleBatch:
        """Return the candles that start in [since, until), ms UTC."""
        return await self._history.candles(instrument, interval, since, until)

    async def quotes(self, instruments: Sequence[InstrumentKey]) -> dict[InstrumentKey, Quote]:
        """Return full quotes."""
        return await self._market.quotes(instruments)

    async def last_prices(self, instruments: Sequence[InstrumentKey]) -> dict[InstrumentKey, Decimal]:
        """Return last prices."""
        return await self._market.last_prices(instruments)

    async def ohlc(self, instruments: Sequence[InstrumentKey]) -> dict[InstrumentKey, Ohlc]:
        """Return the day's four prices."""
        return await self._market.ohlc(instruments)

    def login_url(self, state: str = "") -> str:
        """Return the page on which the account's owner logs in."""
        return self.session.login_url(state)

    async def session_of_today(self) -> BrokerSession | None:
        """Return the session, with the moment its token dies; None when nobody has logged in."""
        return await self.session.look()

    async def exchange(self, request_token: str) -> BrokerSession:
        """Turn the login's one-time token into a session."""
        return await self.session.exchange(self._rest, request_token)

    async def invalidate(self) -> None:
        """End the session at Kite."""
        await self.session.invalidate(self._rest)


async def log_in(
    settings: KiteRestSettings, clock: Clock, gate: RateGate, sealed: SealedSessions, show: Callable[[str], None],
    where: Callable[[str], None] | None = None, *, given: str = "",
) -> BrokerSession:  # fmt: skip
    """Log in as `niftyflow login kite` does: show the page, await its answer, exchange it, seal the session.

    A one-time token that was `given` is exchanged at once, and no page is shown.

    Raises:
        SessionDead, Misconfigured, InputRefused, Unavailable, RateLimited, DecodeError: as `login`.
        OSError: the session cannot be written.
    """
    session = KiteSession(settings, clock, sealed)
    rest = KiteRest(settings, gate, session.credentials, session.doubt)
    await rest.open()
    try:
        return await (session.exchange(rest, given) if given else login(settings, session, rest, show, where))
    finally:
        await rest.close()


def kite_settings(options: Mapping[str, object], account: str = "") -> KiteRestSettings:
    """Return the settings that an account's options are.

    Raises:
        Misconfigured: an option cannot be; it is named, and no value is.
    """
    try:
        return KiteRestSettings.model_validate(dict(options))
    except ValidationError as error:
        where = f"options of the broker account {account}" if account else "options"
        raise readable(error, where, shows_values=False) from None


def kite_broker(options: Mapping[str, object], clock: Clock, gate: RateGate, folder: Path, account: str) -> OrderBroker:
    """Return the adapter for an account whose sealed session lies in a folder.

    `options` are the fields of `KiteRestSettings`.

    Raises:
        Misconfigured: an option cannot be, or the account's name cannot be part of a file name.
    """
    settings = kite_settings(options, account)
    return KiteBroker(settings, clock, gate, KiteSession(settings, clock, SealedSessions(folder, NAME, account)))
