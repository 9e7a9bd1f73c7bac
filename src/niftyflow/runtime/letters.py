"""Dead letters as an operator deals with them: each is looked at, sent again, or dropped; nothing is ever erased.

A settled letter stays in its topic; the settlement is one more record there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from niftyflow.bus.port import Bus
from niftyflow.kit.clock import WallClock
from niftyflow.kit.dead_letters import PREFIX, DeadLetters
from niftyflow.model import DeadLetter, Misconfigured, Refused, Tick, TickBatch
from niftyflow.runtime.buses import bus_of, journal_of
from niftyflow.runtime.settings import BusEngine, load
from niftyflow.runtime.workspace import Workspace

TOPIC = "raw-ticks"


class LetterBox:
    """The dead letters of every topic that a workspace's settings lead to."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._clock = WallClock()

    async def waiting(self, topic: str = TOPIC) -> dict[int, DeadLetter]:
        """Return the letters nobody has settled, by offset."""
        letters = await self._bus.read_dead_letters(topic)
        settled = {letter.settles for _, letter in letters}
        return {offset: letter for offset, letter in letters if letter.settles < 0 and offset not in settled}

    async def chosen(self, offsets: Sequence[int], topic: str = TOPIC) -> dict[int, DeadLetter]:
        """Return these of the waiting letters; all when none is named.

        Raises:
            Refused: one of them does not wait.
        """
        waiting = await self.waiting(topic)
        unknown = [offset for offset in offsets if offset not in waiting]
        if unknown:
            raise Refused(f"no dead letter {unknown[0]} waits of {topic}; `niftyflow dlq list` shows those that do")
        return {offset: waiting[offset] for offset in offsets} if offsets else waiting

    async def drop(self, letters: dict[int, DeadLetter], topic: str = TOPIC) -> None:
        """Settle letters without sending them again."""
        await self._settle(letters, topic, "dropped")

    async def replay(self, letters: dict[int, DeadLetter], topic: str = TOPIC) -> None:
        """Send ticks again, all or none; the rules then decide as they do for any late tick.

        Raises:
            Refused: a record is no tick, or cannot be sent as it is; nothing was sent.
        """
        if topic != TOPIC:
            raise Refused(f"what {topic} carries is made from {TOPIC}, and decided on once: drop its letters instead")
        ticks = []
        for offset, letter in letters.items():
            try:
                ticks.append(msgspec.json.decode(letter.record, type=Tick).check())
            except (msgspec.DecodeError, Refused) as error:
                raise Refused(f"dead letter {offset} cannot be sent again: {error}") from error
        if ticks:
            await self._bus.publish(topic, [TickBatch.from_records(ticks)])
            await self._settle(letters, topic, "sent again")

    async def _settle(self, letters: dict[int, DeadLetter], topic: str, how: str) -> None:
        now = self._clock.now()
        settlements = tuple(
            msgspec.structs.replace(letter, record="", error=how, at=now, settles=offset)
            for offset, letter in letters.items()
        )
        if settlements:
            await self._bus.publish(PREFIX + topic, [settlements])


@asynccontextmanager
async def letter_box(workspace: Workspace) -> AsyncIterator[LetterBox]:
    """Open the dead letters on the bus of a workspace's settings, and in its local file, for a `with`.

    Raises:
        Misconfigured: the workspace has no log, or its settings are wrong.
        Retryable: the bus is a cluster, and away.
    """
    settings = load(workspace.settings_file).bus
    if settings.engine is BusEngine.EMBEDDED and not workspace.log.exists():
        raise Misconfigured(f"{workspace.path} holds no log: `niftyflow up` or `niftyflow demo` makes one")
    bus = bus_of(settings, journal_of(workspace))
    await bus.open()
    try:
        await DeadLetters(bus, workspace.path).drain()
        yield LetterBox(bus)
    finally:
        await bus.close()
