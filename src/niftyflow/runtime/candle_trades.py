"""The trades that made a candle: read from the journal, and folded again by plain arithmetic to see that they did.

The arithmetic is written from the rules of docs/explanation/candles.md alone and shares nothing with the fold it
checks. It reads one pass for any number of candles, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np

from niftyflow.bus.port import Batch, Bus, Start, Subscription
from niftyflow.kit.log import get_logger
from niftyflow.market import day_start, ist_day
from niftyflow.model import Candle, DecodeError, TickBatch, Watermark

log = get_logger(__name__)

TOPIC = "raw-ticks"
MINUTE_MS = 60_000
LATE_MS = 5 * MINUTE_MS
"""How long after its end a candle is still corrected by late trades."""

COMPARED = ("open", "high", "low", "close", "volume", "trades")


class Minute(NamedTuple):
    """A candle asked about: the instrument's key, and the candle's start in ms UTC."""

    instrument: str
    time: int


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A tick of the journal that told of a trade. `price` in rupees, times in ms UTC; `offset` is its place there."""

    offset: int
    traded_at: int
    received: int
    sequence: int
    price: float
    quantity: int
    day_volume: int


class Refolded(msgspec.Struct, frozen=True, kw_only=True):
    """A candle from its trades alone."""

    open: float
    high: float
    low: float
    close: float
    volume: int
    trades: int


