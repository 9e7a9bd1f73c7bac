"""Postbacks: order updates sent by HTTP to the URL an account has given, signed as Kite signs them.

One sender and one bounded queue an account, so updates of an account go out in order; a full queue drops the oldest,
and one that cannot be delivered is dropped with a warning: Kite does not try again either. Never slows the exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from niftyflow.kit.log import get_logger

QUEUE = 1000
TIMEOUT_SECONDS = 5.0
STATUSES = frozenset({"COMPLETE", "CANCELLED", "REJECTED", "UPDATE"})
"""What Kite posts back; that an order is open it tells on the WebSocket only."""

log = get_logger(__name__)


class Postbacks:
    """The senders of all accounts that have a URL."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        """Send to these URLs, by user."""
        self._urls = {user: url for user, url in urls.items() if url}
        self._queues: dict[str, asyncio.Queue[bytes]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None
        self.sent = 0
        self.lost = 0

    def start(self) -> None:
        """Begin to send."""
        if not self._urls:
            return
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        for user, url in self._urls.items():
            queue = self._queues[user] = asyncio.Queue(QUEUE)
            self._tasks.append(asyncio.ensure_future(self._send(self._http, url, queue)))

    def wants(self, user: str, status: str) -> bool:
        """Return whether this update is to be posted."""
        return user in self._queues and status in STATUSES

    def post(self, user: str, update: Mapping[str, Any]) -> None:
        """Queue an update."""
        queue = self._queues[user]
        if queue.full():
            queue.get_nowait()
            self.lost += 1
            log.warning("postback_dropped", user=user, reason="the queue is full")
        queue.put_nowait(msgspec.json.encode(update))

    async def stop(self) -> None:
        """Stop sending; what waits is dropped."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _send(self, http: aiohttp.ClientSession, url: str, queue: asyncio.Queue[bytes]) -> None:
        while True:
            body = await queue.get()
            try:
                async with http.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                    await answer.read()
                self.sent += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                self.lost += 1
                log.warning("postback_lost", url=url, reason=str(error) or type(error).__name__)
