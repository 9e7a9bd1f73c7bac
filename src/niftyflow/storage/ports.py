"""What the other layers ask of storage. Each port has a contract suite that every engine passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Protocol

import msgspec

from niftyflow.model import Candle, CandleBatch, FeedGap, Instrument, Interval


class RepairRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A minute to be fetched from a broker's history; `time` is its start in ms UTC."""

    instrument: str
    time: int
    reason: str


class MarketStore(Protocol):
    """Candles, instruments, gaps: everything about the market that must last."""

    async def open(self) -> None:
        """Connect and bring the schema up to date.

        Raises:
            Misconfigured: the folder is read-only, the disk full, or the file newer than this program.
        """
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            Retryable: it does not.
        """
        ...

    async def upsert_candles(self, batch: CandleBatch) -> int:
        """Store 1m or 1d candles in one statement; a row wins only with a higher revision. Return rows that won.

        When a higher revision replaces revision 0, revision 0 is kept in `candle_revisions`.

        Raises:
            Retryable: the database is away, locked or full.
            Refused: the interval is neither 1m nor 1d.
        """
        ...

    async def upsert_all(self, batches: Iterable[CandleBatch]) -> int:
        """Store several batches as `upsert_candles` does, but in one transaction; return rows that won.

        Batches are taken one at a time, so that more than fits in memory is stored whole or not at all. Another
        process that writes waits meanwhile.

        Raises:
            Retryable: the database is away, locked or full; nothing was stored.
            Refused: as `upsert_candles`; nothing was stored.
        """
        ...

    async def candles(
        self, instrument: str, interval: Interval, since: int, until: int, limit: int | None = None
    ) -> CandleBatch:
        """Return stored candles with `since` <= time < `until` (ms UTC), oldest first; `limit` keeps the newest."""
        ...

    async def save_bases(self, bases: CandleBatch) -> None:
        """Remember what a minute without a candle taught of its instruments: `day_volume`, and `close` (0: untraded).

        Saving one again (same instrument and time) changes nothing.
        """
        ...

    async def last_candles(self, since: int, until: int) -> CandleBatch:
        """Return each instrument's last 1m candle, or saved base, with `since` <= time < `until`, as first told.

        It is what a restart goes on from, so a candle that was corrected comes with its revision 0.
        """
        ...

    async def first_told(self, since: int, until: int, instruments: Sequence[str] | None = None) -> CandleBatch:
        """Return 1m candles with `since` <= time < `until` (ms UTC) as first told, by time and then by instrument.

        A corrected candle comes with its revision 0; one that began as a correction is left out. None: all instruments.
        """
        ...

    async def first_time(self, instruments: Sequence[str]) -> Mapping[str, int]:
        """Return the start (ms UTC) of each instrument's first stored 1m candle; those without one are left out."""
        ...

    async def first_revision(self, instrument: str, interval: Interval, time: int) -> Candle | None:
        """Return revision 0 of a candle that was corrected later, or None."""
        ...

    async def count_candles(self, interval: Interval, since: int, until: int) -> Mapping[str, int]:
        """Return the number of stored candles of each instrument in the span."""
        ...

    async def incomplete_minutes(self, instrument: str, since: int, until: int) -> list[int]:
        """Return start times of the stored 1m candles that are marked incomplete."""
        ...

    async def save_instruments(self, instruments: Sequence[Instrument]) -> int:
        """Upsert by (key, valid_from); return how many were new or different."""
        ...

    async def instruments(self, on: date) -> list[Instrument]:
        """Return the instruments valid on a day."""
        ...

    async def add_gaps(self, gaps: Sequence[FeedGap]) -> None:
        """Record spans in which a feed was not observed; recording one again changes nothing."""
        ...

    async def gaps(self, since: int, until: int) -> list[FeedGap]:
        """Return the gaps that touch the span, oldest first."""
        ...

    async def request_repairs(self, repairs: Sequence[RepairRequest]) -> None:
        """Queue minutes for repair; queueing one again changes nothing."""
        ...

    async def repairs(self) -> list[RepairRequest]:
        """Return the queued minutes, oldest first."""
        ...


