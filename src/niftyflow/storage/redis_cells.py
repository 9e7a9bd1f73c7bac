"""Small texts that the processes of a cluster change one after the other, on Redis: read, and swapped if unchanged.

What the texts mean, and how they change, is their owner's alone. Redis may forget them, or fall back to older ones
when a replica takes over: an owner must be able to live with that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final

from niftyflow.model import Unavailable
from niftyflow.storage.redis_client import NoScriptError, RedisConnections, ResponseError
from niftyflow.storage.settings import RedisSettings

SWAP: Final = """\
local held = redis.call('GET', KEYS[1])
if (held or '') == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return {}
end
local time = redis.call('TIME')
return {time[1], time[2], held}
"""
"""KEYS: the text. ARGV: what it must be (empty: absent), what it becomes, life in ms. Gives none, or time and text."""
SWAP_SHA: Final = hashlib.sha1(SWAP.encode(), usedforsecurity=False).hexdigest()
MOST_TRIES: Final = 50
"""Each failure is another's success, so that many mean more contention than any account can have."""
LIFE_SECONDS: Final = 2 * 86_400.0

Change = Callable[[bytes | None, int], bytes]
"""From what is held (None: nothing) and the server's time (ms), what is held from then on."""


class RedisCells:
    """Texts by name on one server; it must not drop keys, which the hot store makes sure of when it opens."""

    is_volatile = True

    def __init__(self, settings: RedisSettings, life_seconds: float = LIFE_SECONDS) -> None:
        self._settings = settings
        self._life = round(life_seconds * 1000)
        self._connections: RedisConnections | None = None

    async def open(self) -> None:
        """Make ready to connect, which the first change does."""
        if self._connections is None:
            self._connections = RedisConnections(self._settings)

    async def close(self) -> None:
        """Disconnect."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    async def ping(self) -> None:
        """Return when the server answers.

        Raises:
            Unavailable: it does not.
        """
        await self._ask(("PING",))

    async def change(self, name: str, rule: Change) -> None:
        """Replace a text by what `rule` makes of it; it is called again when another process was quicker.

        Raises:
            Unavailable: the server is away, in all within an operation's time; the text may have been replaced.
            Refused: the name holds another type.
            Misconfigured: the server refuses us.
        """
        key = f"{self._settings.prefix}{name}"
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                time, held = await self._ask(("TIME",), ("GET", key))
                for _ in range(MOST_TRIES):
                    new = rule(held, _milliseconds(*time))
                    answer = (await self._ask(("EVALSHA", SWAP_SHA, 1, key, held or b"", new, self._life)))[0]
                    if not answer:
                        return
                    *time, held = (*answer, None)[:3]
        except TimeoutError as error:
            seconds = self._settings.timeout_seconds
            raise Unavailable(self._opened().server, f"no change within {seconds:g} s") from error
        raise Unavailable(self._opened().server, f"others changed {name} {MOST_TRIES} times meanwhile")

    async def _ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        connections = self._opened()
        answers = await connections.ask(commands)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await connections.ask([("SCRIPT", "LOAD", SWAP)])
            answers = await connections.ask(commands)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise connections.meaning(answer) from answer
        return answers

    def _opened(self) -> RedisConnections:
        if self._connections is None:
            raise Unavailable("Redis", "it is not open")
        return self._connections


def _milliseconds(seconds: bytes, microseconds: bytes) -> int:
    return int(seconds) * 1000 + int(microseconds) // 1000
