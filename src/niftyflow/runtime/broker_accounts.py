"""The accounts at brokers that the settings name: which adapter is whose, its rate governor, and where sessions lie.

What the broker counts as one account is one here, in all processes and workspaces of a user on this machine, whatever
the settings call it. It places no order and logs nobody in by itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.adapter import BrokerAdapter, LoginTalk
from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.capabilities import RateGate
from niftyflow.brokers.errors import SessionDead
from niftyflow.brokers.governor import RateGovernor
from niftyflow.brokers.governor_ledgers import Change, FileLedger, PermitLedger
from niftyflow.kit.clock import Clock
from niftyflow.model import Misconfigured, Refused
from niftyflow.runtime.settings import AppSettings, BrokerAccount, HotEngine
from niftyflow.trading.settings import PAPER

GROUP: Final = "niftyflow.brokers"
LABEL_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the settings; `label` names its files and its permits, the same wherever it is set."""

    name: str
    settings: BrokerAccount = field(repr=False)
    adapter: BrokerAdapter = field(repr=False)
    label: str

    @property
    def is_simulated(self) -> bool:
        """Whether it is at a simulator: no order there costs money."""
        return self.adapter.is_simulated(self.settings.options)

    async def session(self, clock: Clock) -> BrokerSession | None:
        """Return the login that this machine knows, dead or alive; None when there is none. The broker is not asked.

        Raises:
            Misconfigured: the file of the session, or its key, may be read by others.
            OSError: it cannot be read.
        """
        return await self.broker(clock, _NoCalls(self.name)).session_of_today()

    async def living_session(self, clock: Clock) -> BrokerSession:
        """Return the login that this machine knows.

        Raises:
            SessionDead: nobody has logged in since the last token died; the message names the command.
            Misconfigured, OSError: as `session`.
        """
        session = await self.session(clock)
        if session is None or not session.outlives(clock.now()):
            raise SessionDead(self.settings.broker, "", self.advice)
        return session

    @property
    def advice(self) -> str:
        """The command that logs in."""
        return f"log in: niftyflow login {self.name}"

    def broker(self, clock: Clock, gate: RateGate) -> OrderBroker:
        """Return the adapter of this account, not opened yet."""
        return self.adapter.broker(self.settings.options, clock, gate, brokers_folder(), self.label)


