"""What tests of ingestion share: ticks of a moment, and a feed that plays a script of events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from niftyflow.brokers.port import FeedEvent
from niftyflow.ingestion.intake import Record
from niftyflow.model import Instrument, NameTable, TickBatch, Watermark
from support.records import a_tick

DAY = 1_705_549_500_000
"""2024-01-18 09:15 IST, ms UTC: a Thursday's open."""


class Ticks:
    """Makes batches that share one name table, as a feed's do."""

    def __init__(self) -> None:
        self._names = NameTable()

    def of(self, *ticks: dict[str, Any]) -> TickBatch:
        """Return a batch of such ticks; one field is always `at`, ms after `DAY`."""
        records = []
        for fields in ticks:
            at = DAY + fields.pop("at")
            times = {"timestamp": at, "traded_at": at, "received": at}
            records.append(a_tick(**({"sequence": 0, "source": "test"} | times | fields)))
        good = [record for record in records if record.ltp == record.ltp and record.ltp > 0]
        if len(good) == len(records):
            return TickBatch.from_records(records, self._names)
        batch = TickBatch.from_records([a_tick(symbol=each.symbol, source="test") for each in records], self._names)
        columns = {field: [getattr(each, field) for each in records] for field in TickBatch.COLUMNS if field != "name"}
        return TickBatch(self._names, name=batch.name, **columns)


class ScriptedFeed:
    """A feed that gives one list of events at each reading, then stays silent until stopped."""

    source = "test"

    def __init__(self, *script: list[FeedEvent]) -> None:
        self._script = list(script)
        self._stopped = asyncio.Event()
        self.started: list[Instrument] = []
        self.readings = 0
        self.heard_at = 1 << 60

    async def start(self, instruments: Sequence[Instrument]) -> None:
        """Note what was asked for."""
        self.started = list(instruments)

    async def read(self) -> list[FeedEvent]:
        """Give the next events."""
        if not self._script:
            await self._stopped.wait()
            return []
        self.readings += 1
        return self._script.pop(0)

    async def stop(self) -> None:
        """Let a reader go."""
        self._stopped.set()


def numbers(bodies: Iterable[Record]) -> list[tuple[int, int]]:
    """Return (offset in the log, sequence) of every tick, the first body being at offset 0."""
    found, offset = [], 0
    for body in bodies:
        if isinstance(body, Watermark):
            offset += 1
        else:
            found += [(offset + row, number) for row, number in enumerate(body.sequence.tolist())]
            offset += len(body)
    return found


def marks(bodies: Iterable[Record]) -> list[tuple[int, bool]]:
    """Return (ms after `DAY`, healthy) of every watermark."""
    return [(body.time - DAY, body.healthy) for body in bodies if isinstance(body, Watermark)]
