"""The second tier of a cache: values that the processes share in the hot store. It loads nothing itself.

A value carries the stamp that its key had before it was loaded. Invalidating a key changes its stamp first, so a value
loaded before is never read again, whoever puts it there and however late. A hot store that is away is no error here:
it is said once, left alone for a second, and done without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar
from uuid import uuid4

import msgspec

from niftyflow.kit.log import get_logger
from niftyflow.model import DecodeError, Refused, Retryable
from niftyflow.storage.ports import HotStore

log = get_logger(__name__)

T = TypeVar("T")

REST_SECONDS: Final = 1.0
"""For how long a hot store that failed is not asked: each question could take its whole second."""
SPARE_SECONDS: Final = 5.0
LARGEST_BYTES: Final = 8 * 1024 * 1024
"""A larger value is not shared: one round trip would hold up everybody else's."""


class Patience:
    """Whether the hot store is worth asking now; one for all caches of a process."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._rests_until = float("-inf")
        self._is_away = False

    @property
    def rests(self) -> bool:
        """Whether it failed a moment ago."""
        return self._seconds() < self._rests_until

    def failed(self, error: Exception) -> None:
        """Leave the hot store alone for a moment, and say so if it is news."""
        self._rests_until = self._seconds() + REST_SECONDS
        if not self._is_away:
            log.warning("cache_without_hot_store", reason=str(error))
        self._is_away = True

    def answered(self) -> None:
        """Say that it is back, if it was away."""
        if self._is_away:
            log.info("cache_with_hot_store_again")
        self._is_away = False


class HotTier(Generic[T]):
    """Values of one kind, kept for `seconds`; a load takes `load_seconds` at most."""

    def __init__(
        self, hot: HotStore, patience: Patience, kind: str, *, seconds: float, load_seconds: float,
        encode: Callable[[T], bytes], decode: Callable[[bytes], T],
    ) -> None:  # fmt: skip
        self._hot = hot
        self._patience = patience
        self._kind = kind
        self._seconds = seconds
        self._stamp_seconds = seconds + load_seconds + SPARE_SECONDS  # no value stamped before is left by then
        self._encode = encode
        self._decode = decode

    async def get(self, key: str) -> tuple[T | None, bytes] | None:
        """Return a key's value (None: it has none) and its stamp, or None when the hot store is away."""
        if self._patience.rests:
            return None
        try:
            stored, stamp = await self._hot.get_many([self._value_key(key), self._stamp_key(key)])
        except (Retryable, Refused) as error:
            self._patience.failed(error)
            return None
        self._patience.answered()
        stamp = stamp or b""
        return self._read(stored, stamp), stamp

    async def put(self, key: str, value: T, stamp: bytes) -> None:
        """Share a value under the stamp its key had before it was loaded; do without when the hot store is away."""
        if self._patience.rests:
            return
        stored = _mark(stamp) + self._encode(value)
        if len(stored) > LARGEST_BYTES:
            return
        try:
            await self._hot.set_many({self._value_key(key): stored}, self._seconds)
        except (Retryable, Refused) as error:
            self._patience.failed(error)

    async def forget(self, keys: Sequence[str]) -> None:
        """Make every value of these keys that was loaded before now void, and remove those that are there.

        Raises:
            Retryable: the hot store is away; it may be done.
            Refused: it is full.
        """
        await self._hot.set_many({self._stamp_key(key): uuid4().bytes for key in keys}, self._stamp_seconds)
        await self._hot.delete(*map(self._value_key, keys))

    def _read(self, stored: bytes | None, stamp: bytes) -> T | None:
        mark = _mark(stamp)
        if stored is None or not stored.startswith(mark):
            return None
        try:
            return self._decode(stored[len(mark) :])
        except (DecodeError, msgspec.DecodeError, ValueError) as error:
            log.warning("cached_value_unreadable", kind=self._kind, reason=str(error))
            return None

    def _value_key(self, key: str) -> str:
        return f"cache:{self._kind}:{key}"

    def _stamp_key(self, key: str) -> str:
        return f"cache:stamp:{self._kind}:{key}"


def _mark(stamp: bytes) -> bytes:
    """Return what a value begins with that was loaded under a stamp; no mark begins another."""
    return bytes([len(stamp) % 256]) + stamp
