"""The accounts of the simulated broker: who may log in, with which key and secret, what money and what shares.

Accounts made without numbers of their own are a function of the seed. Nothing here trades.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from niftyflow.model import InstrumentKey, InvalidValue, parse_instrument
from niftyflow.model.money import E4_PER_RUPEE

STARTING_RUPEES: Final = Decimal(1_000_000)
_HINT = "write user=AB1234,key=...,secret=...,cash=...,redirect=URL,postback=URL,holding=NSE:INFY*10@1500"


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Shares held before the first session; `average` in rupees."""

    key: InstrumentKey
    quantity: int
    average: Decimal


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One user with one Kite Connect app. `cash` in rupees, at the first session's start."""

    user_id: str
    api_key: str
    api_secret: str
    user_name: str = "Simulated Trader"
    email: str = "trader@example.com"
    cash: Decimal = STARTING_RUPEES
    holdings: tuple[Holding, ...] = ()
    redirect_url: str = ""
    postback_url: str = ""
    has_refresh_token: bool = False


class Accounts:
    """All of them, by key and by user."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        """Take the accounts in.

        Raises:
            InvalidValue: there is none, or a user or key comes twice.
        """
        if not accounts:
            raise InvalidValue("accounts", 0, "a broker has at least one account")
        self._by_user = {each.user_id: each for each in accounts}
        self._by_key = {each.api_key: each for each in accounts}
        if len(self._by_user) < len(accounts) or len(self._by_key) < len(accounts):
            raise InvalidValue("accounts", len(accounts), "each account has a user and a key of its own")

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_user.values())

    def __len__(self) -> int:
        return len(self._by_user)

    def of_key(self, api_key: str) -> Account | None:
        """Return the account of an app's key."""
        return self._by_key.get(api_key)

    def of_user(self, user_id: str) -> Account | None:
        """Return the account of a user."""
        return self._by_user.get(user_id)


def demo_account(seed: int = 1, number: int = 1) -> Account:
    """Return the account that is there when none is asked for: the same for the same seed and number."""
    return Account(
        user_id=f"NF{number:04d}",
        api_key=secret_text(seed, f"key-{number}", 16),
        api_secret=secret_text(seed, f"secret-{number}", 32),
    )


def secret_text(seed: int, name: str, length: int) -> str:
    """Return letters and digits that look random and are a function of the seed and the name; at most 64."""
    return hashlib.sha256(f"niftyflow-simulator:{seed}:{name}".encode()).hexdigest()[:length]


def parse_account(text: str, seed: int = 1, number: int = 1) -> Account:
    """Read `user=AB1234,key=...,secret=...`; what is left out is that of the demo account of this number.

    `cash` is in rupees; `holding=NSE:INFY*10@1500` may come several times; `refresh=yes` gives refresh tokens.

    Raises:
        InvalidValue: a part is none of these.
    """
    fields: dict[str, str] = {}
    holdings: list[Holding] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or name not in _FIELDS:
            raise InvalidValue("account", part, _HINT)
        if name == "holding":
            holdings.append(_holding(value))
        else:
            fields[name] = value
    return _account(fields, tuple(holdings), demo_account(seed, number))


_FIELDS = frozenset({"user", "key", "secret", "name", "email", "cash", "redirect", "postback", "refresh", "holding"})


def _account(fields: Mapping[str, str], holdings: tuple[Holding, ...], base: Account) -> Account:
    return Account(
        user_id=fields.get("user", base.user_id),
        api_key=fields.get("key", base.api_key),
        api_secret=fields.get("secret", base.api_secret),
        user_name=fields.get("name", base.user_name),
        email=fields.get("email", base.email),
        cash=_amount(fields["cash"]) if "cash" in fields else base.cash,
        holdings=holdings,
        redirect_url=fields.get("redirect", ""),
        postback_url=fields.get("postback", ""),
        has_refresh_token=fields.get("refresh", "no") == "yes",
    )


def _holding(text: str) -> Holding:
    key, star, rest = text.partition("*")
    quantity, at, average = rest.partition("@")
    if not star or not at or not quantity.isdecimal() or int(quantity) == 0:
        raise InvalidValue("holding", text, "write EXCHANGE:SYMBOL*QUANTITY@AVERAGE")
    return Holding(key=parse_instrument(key), quantity=int(quantity), average=_amount(average))


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise InvalidValue("amount", text, "write rupees as a number") from None
    if not amount.is_finite() or amount < 0:
        raise InvalidValue("amount", text, "rupees are zero or more")
    return amount


def units(rupees: Decimal | float) -> int:
    """Return rupees as units of 1/10,000, the nearest: Kite's JSON has floats, which `to_e4` would refuse."""
    return round(rupees * E4_PER_RUPEE)


def rupees(amount: float) -> float:
    """Return units of 1/10,000 as rupees, as JSON has them."""
    return amount / E4_PER_RUPEE
