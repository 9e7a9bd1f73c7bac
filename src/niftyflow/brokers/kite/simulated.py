"""Kite as our own simulator plays it, as a ground of the conformance cases: a market, an account and a login a case.

The login is the page's own, driven without a person. Every call passes a rate governor of its own, and the simulator
keeps Kite's limits, so that both are shown as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import SecretStr

from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.capabilities import RateGate
from niftyflow.brokers.conformance.testkit import (
    ArrivedCall,
    CandleQuestion,
    Case,
    GroundName,
    Needs,
    NobodyThere,
    Stage,
)
from niftyflow.brokers.governor import RateGovernor
from niftyflow.brokers.governor_ledgers import MemoryLedger
from niftyflow.brokers.governor_settings import GovernorSettings
from niftyflow.brokers.kite.adapter import KITE_ADAPTER
from niftyflow.brokers.kite.broker import KiteBroker, kite_settings
from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.matching import MatchingSettings
from niftyflow.brokers.order_book import GttLeg, GttRequest
from niftyflow.brokers.simulator.accounts import Account
from niftyflow.brokers.simulator.accounts import Holding as HeldAtFirst
from niftyflow.brokers.simulator.faults import FaultName, FaultSpec
from niftyflow.brokers.simulator.instruments import with_tokens
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.rest import FrontOptions, steady_ms
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.tape import MINUTE, SECOND, Events, Session
from niftyflow.kit.clock import Clock
from niftyflow.model import (
    Exchange,
    Instrument,
    InstrumentKey,
    Interval,
    Kind,
    OrderState,
    OrderType,
    Product,
    Side,
    split_key,
)

OPENS: Final = 1_767_584_700_000
"""5 January 2026, 09:15 in India: a Monday on which NSE trades."""
SHARES: Final = (InstrumentKey("NSE:HDFCBANK"), InstrumentKey("NSE:RELIANCE"))
CONTRACT: Final = InstrumentKey("NFO:ICICIBANK26JANFUT")
STARTED_MS: Final = 6 * MINUTE
LAST_HALF_HOUR_MS: Final = 345 * MINUTE
ENDED_MS: Final = 30 * MINUTE + 10 * SECOND
NEVER_SECONDS: Final = 3600.0
ACCOUNT: Final = Account(
    user_id="CF0001", api_key="conformancekey01", api_secret="of-the-simulator-only",  # noqa: S106 - of no use
    cash=Decimal(5_000_000), holdings=(HeldAtFirst(key=SHARES[1], quantity=40, average=Decimal(1200)),),
)  # fmt: skip
PATIENCE_SECONDS: Final = 60.0
MARGIN_SECONDS: Final = 1.0
"""The simulator shares this process: a busy moment of one is a late arrival at the other."""
_NOT_SIMULATED: Final = {"variety-co": "the simulator takes no cover orders"}


class MarketWithContract:
    """Half an hour of a generated session whose second share is a future of its own, in lots."""

    def __init__(self, opens: int) -> None:
        self._session = SyntheticSession([(opens, opens + 30 * MINUTE)], symbols=4)
        self.name = "conformance"
        self.sessions: Sequence[Session] = self._session.sessions
        listed = list(self._session.instruments)
        _, symbol = split_key(CONTRACT)
        listed[1] = Instrument(
            exchange=Exchange.NFO, symbol=symbol, kind=Kind.FUTURE, name="ICICIBANK", underlying="ICICIBANK",
            expiry=date(2026, 1, 27), lot_size=700, tick_size=Decimal("0.05"),
        )  # fmt: skip
        self.instruments: Sequence[Instrument] = with_tokens(listed)

    def chunks(self) -> Iterator[Events]:
        """Yield the session's events."""
        return self._session.chunks()


class SessionClock:
    """The simulated session's time."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback

    def now(self) -> int:
        """Return the session's time, ms UTC."""
        return self._playback.position


class UnknownToken(KiteSession):
    """A session whose token Kite has never heard of."""

    async def credentials(self) -> SecretStr:
        """Return that token."""
        return SecretStr("nobody-has-this-token")


