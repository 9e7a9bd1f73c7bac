"""A replay that was cut off, gone on with: the tape is played from its beginning, what is there is not written again.

A tape says the same each time, so the journal's first records are those it has. Downstream every stage goes on from
where it was. It never guesses: a journal that another tape made is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from niftyflow.bus.port import Body, Bus, count_of
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.files import write_whole
from niftyflow.model import DeadLetter, Misconfigured, Watermark, rows_of
from niftyflow.runtime.workspace import Workspace

MARKER = "replay.json"


class Progress(StrEnum):
    """How far a replay came."""

    NEW = "new"
    CUT_OFF = "cut_off"
    DONE = "done"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace replays."""

    source: str
    progress: Progress

    def at(self, progress: Progress) -> Replay:
        """Return it at another point."""
        return msgspec.structs.replace(self, progress=progress)


def begin(workspace: Workspace, source: str) -> Replay:
    """Return the replay of a source in a workspace: new in an empty one, or cut off before its end.

    Raises:
        Misconfigured: the workspace holds something else, or the replay is complete.
    """
    path = workspace.path / MARKER
    if path.exists():
        found = _read(path)
        if found.source != source:
            raise Misconfigured(f"{workspace.path} holds a replay of {found.source}: choose another with --into")
        if found.progress is Progress.DONE:
            raise Misconfigured(f"{workspace.path} holds this replay, complete: choose another with --into")
        return found.at(Progress.CUT_OFF)
    if workspace.market_db.exists() or workspace.log.exists():
        raise Misconfigured(f"{workspace.path} is not empty: choose another workspace with --into, or remove it")
    return Replay(source=source, progress=Progress.NEW)


def note(workspace: Workspace, replay: Replay) -> None:
    """Note how far a replay came."""
    write_whole(workspace.create().path / MARKER, msgspec.json.encode(replay))


class ResumedJournal:
    """A journal that is given everything again from the beginning, and adds what it does not have yet."""

    def __init__(self, bus: Bus, had: int, last: Watermark | None) -> None:
        self._bus = bus
        self._left = had
        self._last = last

    @classmethod
    async def of(cls, bus: Bus, topic: str) -> ResumedJournal:
        """Return the journal of a topic with one partition."""
        return cls(bus, (await bus.end(topic))[0], await bus.last_watermark(topic, 0))

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Append what is new.

        Raises:
            Misconfigured: what is there was not made by this tape.
        """
        new: list[Body] = []
        for body in bodies:
            count = count_of(body)
            known = min(count, self._left)
            if not known:
                new.append(body)
                continue
            self._left -= known
            if isinstance(body, Watermark):
                self._compare(body)
            elif known < count:
                new.append(rows_of(body, slice(known, None)))
        if new:
            await self._bus.publish(topic, new, partition)

    async def end(self, topic: str) -> Mapping[int, int]:
        """Return the beginning: the tape is played from there."""
        return dict.fromkeys(await self._bus.end(topic), 0)

    async def last_watermark(self, topic: str, partition: int) -> Watermark | None:  # noqa: ARG002
        """Return None: the tape's time begins anew."""
        return None

    def _compare(self, body: Watermark) -> None:
        if self._last is not None and body.time > self._last.time:
            raise Misconfigured("what the workspace holds was made by another tape: replay into another with --into")


class ResumedLetters(DeadLetters):
    """Dead letters of which some are there already: those are not kept twice."""

    def __init__(self, bus: Bus, folder: Path, known: Sequence[DeadLetter]) -> None:
        super().__init__(bus, folder)
        self._known = {(letter.topic, letter.offset, letter.record) for letter in known}

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters that are new."""
        await super().put([each for each in letters if (each.topic, each.offset, each.record) not in self._known])


def _read(path: Path) -> Replay:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Replay)
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"{path} cannot be read ({error}): choose another workspace with --into") from error
