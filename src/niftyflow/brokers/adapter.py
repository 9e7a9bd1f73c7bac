"""What an entry point of the group `niftyflow.brokers` names: everything the platform asks of a kind of broker.

It is the same for every account there. It opens nothing, and keeps nothing between two calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.capabilities import Capabilities, RateGate
from niftyflow.kit.clock import Clock

Options = Mapping[str, object]
"""The plain values of an account's settings; secrets may be among them."""


class LoginTalk(Protocol):
    """How a login speaks with the account's owner."""

    def show(self, page: str) -> None:
        """Show the page to log in on; the answer can be taken from now on."""
        ...

    def waits_at(self, address: str, seconds: float) -> None:
        """Say where on this machine the page's answer is awaited, and for how long; before the page is shown."""
        ...

    async def ask(self, question: str) -> str:
        """Return what the owner types, unseen; for brokers that send a code instead of having a page."""
        ...


class BrokerAdapter(Protocol):
    """One kind of broker. Options that cannot be are `Misconfigured`, naming the option and no value, in every call."""

    name: str
    """What `broker` of an account's settings says, and the first part of its session's file."""

    capabilities: Capabilities
    """What any account there can do, and how often it may be asked."""

    def identity(self, options: Options) -> str:
        """Return what the broker tells accounts apart by: it counts calls, and keeps one login, for each of them.

        It is the same wherever the account is set, under whatever name, and differs for a simulator.
        """
        ...

    def is_simulated(self, options: Options) -> bool:
        """Whether the account is at a simulator: no order there costs money."""
        ...

    def broker(self, options: Options, clock: Clock, gate: RateGate, folder: Path, account: str) -> OrderBroker:
        """Return an account, not opened yet; its sealed session is in `folder`, and `account` part of its name."""
        ...

    async def log_in(
        self, options: Options, clock: Clock, gate: RateGate, folder: Path, account: str, talk: LoginTalk,
        given: str = "",
    ) -> BrokerSession:  # fmt: skip
        """Log in and seal the session. `given` is the one-time token of a login made elsewhere; else it is `talk`'s.

        Raises:
            SessionDead: the login was given up, took too long, or its one-time token is used or too old.
            InputRefused: a secret is missing or wrong.
            Misconfigured: the port of the answer is taken, or a file may be read by others.
            Unavailable, RateLimited, DecodeError: the broker gave no answer of use.
            OSError: the session cannot be written.
        """
        ...
