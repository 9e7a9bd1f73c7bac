"""What a process answers to those who ask it (calls), and how commands are given inside it.

It joins questions to the layers that know: analysis, trading, the graph's own picture. It computes nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from niftyflow.analysis import on_demand
from niftyflow.analysis.indicator_history import indicator_history
from niftyflow.analysis.latest import LatestScorecards
from niftyflow.bus.following import follow
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.clock import Clock
from niftyflow.kit.log import get_logger
from niftyflow.model import (
    Interval,
    Refused,
    Retryable,
    Scorecard,
    Unavailable,
    UnknownInstrument,
    parse_instrument,
)
from niftyflow.model.account_views import AccountView
from niftyflow.runtime.commanding import GivenCommands
from niftyflow.runtime.decisions import Stores
from niftyflow.runtime.explanation import Explanation, Sources, explain
from niftyflow.runtime.parts import Part
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.supervisor import keep
from niftyflow.runtime.system import SystemPicture
from niftyflow.runtime.wiring import Engines
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.cache import Cache
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.trading.account_view import account_view
from niftyflow.trading.desk import TradingDesk
from niftyflow.trading.strategies import kinds

log = get_logger(__name__)

WORKER: Final = "gateway-answers"
KEPT_SECONDS: Final = 5.0
"""How long a scorecard that was computed because none was told is given again."""
MOST_KEPT: Final = 1_000
PAST_MS: Final = 10 * 86_400_000
"""How far back the last candle may lie of an instrument that counts among the newest."""


class OwnAnswers:
    """What only a process itself knows. `desk` gives who trades in it now, None when nobody does."""

    def __init__(self, desk: Callable[[], TradingDesk | None], system: SystemPicture) -> None:
        self._desk = desk
        self._system = system
        self.caller = LocalCaller({"account": self.account, "system": self.system})

    async def account(self) -> AccountView:
        """Return how the account stands now, positions at their last price.

        Raises:
            Unavailable: nobody trades it in this process now.
        """
        desk = self._desk()
        if desk is None or desk.account is None:
            raise Unavailable("trading", "the account is not open in this process")
        return account_view(desk.account)

    async def system(self) -> dict[str, Any]:
        """Return the picture of the running graph."""
        return await self._system.look()


class Answers(OwnAnswers):
    """The questions that a gateway asks, answered from the engines of its process."""

    def __init__(
        self, on: Engines, settings: AppSettings, clock: Clock, desk: Callable[[], TradingDesk | None],
        system: SystemPicture, channel: CacheChannel,
    ) -> None:  # fmt: skip
        super().__init__(desk, system)
        self._on = on
        self._settings = settings
        self._clock = clock
        self._latest = LatestScorecards()
        self._computed: Cache[Scorecard] = Cache(
            channel, "analyses", self._analyzed, encode=msgspec.json.encode,
            decode=msgspec.json.Decoder(Scorecard).decode, seconds=KEPT_SECONDS, most=MOST_KEPT,
        )  # fmt: skip
        self.caller = LocalCaller(
            {
                "analyze": self.analyze, "scorecards": self.scorecards, "indicator": self.indicator,
                "account": self.account, "strategy_kinds": self.strategy_kinds, "why": self.why, "system": self.system,
            }
        )  # fmt: skip

    async def run(self) -> None:
        """Keep the newest scorecards at hand, until cancelled: those told from now on, and the last ones before."""
        begun = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._on.bus, "analysis_updates", self._latest.take_batch, begun=begun))
            await begun.wait()
            await self._look_back()

    async def _look_back(self) -> None:
        since = max(0, self._clock.now() - PAST_MS)
        try:
            for cards in await on_demand.newest(
                self._on.market, self._on.decisions, since, settings=self._settings.analysis
            ):
                self._latest.take(cards)
        except (Retryable, Refused) as error:
            log.warning("scorecards_not_at_hand", reason=str(error))

    # -- analysis --------------------------------------------------------------------------------------------------

    async def analyze(self, symbol: str, at: int | None = None) -> Scorecard:
        """Return the scorecard of the last candle that had ended at `at` (ms UTC; None: the newest).

        Raises:
            InvalidValue: that is no instrument's name.
            UnknownInstrument: no candle of it is stored.
            Refused: none of its candles had ended by then.
        """
        key = str(parse_instrument(symbol))
        if at is not None:
            return await self._analyzed(key, at)
        card = self._latest.card(key) or await self._computed.get(key)
        if card is None:
            raise UnknownInstrument(f"no candle of {key} is stored")
        return card

    async def _analyzed(self, key: str, at: int | None = None) -> Scorecard:
        on = self._on
        return await on_demand.analyze(on.market, on.decisions, key, at, settings=self._settings.analysis)

    async def scorecards(self) -> list[Scorecard]:
        """Return the newest scorecard of every instrument that had one lately, by key."""
        return self._latest.cards()

    async def indicator(
        self, name: str, symbol: str, interval: Interval = Interval.M1, limit: int = 500,
        parameters: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return an indicator over stored candles; see `indicator_history`."""
        return await indicator_history(
            self._on.market, name, symbol, interval=interval, limit=limit, parameters=parameters
        )

    # -- trading ---------------------------------------------------------------------------------------------------

    async def strategy_kinds(self) -> list[dict[str, Any]]:
        """Return every kind of strategy with its parameters as a JSON schema."""
        return kinds()

    async def why(self, order_id: str) -> Explanation:
        """Return the chain from an order back to the trades that made the candle it was decided on.

        Raises:
            Refused: no order of that id is in the book.
        """
        on = self._on
        order = await on.book.order(order_id)
        if order is None:
            raise Refused(f"no order {order_id} is in the book")
        stores = Stores(on.book, on.market, on.decisions)
        (found,) = await explain(Sources(stores, on.bus, on.journal, self._settings.analysis), [order])
        return found


@asynccontextmanager
async def answering(
    on: Engines, settings: AppSettings, clock: Clock, workspace: Workspace, *, desk: Callable[[], TradingDesk | None],
    parts: Callable[[], Sequence[Part]],
) -> AsyncIterator[tuple[LocalCaller, GivenCommands]]:  # fmt: skip
    """Answer questions and take commands for the time of a `with`; `parts` gives what runs in this process now."""
    channel = CacheChannel(on.hot)
    answers = Answers(on, settings, clock, desk, SystemPicture(on, clock, workspace, parts), channel)
    commands = GivenCommands(on.bus, on.book)
    worker, stopping = on.health.worker(WORKER), asyncio.Event()

    async def run() -> None:
        worker.runs()
        async with asyncio.TaskGroup() as group:
            group.create_task(answers.run(), name="answers")
            group.create_task(commands.run(), name="given-commands")

    await channel.open()
    running = asyncio.create_task(keep(WORKER, [worker], run, run, stopping), name=WORKER)
    try:
        yield answers.caller, commands
    finally:
        stopping.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await channel.close()
        worker.stops()