class SimulatorFaults:
    """Faults of one simulator."""

    def __init__(self, server: SimulatorServer) -> None:
        self._server = server

    async def lose_answer(self) -> None:
        """Cut the next order call off after it was carried out."""
        self._ask(FaultName.CUT_AFTER_ORDER, 1)

    async def fail_answer(self) -> None:
        """Answer the next order call with 502 after it was carried out."""
        self._ask(FaultName.ERROR_AFTER_ORDER, 1)

    async def refuse_too_many(self, calls: int) -> None:
        """Answer the next order calls with 429."""
        self._ask(FaultName.RATE_STORM, calls, route="/orders/")

    async def end_session(self) -> None:
        """Have every token die."""
        self._ask(FaultName.TOKEN_EXPIRY, 1)

    async def cut_updates(self) -> None:
        """Cut every WebSocket off, once there is one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not len(self._server.clients):  # noqa: ASYNC110  a connection is no event
                await asyncio.sleep(0.01)
        self._ask(FaultName.CUT, 1)

    def _ask(self, name: FaultName, count: int, route: str = "") -> None:
        self._server.front.faults.ask(FaultSpec(name=name, count=count, route=route), steady_ms())
        self._server.service.carry_out_faults()


class KiteSimulator:
    """A simulated exchange in this process, on a free port of the loopback address, new for every case."""

    name = GroundName.SIMULATOR

    def lacks(self, case: Case) -> str:
        """Return what of Kite is not simulated."""
        return _NOT_SIMULATED.get(case.name, "")

    @asynccontextmanager
    async def stage(self, case: Case) -> AsyncIterator[Stage]:
        """Start a market, log in to its account, and for a case that only reads have something to be read."""
        async with served(is_closed=case.is_after_hours) as server:
            clock, options = SessionClock(server.playback), options_at(server)
            limits = GovernorSettings(margin_seconds=MARGIN_SECONDS)
            governor = RateGovernor("conformance", KITE.rate_limits, MemoryLedger(), clock, limits)
            with TemporaryDirectory(prefix="niftyflow-conformance-") as folder:
                account = (options, clock, governor, Path(folder), "conformance")
                await KITE_ADAPTER.log_in(*account, NobodyThere())
                broker = KITE_ADAPTER.broker(*account)
                await broker.open()
                try:
                    stage = stage_of(server, broker, governor, clock)
                    if case.needs is Needs.READS:
                        await live_a_little(stage)
                    yield stage
                finally:
                    await broker.close()
                    await governor.close()


def stage_of(server: SimulatorServer, broker: OrderBroker, gate: RateGate, clock: Clock) -> Stage:
    """Return the stage of a simulator and the adapter that is logged in to it."""

    @asynccontextmanager
    async def stranger() -> AsyncIterator[OrderBroker]:
        settings = kite_settings(options_at(server))
        async with KiteBroker(settings, clock, gate, UnknownToken(settings, clock)) as other:
            yield other

    async def arrivals() -> list[ArrivedCall]:
        return [ArrivedCall(each.group, each.at) for each in server.front.arrivals]

    share = next(each for each in server.playback.source.instruments if each.key == SHARES[0])
    return Stage(
        broker=broker, clock=clock, shares=SHARES, contract=CONTRACT,
        candles=(
            CandleQuestion(share, Interval.M1, OPENS, OPENS + 4 * MINUTE),
            CandleQuestion(share, Interval.M5, OPENS, OPENS + 5 * MINUTE),
        ),
        faults=SimulatorFaults(server), stranger=stranger, arrivals=arrivals, patience_seconds=PATIENCE_SECONDS,
    )  # fmt: skip


@asynccontextmanager
async def served(*, is_closed: bool = False) -> AsyncIterator[SimulatorServer]:
    """Serve a market in which one account may trade; one that `is_closed` has just ended its day."""
    opens = OPENS + LAST_HALF_HOUR_MS if is_closed else OPENS
    playback = Playback(MarketWithContract(opens))
    playback.seek(opens + (ENDED_MS if is_closed else STARTED_MS))
    front = FrontOptions(accounts=(ACCOUNT,), socket_needs_login=True, matching=MatchingSettings(latency_ms=0))
    server = SimulatorServer(playback, speed=1, waits=False, front=front)
    await server.start()
    running = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        server.request_stop()
        await running


def options_at(server: SimulatorServer) -> dict[str, object]:
    """Return the options of the simulator's account; its book is looked into when asked only, so that pushes count."""
    root = server.url.replace("ws://", "http://")
    return {
        "root": root, "login_page": f"{root}/connect/login", "api_key": ACCOUNT.api_key,
        "api_secret": ACCOUNT.api_secret, "socket_root": server.url, "poll_seconds": NEVER_SECONDS,
        "question_timeout_seconds": PATIENCE_SECONDS, "order_timeout_seconds": PATIENCE_SECONDS,
        "socket": {"retry_first_seconds": 0.1, "retry_longest_seconds": 0.5},
    }  # fmt: skip


async def live_a_little(stage: Stage) -> None:
    """Have an order filled, one standing, and a trigger kept, so that there is something to be read."""
    broker, share = stage.broker, stage.shares[0]
    price = await stage.price(share, "0.95")
    await broker.place(stage.intent(share, quantity=10, price=price))
    filled = await broker.place(stage.intent(share, quantity=10, order_type=OrderType.MARKET))
    await stage.heard.until(
        lambda each: each.broker_order_id == filled.broker_order_id and each.state is OrderState.FILLED, "the fill"
    )
    leg = GttLeg(side=Side.BUY, quantity=1, product=Product.CNC, price=price, trigger=price)
    await broker.place_gtt(GttRequest(instrument=share, last_price=await stage.last(share), legs=(leg,)))
