"""Connections to one Redis server, or to the master that Sentinels name: commands out, answers in, a second at most.

The one place that imports redis-py. It tries nothing twice, as who asks knows best what may be done again; it knows no
keys and no meanings.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn

from niftyflow.model import Misconfigured, NiftyflowError, Refused, Unavailable
from niftyflow.storage.redis_address import RedisAddress
from niftyflow.storage.settings import RedisSettings

try:
    import hiredis
    from redis.asyncio import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
    from redis.asyncio.retry import Retry
    from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
    from redis.backoff import NoBackoff
    from redis.exceptions import (
        AuthenticationError,
        AuthorizationError,
        ClusterDownError,
        InvalidResponse,
        NoPermissionError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        RedisError,
        ResponseError,
    )
except ImportError as error:
    raise Misconfigured("the Redis engine needs redis and hiredis: pip install 'niftyflow[cluster]'") from error

# redis-py's own annotations do not pass a strict checker
_sentinel: Any = Sentinel
_sentinel_pool: Any = SentinelConnectionPool

__all__ = ["Command", "NoScriptError", "RedisConnections", "ResponseError"]

Command = tuple[Any, ...]
"""Its name and arguments: str, bytes, int or float."""

QUIET_TIMES: Final = 2
"""A channel on which nothing was heard for so many times an operation's limit is asked whether it is still there."""
SENTINEL_SHARE: Final = 4
"""A Sentinel that hangs may take this part of an operation's time: the next one is asked in the rest."""
MOST_LISTENERS: Final = 1000
PASSING: Final = ("LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "BUSY", "TRYAGAIN", "UNKILLABLE")
"""Answers of a server that cannot now, and can later: it loads, saves no more as its disk is full, runs a script."""


class RedisConnections:
    """A pool of connections, as many at once as the settings allow."""

    def __init__(self, settings: RedisSettings) -> None:
        address = RedisAddress(settings)
        self.server = address.text
        self.has_been_right = False
        """The server was once what it should be: from then on whatever is wrong with it may pass."""
        self._seconds = settings.timeout_seconds
        self._turns = asyncio.Semaphore(settings.connections)
        self._sentinel: Any = None
        self._pool: Any
        options = address.options | {
            "socket_timeout": None,  # the limit of the whole operation stands for that of each read
            "socket_connect_timeout": settings.timeout_seconds,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,
        }
        most = settings.connections + MOST_LISTENERS
        if address.sentinels:
            patience = settings.timeout_seconds / SENTINEL_SHARE
            limits = {"socket_timeout": patience, "socket_connect_timeout": patience}
            of_sentinels = options | limits | address.sentinel_options
            self._sentinel = _sentinel(address.sentinels, sentinel_kwargs=of_sentinels)
            self._pool = _sentinel_pool(settings.sentinel_master, self._sentinel, max_connections=most, **options)
            return
        kind = {"redis": Connection, "rediss": SSLConnection, "unix": UnixDomainSocketConnection}[address.scheme]
        options.pop("ssl", None)
        self._pool = ConnectionPool(connection_class=kind, max_connections=most, **options)

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one go and return their answers, in order; an error of one is an answer too.

        Raises:
            Unavailable: the server is away, or did not answer in time; commands may have been carried out.
            Misconfigured: the server is not what it should be, and never was.
        """
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                return await self._exchange(commands)
        except (RedisError, OSError) as error:
            raise self._told(error) from error

    async def hear(
        self, channels: Sequence[str], begun: Callable[[], None], give: Callable[[str, bytes], None]
    ) -> NoReturn:
        """Subscribe, call `begun`, and `give` each (channel, message), until the connection is lost.

        Raises:
            Unavailable: it is lost, or could not be had.
            Refused: this user may not listen.
        """
        connection: Any = None
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._pool.get_connection()
                early = await _subscribe(connection, channels)
            begun()
            for channel, message in early:
                give(channel, message)
            while True:
                heard = await connection.read_response(timeout=QUIET_TIMES * self._seconds)
                if heard is None:
                    async with asyncio.timeout(self._seconds):
                        await _send(connection, [("PING",)])
                        heard = await connection.read_response(timeout=math.inf)
                if heard[0] == b"message":
                    give(heard[1].decode(), heard[2])
        except ResponseError as error:
            raise self.meaning(error) from error
        except (RedisError, OSError) as error:
            raise self._told(error) from error
        finally:
            if connection is not None:
                await self._give_back(connection, is_fit=False)

    def meaning(self, error: ResponseError) -> NiftyflowError:
        """Return what a server's answer that is an error means to the one who asked."""
        text = str(error)
        if isinstance(error, NoPermissionError):
            return Misconfigured(f"{self.server} does not let this user do it: {text}; change its ACL rules")
        if isinstance(error, OutOfMemoryError):
            return Refused(
                f"the hot store is full: {self.server} has no keys with a life left to drop; delete some, give them a "
                "life, or raise its maxmemory"
            )
        if isinstance(error, ReadOnlyError):
            return self._wrong("is a read-only replica: give the address of its master, or its Sentinels")
        if isinstance(error, ClusterDownError) or text.startswith(PASSING):
            return Unavailable(self.server, text)
        return Refused(text)

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        connection: Any = await self._pool.get_connection()
        is_fit = False
        try:
            await _send(connection, commands)
            answers = [await _answer(connection) for _ in commands]
            is_fit = not any(isinstance(answer, ReadOnlyError) for answer in answers)
            return answers
        finally:
            await self._give_back(connection, is_fit=is_fit)

    async def _give_back(self, connection: Any, *, is_fit: bool) -> None:
        """Give a connection back; one that still owes answers, or leads to a replica, is closed first."""
        if not is_fit:
            await connection.disconnect(nowait=True)
        await self._pool.release(connection)

    def _told(self, error: Exception) -> NiftyflowError:
        if isinstance(error, AuthenticationError | AuthorizationError):
            return self._wrong(f"refuses our credentials ({error}): correct hot.username and hot.password")
        if isinstance(error, MasterNotFoundError):  # its own text shows the whole client
            if "AuthenticationError" in str(error):
                return self._wrong("is not told: its Sentinels refuse our credentials; correct hot.sentinel_password")
            return Unavailable(self.server, "no Sentinel that answers knows a master of that name which is up")
        if isinstance(error, InvalidResponse):
            return self._wrong(f"does not speak Redis's protocol ({error}): correct hot.url")
        if (tls := _certificate_trouble(error)) is not None:
            return self._wrong(f"cannot be trusted over TLS ({tls}): correct hot.ca_file, or the certificates")
        text = str(error) or f"no answer within {self._seconds:g} s"
        return Unavailable(self.server, text)

    def _wrong(self, what: str) -> NiftyflowError:
        return Unavailable(self.server, f"it {what}") if self.has_been_right else Misconfigured(f"{self.server} {what}")


async def _send(connection: Any, commands: Iterable[Command]) -> None:
    await connection.send_packed_command(b"".join(map(hiredis.pack_command, commands)), check_health=False)


async def _subscribe(connection: Any, channels: Sequence[str]) -> list[tuple[str, bytes]]:
    """Subscribe; return the messages of the first channels that came before the last one was confirmed."""
    await _send(connection, [("SUBSCRIBE", *channels)])
    early: list[tuple[str, bytes]] = []
    confirmed = 0
    while confirmed < len(channels):
        kind, channel, what = await connection.read_response(timeout=math.inf)
        if kind == b"message":
            early.append((channel.decode(), what))
        else:
            confirmed += 1
    return early


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _certificate_trouble(error: BaseException | None) -> str | None:
    """Return what is wrong with a certificate, if that is what an error comes from."""
    while error is not None:
        if type(error).__name__ == "SSLCertVerificationError":  # importing ssl costs 10 ms where nobody speaks TLS
            return str(getattr(error, "verify_message", error))
        error = error.__cause__ or error.__context__
    return None
