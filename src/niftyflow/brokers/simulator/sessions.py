"""Logins of the simulated broker: request tokens, access tokens and refresh tokens, as Kite hands them out.

Pure: it is told the time. Request tokens count real time, since a person and a browser use them; access tokens live
in session time and die at 06:00 Indian time of the following day. A new login ends the older one of the same app.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from niftyflow.brokers.kite.login_rules import checksum_of, token_dies_at
from niftyflow.brokers.simulator.accounts import Account, Accounts, secret_text
from niftyflow.brokers.simulator.kite_errors import KiteError, input_error, token_error
from niftyflow.brokers.simulator.tape import MINUTE

REQUEST_TOKEN_MS: Final = 5 * MINUTE
_TOKEN_LENGTH = 32


@dataclass(slots=True)
class Login:
    """One living session of an account; `dies_at` and `login_at` are ms UTC of session time."""

    account: Account
    access_token: str
    refresh_token: str
    public_token: str
    login_at: int
    dies_at: int


class Sessions:
    """Who is logged in. Tokens are a function of the seed and the number of the login."""

    def __init__(self, accounts: Accounts, seed: int = 1) -> None:
        self._accounts = accounts
        self._seed = seed
        self._numbers = 0
        self._requested: dict[str, tuple[Account, int]] = {}
        self._by_access: dict[str, Login] = {}
        self._by_key: dict[str, Login] = {}

    def request(self, api_key: str, now: int) -> tuple[Account, str]:
        """Return the account of an app and a token to be exchanged once, within five minutes of real time `now` (ms).

        Raises:
            KiteError: no app has this key.
        """
        account = self._accounts.of_key(api_key)
        if account is None:
            raise input_error("Invalid `api_key`.")
        self._requested = {token: held for token, held in self._requested.items() if now - held[1] < REQUEST_TOKEN_MS}
        token = self._new_token("request")
        self._requested[token] = (account, now)
        return account, token

    def exchange(self, api_key: str, request_token: str, checksum: str, *, now: int, at: int) -> Login:
        """Return a new session for a request token; `now` is real time, `at` session time, both ms.

        Raises:
            KiteError: the key, the token or the checksum is wrong, or the token has been used or is too old.
        """
        account = self._checked(api_key, request_token, checksum)
        requested = self._requested.pop(request_token, None)
        if requested is None or requested[0] is not account or now - requested[1] >= REQUEST_TOKEN_MS:
            raise KiteError("TokenException", "Token is invalid or has expired.")
        return self._begin(account, at)

    def refresh(self, api_key: str, refresh_token: str, checksum: str, *, at: int) -> Login:
        """Return a new session for a refresh token.

        Raises:
            KiteError: the key, the token or the checksum is wrong.
        """
        account = self._checked(api_key, refresh_token, checksum)
        login = self._by_key.get(api_key)
        if login is None or not login.refresh_token or login.refresh_token != refresh_token:
            raise KiteError("TokenException", "Invalid `refresh_token`.")
        return self._begin(account, at)

    def account_of(self, api_key: str, access_token: str, at: int) -> Account:
        """Return whose session this is at session time `at`, ms UTC.

        Raises:
            KiteError: there is no such session, or it has died.
        """
        login = self._by_access.get(access_token)
        if login is None or login.account.api_key != api_key or at >= login.dies_at:
            raise token_error()
        return login.account

    def end(self, api_key: str, token: str) -> None:
        """End the session of an access or a refresh token.

        Raises:
            KiteError: there is no such session.
        """
        login = self._by_key.get(api_key)
        if login is None or token not in (login.access_token, login.refresh_token) or not token:
            raise token_error()
        if token == login.refresh_token:
            login.refresh_token = ""
            return
        self._by_access.pop(login.access_token, None)

    def expire(self, user_id: str | None = None) -> int:
        """Kill the sessions of a user, or all of them, as the morning does; return how many there were."""
        dying = [each for each in self._by_access.values() if user_id in (None, each.account.user_id)]
        for login in dying:
            del self._by_access[login.access_token]
        return len(dying)

    def _checked(self, api_key: str, token: str, checksum: str) -> Account:
        account = self._accounts.of_key(api_key)
        if account is None:
            raise input_error("Invalid `api_key`.")
        if not hmac.compare_digest(checksum_of(api_key, token, account.api_secret), checksum.lower()):
            raise KiteError("TokenException", "Invalid `checksum`.")
        return account

    def _begin(self, account: Account, at: int) -> Login:
        former = self._by_key.get(account.api_key)
        if former is not None:
            self._by_access.pop(former.access_token, None)
        login = Login(
            account=account,
            access_token=self._new_token("access"),
            refresh_token=self._new_token("refresh") if account.has_refresh_token else "",
            public_token=self._new_token("public"),
            login_at=at,
            dies_at=token_dies_at(at),
        )
        self._by_access[login.access_token] = self._by_key[account.api_key] = login
        return login

    def _new_token(self, kind: str) -> str:
        self._numbers += 1
        return secret_text(self._seed, f"{kind}-{self._numbers}", _TOKEN_LENGTH)
