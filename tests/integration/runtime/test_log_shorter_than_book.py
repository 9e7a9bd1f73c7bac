"""A log that lost its last records in a power cut, while the book, which is synchronous, has taken them in."""

from __future__ import annotations

from niftyflow.kit.clock import VirtualClock
from niftyflow.model import TickBatch, Watermark
from niftyflow.runtime.parts import Parts
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import engines
from niftyflow.runtime.workspace import Workspace
from niftyflow.trading.desk import TradingDesk
from support.buses import ticks
from support.waiting import until

TIME = 1_705_549_560_000


def mark(time: int) -> Watermark:
    """Return a watermark."""
    return Watermark(time=time, partition=0, source="test", healthy=True)


async def test_what_comes_at_the_lost_records_places_is_taken_in(tmp_path):
    """They are new records under old offsets: the account must not think that it knows them."""
    settings = AppSettings()
    async with engines(Workspace(tmp_path), settings) as on:
        await on.bus.publish("raw-ticks", [ticks(3), mark(TIME)])
        desk = TradingDesk(on.bus, on.book, on.market, on.hot, on.health.worker("trading"), settings.trading)
        desk.progress = {("raw-ticks", 0): 500, ("market_candles", 0): 20, ("signals", 0): 7}
        part, commands = await Parts(on, settings, VirtualClock()).trading(desk)
        for topic in ("market_candles", "signals"):
            await on.bus.publish(topic, [mark(TIME + 60_000)])
        await on.bus.publish("raw-ticks", [ticks(2), mark(TIME + 60_000)])
        found = []

        async def came() -> bool:
            found.extend(await part.reader.poll())
            return bool(found)

        await until(came)
        (batch,) = found
        assert [len(each.body) for each in batch.body.segments if isinstance(each.body, TickBatch)] == [2]
        await part.reader.close()
        await commands.reader.close()
