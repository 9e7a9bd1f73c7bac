"""Recorded answers, served on this machine to an adapter that believes them to be its broker's.

It gives each route the one answer that was recorded, whatever is asked of it; what was not recorded is answered 404 and
written down, so that nobody takes a missing recording for a failing adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Self

from aiohttp import web

Route = tuple[str, str]
"""A method and a path, without its query."""
LAST_ANSWER_SECONDS: Final = 0.2


class ReplayServer:
    """Answers by method and path. `root` is its address while it is served."""

    def __init__(self, answers: Mapping[Route, bytes]) -> None:
        self.root = ""
        self._answers = dict(answers)
        self._asked: dict[Route, asyncio.Event] = {}
        self._in_vain: set[Route] = set()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Self]:
        """Serve on a free port of the loopback address."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=LAST_ANSWER_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.root = site.name
            yield self
        finally:
            await runner.cleanup()

    async def asked(self, route: Route) -> None:
        """Wait until a route has been asked."""
        await self._asked.setdefault(route, asyncio.Event()).wait()

    def forget(self) -> None:
        """Forget what was asked in vain so far: it was the adapter's own doing, and no case's."""
        self._in_vain.clear()

    def excuse(self) -> str:
        """Return what was asked for and is not recorded; empty: nothing."""
        missing = ", ".join(f"{method} {path}" for method, path in sorted(self._in_vain))
        return f"not recorded: {missing}" if missing else ""

    async def _answer(self, request: web.Request) -> web.Response:
        route = (request.method, request.path)
        self._asked.setdefault(route, asyncio.Event()).set()
        body = self._answers.get(route)
        if body is None:
            self._in_vain.add(route)
            return web.Response(status=404, text="there is no recording of this")
        kind = "application/json" if body[:1] in b"{[" else "text/csv"
        return web.Response(body=body, content_type=kind)
