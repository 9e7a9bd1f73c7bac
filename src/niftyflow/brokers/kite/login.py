"""A whole login at Kite: the page is opened, its answer awaited on this machine, the one-time token exchanged.

The page that answers is served for one login only and on the loopback address only; it shows nothing of what it got.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.errors import SessionDead
from niftyflow.brokers.kite.capabilities import NAME
from niftyflow.brokers.kite.rest import KiteRest
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.kit.addresses import listening, spelled_host
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured

log = get_logger(__name__)

_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<title>niftyflow</title><body style="font-family:sans-serif;margin:4em"><h1>{title}</h1><p>{text}</p></body></html>"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
}
_LAST_ANSWER_SECONDS: Final = 2.0


class Callback:
    """The page that Kite sends the browser to; only an answer with this login's `state` counts."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def request_token(self) -> str:
        """Return the one-time token once the browser brings it.

        Raises:
            SessionDead: the login was given up, or failed at Kite.
        """
        return await self._answer

    async def answer(self, request: web.Request) -> web.Response:
        """Take the browser's request, whatever its path: the app has registered one of its own."""
        query = request.query
        if not hmac.compare_digest(query.get("state", "").encode(), self._state.encode()):
            log.warning("login_answer_refused", broker=NAME)
            return _page(400, "This is not the login that niftyflow waits for", "Start it again from the terminal.")
        token = query.get("request_token", "")
        if query.get("status", "success") != "success" or not token:
            self._settle(SessionDead(NAME, "", "the login was given up or failed at Kite: start it again"))
            return _page(400, "Kite did not log you in", "Start it again from the terminal.")
        self._settle(token)
        return _page(200, "Kite has answered", "You may close this page; the terminal says whether you are logged in.")

    def _settle(self, answer: str | SessionDead) -> None:
        """Keep the first answer; a page loaded again changes nothing."""
        if self._answer.done():
            return
        if isinstance(answer, str):
            self._answer.set_result(answer)
        else:
            self._answer.set_exception(answer)


async def login(
    settings: KiteRestSettings, session: KiteSession, rest: KiteRest, show: Callable[[str], None],
    where: Callable[[str], None] | None = None,
) -> BrokerSession:  # fmt: skip
    """Log in: `show` is called with the login page's address once the answer can be taken; `where` with our own.

    The app's redirect URL, registered at Kite, must be http://127.0.0.1 with the port of the settings.

    Raises:
        SessionDead: nobody logged in within the time, or Kite refused.
        Misconfigured: the port is taken.
        InputRefused, Unavailable, RateLimited, DecodeError: as `KiteSession.exchange`.
    """
    state = secrets.token_urlsafe(24)
    callback = Callback(state)
    async with _served(settings, callback) as address:
        if where is not None:
            where(address)
        show(session.login_url(state))
        try:
            async with asyncio.timeout(settings.login_wait_seconds):
                token = await callback.request_token()
        except TimeoutError:
            waited = f"nobody logged in within {settings.login_wait_seconds:g} s: start it again"
            raise SessionDead(NAME, "", waited) from None
    return await session.exchange(rest, token)


@asynccontextmanager
async def _served(settings: KiteRestSettings, callback: Callback) -> AsyncIterator[str]:
    """Serve the page while a login is under way; give its address."""
    app = web.Application(client_max_size=1024)
    app.router.add_get("/{path:.*}", callback.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_ANSWER_SECONDS)
    await runner.setup()
    try:
        bound = listening(settings.callback_host, settings.callback_port)
    except Misconfigured as error:
        await runner.cleanup()
        raise Misconfigured(
            f"{error}; it is callback_port of the account's options, and the app's redirect URL names the same"
        ) from error
    try:
        await web.SockSite(runner, bound).start()
        yield f"http://{spelled_host(settings.callback_host)}:{bound.getsockname()[1]}/"
    finally:
        await runner.cleanup()
        bound.close()


def _page(status: int, title: str, text: str) -> web.Response:
    body = _PAGE.format(title=title, text=text)
    return web.Response(status=status, text=body, content_type="text/html", headers=_HEADERS)