class MadeOf(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal knows of a candle.

    `trades` are those of its minute that had come when it was told, in order of trading, repeats left out; a candle
    without any is flat, and they are then the last one before it (`is_flat`). `ticks` counts repeats too, `late` the
    ticks that came after the candle was told. `verdict` is "agrees", or says what is not as told.
    """

    trades: list[Trade]
    ticks: int
    late: int
    is_flat: bool
    refolded: Refolded | None
    agrees: bool
    verdict: str


class Asked(NamedTuple):
    """A candle as first told, and the candle told before it on the same day (None where there is none)."""

    candle: Candle
    before: Candle | None


@dataclass(slots=True)
class _Read:
    """What a pass over the journal found."""

    ticks: dict[str, list[Trade]] = field(default_factory=dict)
    closed_at: dict[int, int] = field(default_factory=dict)
    """End of a minute → offset of the first watermark at or after it: what came before was in time."""
    first_offset: int = -1
    first_time: int = 0
    """Of the first watermark kept."""
    newest: int = 0

    def reaches_back_to(self, time: int) -> bool:
        """Whether everything traded from `time` on is still there."""
        return self.first_offset == 0 or 0 < self.first_time <= time


async def made_of(journal: Bus, asked: Mapping[Minute, Asked]) -> dict[Minute, MadeOf]:
    """Return what the journal knows of candles, in one pass over it.

    Raises:
        Retryable: the journal's disk does not answer.
    """
    if not asked:
        return {}
    read = await _read(journal, list(asked))
    return {minute: _judge(read, minute, told) for minute, told in asked.items()}


async def _read(journal: Bus, minutes: Sequence[Minute]) -> _Read:
    read = _Read()
    keys = {minute.instrument for minute in minutes}
    ends = sorted({minute.time + MINUTE_MS for minute in minutes}, reverse=True)
    since, until = day_start(ist_day(ends[-1])), ends[0] + LATE_MS
    reader = await journal.subscribe(TOPIC, group=None, start=Start.EARLIEST)
    try:
        while read.newest < until and (batches := await _poll(reader)):
            for batch in batches:
                if read.first_offset < 0:
                    read.first_offset = batch.offset
                if isinstance(batch.body, TickBatch):
                    _keep(read, batch.body, batch.offset, keys, since)
                elif isinstance(batch.body, Watermark):
                    _pass(read, batch.body, batch.offset, ends)
    finally:
        await reader.close()
    return read


async def _poll(reader: Subscription) -> list[Batch]:
    """Return what follows; a stored record that cannot be read is left out."""
    while True:
        try:
            return await reader.poll(timeout_seconds=0)
        except DecodeError as error:
            log.warning("record_left_out", topic=TOPIC, reason=error.reason)


def _pass(read: _Read, mark: Watermark, offset: int, ends: list[int]) -> None:
    read.first_time = read.first_time or mark.time
    read.newest = max(read.newest, mark.time)
    while ends and ends[-1] <= mark.time:
        read.closed_at[ends.pop()] = offset


def _keep(read: _Read, ticks: TickBatch, offset: int, keys: Iterable[str], since: int) -> None:
    wanted = [index for index, name in enumerate(ticks.names.names) if name.key in keys]
    rows = np.flatnonzero(np.isin(ticks.name, wanted) & (ticks.received >= since))
    chosen = ticks.take(rows)
    for row, key, at, received, sequence, price, quantity, day_volume in zip(
        rows.tolist(), chosen.keys(), chosen.traded_at.tolist(), chosen.received.tolist(), chosen.sequence.tolist(),
        chosen.ltp.tolist(), chosen.volume.tolist(), chosen.day_volume.tolist(), strict=True,
    ):  # fmt: skip
        trade = Trade(
            offset=offset + row, traded_at=at, received=received, sequence=sequence, price=price, quantity=quantity,
            day_volume=day_volume,
        )  # fmt: skip
        read.ticks.setdefault(key, []).append(trade)


# -- arithmetic ----------------------------------------------------------------------------------------------------


def _judge(read: _Read, minute: Minute, told: Asked) -> MadeOf:
    since, end = day_start(ist_day(minute.time)), minute.time + MINUTE_MS
    of_day = [tick for tick in read.ticks.get(minute.instrument, []) if tick.received >= since]
    closed_at = read.closed_at.get(end)
    in_time = [tick for tick in of_day if closed_at is None or tick.offset < closed_at]
    ticks = [tick for tick in in_time if minute.time <= tick.traded_at < end]
    late = sum(minute.time <= tick.traded_at < end for tick in of_day) - len(ticks)
    trades = sorted(without_repeats(ticks), key=lambda trade: (trade.traded_at, trade.sequence))
    earlier = [tick for tick in in_time if tick.traded_at < minute.time]
    of_today = without_repeats(tick for tick in earlier if tick.traded_at >= since)
    last = max(reversed(of_today), key=lambda tick: (tick.traded_at, tick.sequence), default=None)
    if not read.reaches_back_to(minute.time):
        return _unknown(trades, len(ticks), late)
    is_whole = read.reaches_back_to(since)
    if not trades:
        price = last.price if last else told.before.close if told.before and not is_whole else None
        refolded = None if price is None else _flat(price)
        shown = [last] if last else []
    else:
        refolded, shown = _fold(trades, _volume_before(earlier, since, told.before, is_whole=is_whole)), trades
    verdict = _difference(told.candle, refolded)
    return MadeOf(
        trades=shown, ticks=len(ticks), late=late, is_flat=not trades, refolded=refolded, agrees=not verdict,
        verdict=verdict or "agrees",
    )  # fmt: skip


def without_repeats(ticks: Iterable[Trade]) -> list[Trade]:
    """Return ticks, given as they came, without those that repeat the last trade told of their second."""
    last: dict[int, tuple[int, int]] = {}
    kept = []
    for tick in ticks:
        what = tick.traded_at, tick.day_volume
        if last.get(tick.traded_at // 1000) != what:
            last[tick.traded_at // 1000] = what
            kept.append(tick)
    return kept


def _volume_before(earlier: Sequence[Trade], since: int, before: Candle | None, *, is_whole: bool) -> int | None:
    """Return the day's volume when the minute began, or None where nothing told it.

    A tick of today whose last trade is of an earlier day tells that it was 0. Where the journal does not reach back to
    the day's beginning, the candle before says it.
    """
    known = [tick.day_volume if tick.traded_at >= since else 0 for tick in earlier]
    if before is not None and not is_whole:
        known.append(before.day_volume)
    return max(known, default=None)


def _fold(trades: Sequence[Trade], volume_before: int | None) -> Refolded:
    prices = [trade.price for trade in trades]
    start = trades[0].day_volume if volume_before is None else volume_before
    return Refolded(
        open=prices[0], high=max(prices), low=min(prices), close=prices[-1],
        volume=max(0, max(trade.day_volume for trade in trades) - start), trades=len(trades),
    )  # fmt: skip


def _flat(price: float) -> Refolded:
    return Refolded(open=price, high=price, low=price, close=price, volume=0, trades=0)


def _difference(candle: Candle, refolded: Refolded | None) -> str:
    """Return what is not as told; empty when all is."""
    if refolded is None:
        return "the journal holds no trade of it, nor one before it on that day"
    differing = [
        f"{name} was told as {getattr(candle, name):,}, the trades give {getattr(refolded, name):,}"
        for name in COMPARED
        if getattr(candle, name) != getattr(refolded, name)
    ]
    return "; ".join(differing)


def _unknown(trades: list[Trade], ticks: int, late: int) -> MadeOf:
    return MadeOf(
        trades=trades, ticks=ticks, late=late, is_flat=False, refolded=None, agrees=False,
        verdict="the journal does not hold its ticks any more (it keeps 24 hours)",
    )  # fmt: skip
