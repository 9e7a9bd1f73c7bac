"""The hot store on Redis (or Valkey): latest values, small caches and channels that the processes of a cluster share.

A batch is one round trip; every operation ends within its second; a lost connection is made again by whoever asks
next, and listeners go on by themselves. Nothing here tries an operation twice or waits for the server to come back.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from niftyflow.model import Misconfigured, NiftyflowError, Unavailable
from niftyflow.storage import token_bucket
from niftyflow.storage.hot_values import check_entry, check_life, check_scores, parsed_id
from niftyflow.storage.listening import Listener, OnHearing
from niftyflow.storage.redis_client import Command, NoScriptError, RedisConnections, ResponseError
from niftyflow.storage.redis_hearing import Hearing
from niftyflow.storage.settings import RedisSettings

LEAST_VERSION: Final = (6, 2)
"""The first that reads a stream after an id."""
FILL: Final = """\
for first = 3, #ARGV, 1000 do
  redis.call(ARGV[1], KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""Fill a hash or sorted set and give it a life; neither where the key is of another type. ARGV: command, ms, pairs."""


def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


FILL_SHA: Final = _sha(FILL)
TAKE_SHA: Final = _sha(token_bucket.SCRIPT)


class RedisHotStore:
    """`HotStore` on a server that others share; `dropped` counts messages that slow listeners lost."""

    is_shared = True

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._prefix = settings.prefix
        self._connections: RedisConnections | None = None
        self._hearing: set[Hearing] = set()
        self.dropped = 0

    async def open(self) -> None:
        """Connect, and see whether the server will do.

        Raises:
            Misconfigured: it refuses us, is a replica, is no Redis or too old a one, or may drop keys without a life.
            Unavailable: it does not answer.
        """
        if self._connections is not None:
            return
        connections = RedisConnections(self._settings)
        try:
            answer = (await connections.ask([("INFO",)]))[0]
            if isinstance(answer, ResponseError):
                raise connections.meaning(answer)
            _check(connections.server, _told(answer))
        except (NiftyflowError, asyncio.CancelledError):
            await connections.close()
            raise
        connections.has_been_right = True
        self._connections = connections

    async def close(self) -> None:
        """End the listeners and disconnect."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await asyncio.gather(*(hearing.stop() for hearing in list(self._hearing)))
            await connections.close()

    async def ping(self) -> None:
        """Return when the server answers.

        Raises:
            Unavailable: it does not.
        """
        await self._ask(("PING",))

    async def set_many(self, values: Mapping[str, bytes], ttl_seconds: float | None = None) -> None:
        """Set strings over whatever their keys held, in one round trip, each with the life given, or none.

        Raises:
            Refused: the life is over at once, or memory is full of keys without a life.
            Unavailable: the server is away; some may be set.
        """
        milliseconds = _life(ttl_seconds)
        if milliseconds is not None:
            await self._ask(*(("SET", self._prefix + key, value, "PX", milliseconds) for key, value in values.items()))
        elif values:
            await self._ask(("MSET", *_flat((self._prefix + key, value) for key, value in values.items())))

    async def get(self, key: str) -> bytes | None:
        """Return a string, or None when absent or past its life.

        Raises:
            Refused: the key holds another type.
            Unavailable: the server is away.
        """
        found: bytes | None = await self._answer("GET", self._prefix + key)
        return found

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return strings in the order asked, all of one moment; None also for a key of another type.

        Raises:
            Unavailable: the server is away.
        """
        found: list[bytes | None] = await self._answer("MGET", *self._named(keys)) if keys else []
        return found

    async def delete(self, *keys: str) -> int:
        """Remove keys of any type; return how many there were.

        Raises:
            Unavailable: the server is away; they may be gone.
        """
        return int(await self._answer("DEL", *self._named(keys))) if keys else 0

    async def ttl(self, key: str) -> float | None:
        """Return the seconds a key has left: None without a life, -2 when it is absent.

        Raises:
            Unavailable: the server is away.
        """
        left = int(await self._answer("PTTL", self._prefix + key))
        return {-1: None, -2: -2.0}.get(left, left / 1000)

    async def set_hashes(self, hashes: Mapping[str, Mapping[str, bytes]], ttl_seconds: float | None = None) -> None:
        """Set fields of hashes in one round trip; other fields stay, and without a life given the one they have.

        Raises:
            Refused: a key holds another type (the others are set), the life is over at once, or memory is full.
            Unavailable: the server is away; some may be set.
        """
        filled = {key: _flat(fields.items()) for key, fields in hashes.items() if fields}
        await self._fill("HSET", filled, _life(ttl_seconds))

    async def get_hash(self, key: str) -> dict[str, bytes]:
        """Return a hash, empty when absent.

        Raises:
            Refused: the key holds another type.
            Unavailable: the server is away.
        """
        return _fields(await self._answer("HGETALL", self._prefix + key))

    async def add_to_stream(self, key: str, fields: Mapping[str, bytes], max_length: int) -> str:
        """Append an entry, trim to about `max_length`, return its id.

        Raises:
            Refused: there are no fields, the key holds another type, or memory is full of keys without a life.
            Unavailable: the server is away; the entry may be there.
        """
        return (await self.add_all_to_stream(key, [fields], max_length))[0]

    async def add_all_to_stream(self, key: str, entries: Sequence[Mapping[str, bytes]], max_length: int) -> list[str]:
        """Append entries in one round trip, trim to about `max_length`, return their ids in order.

        Raises:
            Refused: one has no fields, the key holds another type, or memory is full of keys without a life.
            Unavailable: the server is away; some may be there.
        """
        for entry in entries:
            check_entry(entry)
        begin = ("XADD", self._prefix + key, "MAXLEN", "~", max_length, "*")
        return [id_.decode() for id_ in await self._ask(*((*begin, *_flat(entry.items())) for entry in entries))]

    async def read_stream(self, key: str, after: str = "0-0", count: int = 1000) -> list[tuple[str, dict[str, bytes]]]:
        """Return up to `count` entries with an id greater than `after`, oldest first.

        Raises:
            Refused: `after` is no id, or the key holds another type.
            Unavailable: the server is away.
        """
        parsed_id(after)
        found = await self._answer("XRANGE", self._prefix + key, f"({after}", "+", "COUNT", max(count, 1))
        return [(id_.decode(), _fields(flat)) for id_, flat in found[: max(count, 0)]]

    async def set_scores(self, key: str, scores: Mapping[str, float], ttl_seconds: float | None = None) -> None:
        """Add or change members of a sorted set; without a life given the key keeps the one it has.

        Raises:
            Refused: a score is not a number, the key holds another type, the life is over at once, or memory is full.
            Unavailable: the server is away; they may be set.
        """
        check_scores(scores)
        pairs = _flat((repr(float(score)), member) for member, score in scores.items())
        await self._fill("ZADD", {key: pairs} if pairs else {}, _life(ttl_seconds))

    async def top(self, key: str, count: int, *, highest: bool = True) -> list[tuple[str, float]]:
        """Return (member, score), best first; equal scores by member, in the same direction.

        Raises:
            Refused: the key holds another type.
            Unavailable: the server is away.
        """
        if count <= 0:
            return []
        order = ("REV",) if highest else ()
        flat = await self._answer("ZRANGE", self._prefix + key, 0, count - 1, *order, "WITHSCORES")
        return [(member.decode(), float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)]

    async def publish(self, channel: str, message: bytes) -> int:
        """Send to those who listen now, in any process; return how many.

        Raises:
            Unavailable: the server is away; it may have been sent.
        """
        return int(await self._answer("PUBLISH", self._prefix + channel, message))

    def listen(self, *channels: str, on_hearing: OnHearing | None = None) -> AsyncIterator[tuple[str, bytes]]:
        """Return (channel, message) from when the server knows of it, a moment later, which `on_hearing` is told.

        After a lost connection it goes on by itself, and `on_hearing` is told False and then True. A listener too slow
        for its bounded queue loses the oldest. It ends with the store, with its `aclose`, or when nobody holds it.

        Raises:
            Unavailable: the store is not open.
        """
        hearing = Hearing(self._opened(), self._prefix, channels, self._count_dropped)
        listener = Listener(self._settings.listener_messages, on_hearing, lambda _one: hearing.end())
        self._hearing.add(hearing)
        hearing.begin(listener, self._hearing.discard)
        return listener

    async def take_tokens(self, key: str, rate: float, burst: int, now: float | None = None) -> float:
        """Take a token from the bucket of a key; return 0, or the seconds after which there will be one.

        Raises:
            Refused: the rate or burst is none, or the key holds another type.
            Unavailable: the server is away; a token may be taken.
        """
        token_bucket.check(rate, burst)
        at = "" if now is None else repr(now)
        life = round(token_bucket.life_seconds(rate, burst) * 1000)
        given = (repr(float(rate)), burst, at, repr(token_bucket.ALMOST_ONE), life)
        return float(await self._answer("EVALSHA", TAKE_SHA, 1, self._prefix + key, *given))

    async def _fill(self, command: str, pairs: Mapping[str, list[Any]], milliseconds: int | None) -> None:
        if milliseconds is None:
            await self._ask(*((command, self._prefix + key, *flat) for key, flat in pairs.items()))
            return
        begin = ("EVALSHA", FILL_SHA, 1)
        await self._ask(*((*begin, self._prefix + key, command, milliseconds, *flat) for key, flat in pairs.items()))

    def _named(self, keys: Iterable[str]) -> list[str]:
        return [self._prefix + key for key in keys]

    async def _answer(self, *command: Any) -> Any:
        return (await self._ask(command))[0]

    async def _ask(self, *commands: Command) -> list[Any]:
        """Send commands in one go; return their answers, or raise the first that is an error once all are carried out.

        A server that started since does not know our scripts: they are told, and everything is sent again.
        """
        connections = self._opened()
        if not commands:
            return []
        answers = await connections.ask(commands)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await connections.ask([("SCRIPT", "LOAD", FILL), ("SCRIPT", "LOAD", token_bucket.SCRIPT)])
            answers = await connections.ask(commands)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise connections.meaning(answer) from answer
        return answers

    def _count_dropped(self) -> None:
        self.dropped += 1

    def _opened(self) -> RedisConnections:
        if self._connections is None:
            raise Unavailable("hot store", "it is not open")
        return self._connections


def _life(ttl_seconds: float | None) -> int | None:
    if ttl_seconds is None:
        return None
    check_life(ttl_seconds)
    return max(1, round(ttl_seconds * 1000))


def _flat(pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
    return [each for pair in pairs for each in pair]


def _fields(flat: Sequence[bytes]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _told(info: bytes) -> dict[str, str]:
    """Return what a server tells of itself."""
    lines = (line.partition(":") for line in info.decode("utf-8", "replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def _check(server: str, told: Mapping[str, str]) -> None:
    """Refuse a server on which what must stay could go.

    Raises:
        Misconfigured: saying what to change.
    """
    version = told.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < LEAST_VERSION:
        raise Misconfigured(f"{server} is version {version}: it must be 6.2 or newer, or Valkey")
    if told.get("redis_mode") == "cluster":
        raise Misconfigured(f"{server} is part of a Redis Cluster: give a single server, or Sentinels")
    if told.get("role") != "master":
        raise Misconfigured(f"{server} is a read-only replica: give the address of its master, or its Sentinels")
    policy = told.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys"):
        raise Misconfigured(
            f"{server} may drop any key when its memory is full (maxmemory-policy {policy}): set maxmemory-policy to "
            "volatile-lru, which drops only keys that have a life; any other volatile-… and noeviction will do as well"
        )
