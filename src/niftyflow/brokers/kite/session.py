"""One account's session at Kite: the login page, the one-time token turned into the day's, and when that dies.

It keeps the session in memory and, sealed, in a file. It never prints a token and opens no browser.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlencode

import msgspec
from pydantic import SecretStr

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.capabilities import CallKind
from niftyflow.brokers.errors import InputRefused, SessionDead
from niftyflow.brokers.kite.capabilities import NAME
from niftyflow.brokers.kite.login_rules import checksum_of, token_dies_at
from niftyflow.brokers.kite.reading import time_of
from niftyflow.brokers.kite.rest import Call, KiteRest
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.brokers.sealed import SealedSessions
from niftyflow.kit.clock import Clock

TOKEN_PATH: Final = "/session/token"  # noqa: S105 - a route
_DEAD_ADVICE: Final = "log in again: niftyflow login kite"


class _Login(msgspec.Struct):
    user_id: str
    user_name: str
    api_key: str
    access_token: str
    login_time: str | None = None


class KiteSession:
    """The session of one account; without `sealed` it is forgotten with the program."""

    def __init__(self, settings: KiteRestSettings, clock: Clock, sealed: SealedSessions | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._sealed = sealed
        self._now: BrokerSession | None = None
        self._is_doubted = False
        self._turn = asyncio.Lock()
        """One look or change at a time: a file read before a logout must not bring the token back after it."""

    @property
    def now(self) -> BrokerSession | None:
        """The session, whether or not its token has died since."""
        return self._now

    async def credentials(self) -> SecretStr:
        """Return the access token of this moment, looking for one that another program has got.

        Raises:
            SessionDead: nobody has logged in since the last token died.
        """
        if self._is_doubted or self._is_dead():
            await self.look()
            self._is_doubted = False
        if self._now is None or self._is_dead():
            raise SessionDead(NAME, "", _DEAD_ADVICE)
        return self._now.access_token

    def doubt(self) -> None:
        """Hear that Kite refused the token: a login made since then by another program is looked for."""
        self._is_doubted = True

    async def look(self) -> BrokerSession | None:
        """Read the sealed session again, and return what is known now.

        Raises:
            Misconfigured: the file or its key may be read by others.
        """
        async with self._turn:
            if self._sealed is not None:
                found = await asyncio.to_thread(self._sealed.read)
                if found is not None and found.api_key == self._settings.api_key:
                    self._now = found
            return self._now

    def login_url(self, state: str = "") -> str:
        """Return the page on which the account's owner logs in; `state` comes back with the answer."""
        query = {"v": "3", "api_key": self._settings.api_key}
        if state:
            query["redirect_params"] = urlencode({"state": state})
        return f"{self._settings.login_page}?{urlencode(query)}"

    async def exchange(self, rest: KiteRest, request_token: str) -> BrokerSession:
        """Turn a login's one-time token into the day's session.

        Raises:
            SessionDead: the one-time token is used or too old.
            InputRefused: there is no secret, or it is not the app's.
            Unavailable, RateLimited, DecodeError: Kite gave no answer of use; the one-time token may be used up.
        """
        settings = self._settings
        secret = settings.api_secret.get_secret_value()
        if not secret:
            raise InputRefused(NAME, "", "the api_secret is not set", "set it: logging in needs it")
        checksum = checksum_of(settings.api_key, request_token, secret)
        form = {"api_key": settings.api_key, "request_token": request_token, "checksum": checksum}
        call = Call(CallKind.OTHER, "POST", TOKEN_PATH, form=form, is_signed=False)
        reply = await rest.ask(call, _Login)
        at = time_of(reply.login_time) or self._clock.now()
        session = BrokerSession(
            broker=NAME,
            user_id=reply.user_id,
            user_name=reply.user_name,
            api_key=settings.api_key,
            access_token=SecretStr(reply.access_token),
            logged_in_at=at,
            dies_at=token_dies_at(self._clock.now()),
        )
        async with self._turn:
            self._now = session
            if self._sealed is not None:
                await asyncio.to_thread(self._sealed.write, session)
        return session

    async def invalidate(self, rest: KiteRest) -> None:
        """End the session at Kite and forget it here, whether or not Kite knew it."""
        if self._now is None and await self.look() is None:
            return
        token = await self._forget()
        query = {"api_key": self._settings.api_key, "access_token": token.get_secret_value()}
        call = Call(CallKind.OTHER, "DELETE", TOKEN_PATH, query=query, is_signed=False)
        try:
            await rest.ask(call, bool)
        except SessionDead:
            return

    async def _forget(self) -> SecretStr:
        async with self._turn:
            token = SecretStr("") if self._now is None else self._now.access_token
            self._now = None
            if self._sealed is not None:
                await asyncio.to_thread(self._sealed.forget)
            return token

    def _is_dead(self) -> bool:
        return self._now is None or not self._now.outlives(self._clock.now())
