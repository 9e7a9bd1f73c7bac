"""The recorded ground of any broker: its recordings, served to its own adapter, which logs in with the recorded answer.

What differs from broker to broker is data: which recording answers which route, and what leads an adapter here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from niftyflow.brokers.adapter import BrokerAdapter
from niftyflow.brokers.conformance.cards import GroundName
from niftyflow.brokers.conformance.case import Case, Needs, NotRun
from niftyflow.brokers.conformance.replayed import ReplayServer, Route
from niftyflow.brokers.conformance.stage import CandleQuestion, Stage
from niftyflow.brokers.governor import RateGovernor
from niftyflow.brokers.governor_ledgers import MemoryLedger
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import InstrumentKey, NiftyflowError


class NobodyThere:
    """`LoginTalk` of a login that no person takes part in."""

    def show(self, page: str) -> None:
        """Show nothing."""

    def waits_at(self, address: str, seconds: float) -> None:
        """Say nothing."""

    async def ask(self, _: str) -> str:
        """Answer nothing."""
        return ""


@dataclass(frozen=True, kw_only=True)
class RecordedGround:
    """Recorded answers of one broker.

    `options` are the account's, for a server at a root; `given` is the one-time token of the recorded login. `shares`
    and `candles` are what was asked for when it was recorded. `by_itself` are routes that the adapter asks without
    being told to. `at` (ms UTC) is the adapter's time.
    """

    adapter: BrokerAdapter
    answers: Mapping[Route, bytes]
    options: Callable[[str], Mapping[str, object]]
    shares: tuple[InstrumentKey, ...]
    at: int
    candles: tuple[CandleQuestion, ...] = ()
    given: str = "recorded"
    by_itself: tuple[Route, ...] = ()

    name = GroundName.RECORDED

    def lacks(self, case: Case) -> str:
        """Return that there are no recordings, or that they cannot be ordered at."""
        if not self.answers:
            return "there are no recordings in the folder"
        return "" if case.needs is Needs.READS else "recordings tell one moment; an order changes it"

    @asynccontextmanager
    async def stage(self, _: Case) -> AsyncIterator[Stage]:
        """Serve the recordings to an adapter that is logged in.

        Raises:
            NotRun: the login is not recorded.
        """
        clock = VirtualClock(self.at)
        governor = RateGovernor("recorded", self.adapter.capabilities.rate_limits, MemoryLedger(), clock)
        with TemporaryDirectory(prefix="niftyflow-conformance-") as folder:
            async with ReplayServer(self.answers).served() as replay:
                account = (self.options(replay.root), clock, governor, Path(folder), "recorded")
                try:
                    await self.adapter.log_in(*account, NobodyThere(), self.given)
                except NiftyflowError as error:
                    raise NotRun(replay.excuse() or f"the recorded login is of no use: {error}") from error
                broker = self.adapter.broker(*account)
                await broker.open()
                try:
                    for route in self.by_itself:
                        await replay.asked(route)
                    replay.forget()
                    yield Stage(
                        broker=broker, clock=clock, shares=self.shares, candles=self.candles, is_consistent=False,
                        excuse=replay.excuse,
                    )  # fmt: skip
                finally:
                    await broker.close()
                    await governor.close()