class HotStore(Protocol):
    """Latest values, small caches, pub/sub: Redis's semantics, all of which may vanish.

    `is_shared` says whether other processes see what it holds.
    """

    is_shared: bool

    async def open(self) -> None:
        """Connect."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            Retryable: it does not.
        """
        ...

    async def set_many(self, values: Mapping[str, bytes], ttl_seconds: float | None = None) -> None:
        """Set strings in one round trip, each with the life given."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Return a string, or None when absent or past its life."""
        ...

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return strings in the order asked."""
        ...

    async def delete(self, *keys: str) -> int:
        """Remove keys of any type; return how many there were."""
        ...

    async def ttl(self, key: str) -> float | None:
        """Return the seconds a key has left: None without a life, -2 when it is absent."""
        ...

    async def set_hashes(self, hashes: Mapping[str, Mapping[str, bytes]], ttl_seconds: float | None = None) -> None:
        """Set fields of hashes in one round trip; other fields of a hash stay."""
        ...

    async def get_hash(self, key: str) -> dict[str, bytes]:
        """Return a hash, empty when absent."""
        ...

    async def add_to_stream(self, key: str, fields: Mapping[str, bytes], max_length: int) -> str:
        """Append an entry, trim to about `max_length`, return its id."""
        ...

    async def add_all_to_stream(self, key: str, entries: Sequence[Mapping[str, bytes]], max_length: int) -> list[str]:
        """Append entries in one round trip, as `add_to_stream` does; return their ids in order."""
        ...

    async def read_stream(self, key: str, after: str = "0-0", count: int = 1000) -> list[tuple[str, dict[str, bytes]]]:
        """Return entries with an id greater than `after`."""
        ...

    async def set_scores(self, key: str, scores: Mapping[str, float], ttl_seconds: float | None = None) -> None:
        """Add or change members of a sorted set."""
        ...

    async def top(self, key: str, count: int, *, highest: bool = True) -> list[tuple[str, float]]:
        """Return (member, score), best first; ties by member as Redis orders them."""
        ...

    async def publish(self, channel: str, message: bytes) -> int:
        """Send to those who listen now; return how many."""
        ...

    def listen(
        self, *channels: str, on_hearing: Callable[[bool], None] | None = None
    ) -> AsyncIterator[tuple[str, bytes]]:
        """Yield (channel, message) from now on; a listener too slow for its bounded queue loses the oldest.

        It goes on by itself when the store was away. `on_hearing` is told what that means, at once and not in turn:
        True when from now on all is heard, False when messages may be missed, or have been, until the next True.
        """
        ...

    async def take_tokens(self, key: str, rate: float, burst: int, now: float | None = None) -> float:
        """Take a token from the bucket of a key; return 0, or the seconds after which there will be one.

        The bucket gets `rate` tokens a second and holds `burst`. All who share the store share it; `now` (seconds)
        stands for the store's own clock.
        """
        ...


class Lease(Protocol):
    """Something owned by one process at a time; `fence` grows with every owner."""

    name: str
    fence: int

    @property
    def is_taken(self) -> bool:
        """Whether another owner is known to have had it since: it will never be ours again."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether it is surely ours at this moment: not once it was lost, given back, or not renewed in time.

        One that was not renewed in time may be ours again, until it `is_taken`.
        """
        ...

    async def lost(self) -> None:
        """Return when it is not surely ours: its owner could not say for too long that it lives, or it `is_taken`.

        It never is by giving it back. What such an owner still writes is refused by its fence.
        """
        ...

    async def release(self) -> None:
        """Give it back."""
        ...


class Leases(Protocol):
    """Exclusive ownership, gone when the owner dies."""

    async def acquire(self, name: str) -> Lease:
        """Take a lease at once.

        Raises:
            LeaseHeld: naming who holds it.
        """
        ...
