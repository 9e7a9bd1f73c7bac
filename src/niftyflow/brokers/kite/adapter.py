"""Kite as a kind of broker: what its entry point names. Accounts, and the simulator that speaks Kite, are told apart.

At a simulator on this machine it logs in by itself: its page asks for no password. At Kite it never does.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aiohttp

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.adapter import LoginTalk, Options
from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.capabilities import RateGate
from niftyflow.brokers.kite.broker import kite_broker, kite_settings, log_in
from niftyflow.brokers.kite.capabilities import KITE, NAME
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.brokers.sealed import SealedSessions
from niftyflow.kit.clock import Clock
from niftyflow.model import Unavailable

_SHOWN_TOKEN: Final = re.compile(r'id="request_token">(\w+)<')
_LARGEST_PAGE_BYTES: Final = 1 << 16


class KiteAdapter:
    """`BrokerAdapter` of Kite Connect; options are the fields of `KiteRestSettings`."""

    name = NAME
    capabilities = KITE

    def identity(self, options: Options) -> str:
        """Return the app's key and where it is known."""
        settings = kite_settings(options)
        return f"{urlsplit(settings.root).netloc}/{settings.api_key}"

    def is_simulated(self, options: Options) -> bool:
        """Whether the REST is on this machine, the only place where it may be without TLS."""
        return urlsplit(kite_settings(options).root).scheme == "http"

    def broker(self, options: Options, clock: Clock, gate: RateGate, folder: Path, account: str) -> OrderBroker:
        """Return an account."""
        return kite_broker(options, clock, gate, folder, account)

    async def log_in(
        self, options: Options, clock: Clock, gate: RateGate, folder: Path, account: str, talk: LoginTalk,
        given: str = "",
    ) -> BrokerSession:  # fmt: skip
        """Log in by the page, by a one-time token, or, where the page is a simulator's, alone."""
        settings = kite_settings(options, account)
        if not given and urlsplit(settings.login_page).scheme == "http":
            given = await _simulated_login(settings, KiteSession(settings, clock).login_url())
        sealed = SealedSessions(folder, NAME, account)
        pasted = parse_qs(urlsplit(given).query).get("request_token")  # the address that the browser ended at

        def where(address: str) -> None:
            talk.waits_at(address, settings.login_wait_seconds)

        return await log_in(settings, clock, gate, sealed, talk.show, where, given=pasted[0] if pasted else given)


KITE_ADAPTER: Final = KiteAdapter()


async def _simulated_login(settings: KiteRestSettings, page: str) -> str:
    """Return the one-time token that a simulator's page gives, shown or in the address it leads to.

    Raises:
        Unavailable: no answer, or the page gives none.
    """
    place = urlsplit(page).netloc
    try:
        async with (
            asyncio.timeout(settings.question_timeout_seconds),
            aiohttp.ClientSession() as http,
            http.get(page, allow_redirects=False) as answer,
        ):
            leads_to = parse_qs(urlsplit(answer.headers.get("Location", "")).query).get("request_token")
            text = (await answer.content.read(_LARGEST_PAGE_BYTES)).decode(errors="replace")
    except TimeoutError as error:
        raise Unavailable(place, "the simulator's login page does not answer: is `niftyflow sim` running?") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(place, "the simulator's login page is away: is `niftyflow sim` running?") from error
    shown = _SHOWN_TOKEN.search(text)
    if leads_to:
        return leads_to[0]
    if shown is None:
        raise Unavailable(place, f"its login page gives no token (HTTP {answer.status}): is its api_key the account's?")
    return shown.group(1)
