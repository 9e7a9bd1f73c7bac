"""What the gateway reads from and gives commands to: ports only, handed over by whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from starlette.requests import HTTPConnection

from niftyflow.bus.port import Bus
from niftyflow.gateway.instruments_known import KnownInstruments
from niftyflow.gateway.previous_closes import PreviousCloses
from niftyflow.kit.caller import Caller
from niftyflow.kit.clock import Clock
from niftyflow.kit.health import Health
from niftyflow.model import Command, CommandResult
from niftyflow.storage.book_ports import BookStore, DecisionStore
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.ports import HotStore, MarketStore


class Commands(Protocol):
    """Gives commands to trading; waits a moment for the result."""

    async def give(self, command: Command, wait_seconds: float) -> CommandResult | None:
        """Publish a command and return its result; None when there is none in time (it may still be done).

        Raises:
            Retryable: the bus or the book is away.
        """
        ...

    async def result(self, command_id: str) -> CommandResult | None:
        """Return what became of a command, or None when it was not taken yet."""
        ...


class Playing(Protocol):
    """The synthetic market of a demo, which the page may hasten, slow down and pause."""

    @property
    def speed(self) -> float:
        """Times real time."""
        ...

    @property
    def is_paused(self) -> bool:
        """Whether its time stands still."""
        ...

    def change(self, *, speed: float | None = None, is_paused: bool | None = None) -> None:
        """Go on at another speed, or stop and go.

        Raises:
            InvalidValue: the speed cannot be played.
        """
        ...


@dataclass(slots=True)
class Sources:
    """Everything the gateway looks at. `clock` tells the time of the data, which a demo plays faster than the wall's.

    `playing` is there in a demo only; `pages` is the folder of the built dashboard, None where there is none. `channel`
    joins the caches over these sources, of which all look at the same: whoever runs the gateway opens and closes it.
    """

    bus: Bus
    market: MarketStore
    decisions: DecisionStore
    book: BookStore
    hot: HotStore
    health: Health
    clock: Clock
    caller: Caller
    commands: Commands
    account: str
    playing: Playing | None = None
    pages: Path | None = None
    channel: CacheChannel = field(init=False)
    instruments: KnownInstruments = field(init=False)
    closes: PreviousCloses = field(init=False)

    def __post_init__(self) -> None:
        """Make the caches."""
        self.channel = CacheChannel(self.hot)
        self.instruments = KnownInstruments(self.market, self.clock, self.channel)
        self.closes = PreviousCloses(self.market, self.channel)


def sources_of(connection: HTTPConnection) -> Sources:
    """Return the sources of the application that a request or socket came to."""
    sources: Sources = connection.app.state.sources
    return sources