def brokers_folder() -> Path:
    """Return where sessions and permits lie: one folder of the user's, as a broker sees one user and not workspaces."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    return (Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()) / "niftyflow" / "brokers"


def adapter_of(broker: str) -> BrokerAdapter:
    """Return the adapter that a package has registered under a name.

    Raises:
        Misconfigured: there is none, and the message says which there are; or it cannot be loaded.
    """
    found: dict[str, EntryPoint] = {each.name: each for each in entry_points(group=GROUP)}
    if broker not in found:
        raise Misconfigured(f"there is no broker {broker!r}: there are {', '.join(sorted(found)) or 'none'}")
    try:
        return cast(BrokerAdapter, found[broker].load())
    except (ImportError, AttributeError) as error:
        raise Misconfigured(f"the broker {broker!r} cannot be loaded ({error}): install its package anew") from error


def account_of(settings: AppSettings, name: str) -> Account:
    """Return the account of a name.

    Raises:
        Misconfigured: there is none of that name, its broker is not known, or its options cannot be.
    """
    if name not in settings.brokers:
        there = f"there are {', '.join(sorted(settings.brokers))}" if settings.brokers else "there are none"
        raise Misconfigured(f"there is no account {name!r} in [brokers], {there}: add [brokers.{name}]")
    chosen = settings.brokers[name]
    try:
        adapter = adapter_of(chosen.broker)
        identity = adapter.identity(chosen.options)
    except Misconfigured as error:
        raise Misconfigured(f"[brokers.{name}] {error}") from None
    digest = hashlib.sha256(identity.encode()).hexdigest()[:LABEL_DIGITS]
    return Account(name, chosen, adapter, digest)


def account_to_log_in(settings: AppSettings, said: str) -> Account:
    """Return the account that `niftyflow login` is told: by its name, or by its broker when it is the only one there.

    Raises:
        Refused: the broker has several accounts; the message names them.
        Misconfigured: there is none, or it cannot be.
    """
    if said in settings.brokers:
        return account_of(settings, said)
    there = sorted(name for name, each in settings.brokers.items() if each.broker == said)
    if len(there) > 1:
        raise Refused(f"there are several accounts at {said}: say which of {', '.join(there)}")
    return account_of(settings, there[0] if there else said)


def used_accounts(settings: AppSettings) -> list[Account]:
    """Return the accounts that ticks come from or orders go to, each once.

    Raises:
        Misconfigured: as `account_of`.
    """
    feed = settings.feed.account if settings.feed.broker != "simulator" else ""
    names = [name for name in (settings.trading.orders_to, feed) if name and name != PAPER]
    return [account_of(settings, name) for name in dict.fromkeys(names)]


@asynccontextmanager
async def broker_account(settings: AppSettings, name: str, clock: Clock) -> AsyncIterator[OrderBroker]:
    """Have an account open for the time of a `with`, every call of it passing the rate governor all processes share.

    `clock` must tell the real time, by which tokens die and a day's calls are counted.

    Raises:
        Misconfigured: as `account_of`.
    """
    account = account_of(settings, name)
    async with governed(settings, account, clock) as gate, AsyncExitStack() as stack:
        broker = account.broker(clock, gate)
        stack.push_async_callback(broker.close)
        await broker.open()
        yield broker


@asynccontextmanager
async def governed(settings: AppSettings, account: Account, clock: Clock) -> AsyncIterator[RateGovernor]:
    """Have an account's rate governor for the time of a `with`.

    Raises:
        Misconfigured: the folder of logins and permits cannot be made, or Redis is to be used without its package.
    """
    async with AsyncExitStack() as stack:
        ledger: PermitLedger = FileLedger(_made(brokers_folder()))
        if settings.hot.engine is HotEngine.REDIS:
            if find_spec("redis") is None:
                raise Misconfigured("Redis needs its client: pip install 'niftyflow[cluster]'")
            from niftyflow.storage.redis_cells import RedisCells  # noqa: PLC0415 - an extra

            ledger = cells = RedisCells(settings.hot)
            stack.push_async_callback(cells.close)
            await cells.open()
        shared = _SharedPermits(ledger, account)
        governor = RateGovernor(account.name, account.adapter.capabilities.rate_limits, shared, clock)
        stack.push_async_callback(governor.close)
        await governor.start()
        yield governor


async def log_in(settings: AppSettings, account: Account, clock: Clock, talk: LoginTalk, given: str) -> BrokerSession:
    """Log an account in and seal its session; a one-time token that was `given` saves the page.

    Raises:
        SessionDead, InputRefused, Misconfigured, Unavailable, RateLimited, DecodeError: as `BrokerAdapter.log_in`;
            Misconfigured also when the session cannot be written.
    """
    folder = brokers_folder()
    async with governed(settings, account, clock) as gate:
        try:
            return await account.adapter.log_in(
                account.settings.options, clock, gate, folder, account.label, talk, given
            )
        except OSError as error:
            raise _not_writable(folder, error) from error


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _not_writable(folder: Path, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"logins and permits cannot be kept in {folder} ({error.strerror}): make it a folder writable for this user"
    )


class _SharedPermits:
    """`PermitLedger` that knows an account by its label, while the governor speaks of it by its name."""

    def __init__(self, ledger: PermitLedger, account: Account) -> None:
        self._ledger = ledger
        self._own = f"{account.name}/"
        self._shared = f"broker-permits/{account.settings.broker}-{account.label}/"
        self.is_volatile = ledger.is_volatile

    async def change(self, name: str, rule: Change) -> None:
        """Replace what is held under a name."""
        await self._ledger.change(self._shared + name.removeprefix(self._own), rule)


@dataclass(frozen=True, slots=True)
class _NoCalls:
    """`RateGate` of an account that is only looked at."""

    account: str

    async def take(self, kind: str, *, is_urgent: bool = False) -> None:
        """Refuse."""
        raise Refused(f"{self.account} is only looked at: no call ({kind}, urgent: {is_urgent}) may leave")

    def slowed(self, kind: str, seconds: float) -> None:
        """Hear nothing: no call leaves."""
