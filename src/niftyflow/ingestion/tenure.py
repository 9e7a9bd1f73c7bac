"""The time for which a share's partitions are ours: their leases, and what of the journal was taken in without them.

While whatever keeps the leases is away nobody can say whose they are. What is taken in meanwhile stays in the journal:
it is forwarded when the leases turn out to be ours still, and never when another process has had one. Which records
these are is kept in a small file beside the journal. It neither reads a feed nor publishes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Protocol

import msgspec

from niftyflow.ingestion.intake import TOPIC
from niftyflow.kit.files import write_whole
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured
from niftyflow.storage.book_ports import LeaseLost
from niftyflow.storage.ports import Lease, Leases

log = get_logger(__name__)

LOOK_SECONDS: Final = 0.05
FILE: Final = "tenure.json"
"""The file's name, in the folder of the process."""


class Ends(Protocol):
    """The part of the journal that a tenure needs."""

    async def end(self, topic: str) -> Mapping[int, int]:
        """Return each partition's next offset."""
        ...


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """What must outlive the process; offsets are those of the journal.

    `fences` are those of the last tenure by lease, `unsure_from` is where its leases were last surely held before they
    were not any more, and what is in `left_out` (end exclusive) is never forwarded.
    """

    fences: dict[str, int] = {}
    unsure_from: int | None = None
    left_out: list[tuple[int, int]] = []


class Tenure:
    """The leases of some partitions, one after the other; `file` keeps what a restart has to know (None: nothing)."""

    name = TOPIC

    def __init__(self, leases: Leases, partitions: Sequence[int], journal: Ends, file: Path | None = None) -> None:
        self._leases = leases
        self._partitions = partitions
        self._journal = journal
        self._file = file
        self._held: list[Lease] = []
        self._sure = 0
        self._has_begun, self._is_lost = asyncio.Event(), asyncio.Event()
        self._notes = Notes()
        self.is_taken = False

    @property
    def is_held(self) -> bool:
        """Whether all leases are surely ours at this moment."""
        return self._has_begun.is_set() and all(lease.is_held for lease in self._held)

    async def begin(self) -> None:
        """Take the leases; does nothing while they are ours, or may be.

        Raises:
            LeaseHeld: another process has one.
            Retryable: nobody can say who has them.
            Misconfigured: the notes are damaged.
        """
        if self._has_begun.is_set():
            return
        notes = await asyncio.to_thread(_read, self._file)
        async with AsyncExitStack() as unless_all:
            held = []
            for partition in self._partitions:
                lease = await self._leases.acquire(f"{TOPIC}/{partition}")
                unless_all.push_async_callback(lease.release)
                held.append(lease)
            end = sum((await self._journal.end(TOPIC)).values())
            if notes.unsure_from is not None and not _is_next(notes.fences, held):
                notes = _without(notes, notes.unsure_from, end)
            fences = {lease.name: lease.fence for lease in held}
            await self._note(msgspec.structs.replace(notes, fences=fences, unsure_from=None))
            unless_all.pop_all()
        self._held, self._sure, self.is_taken = held, end, False
        self._is_lost.clear()
        self._has_begun.set()

    async def look(self, end: int) -> None:
        """Look whether the leases are ours still, the journal ending at this offset.

        Raises:
            LeaseLost: another process has had one; what was taken in since it was ours is not forwarded.
        """
        unsure_from = self._notes.unsure_from
        if any(lease.is_taken for lease in self._held):
            await self._lose(self._sure if unsure_from is None else unsure_from, end)
        elif self.is_held:
            if unsure_from is not None:
                log.info("leases_ours_again", topic=TOPIC, records_forwarded_now=end - unsure_from)
                await self._note(msgspec.structs.replace(self._notes, unsure_from=None))
            self.wrote(end)
        elif unsure_from is None:
            log.warning(
                "leases_not_renewed_in_time", topic=TOPIC, advice="the journal goes on and waits to be forwarded"
            )
            await self._note(msgspec.structs.replace(self._notes, unsure_from=self._sure))

    def wrote(self, end: int) -> None:
        """Note that the journal was written up to an offset: during the tenure, when that is surely ours still."""
        if self.is_held:
            self._sure = end

    async def begun(self) -> None:
        """Return when the leases were taken."""
        await self._has_begun.wait()

    async def held_again(self) -> None:
        """Return when all leases are surely ours."""
        while not self.is_held:  # noqa: ASYNC110 - a lease tells when it is lost, not when it is found again
            await asyncio.sleep(LOOK_SECONDS)

    async def lost(self) -> None:
        """Return when another process has had one of the leases."""
        await self._is_lost.wait()

    async def give_back(self) -> None:
        """Give the leases back; a second time does nothing."""
        held, self._held = self._held, []
        self._has_begun.clear()
        await asyncio.gather(*(lease.release() for lease in held))

    def kept(self, first: int, stop: int) -> list[tuple[int, int]]:
        """Return which parts of the journal from one offset to another (exclusive) are forwarded, in order."""
        kept = []
        for begin, end in sorted(self._notes.left_out):
            if first < min(begin, stop):
                kept.append((first, min(begin, stop)))
            first = max(first, end)
        return [*kept, (first, stop)] if first < stop else kept

    async def _lose(self, first: int, end: int) -> None:
        taken = next(lease.name for lease in self._held if lease.is_taken)
        await self._note(msgspec.structs.replace(_without(self._notes, first, end), unsure_from=None))
        self.is_taken = True
        self._is_lost.set()
        await self.give_back()
        raise LeaseLost(
            f"the lease {taken} was lost: another process has taken these ticks in since; "
            f"of ours {end - first} records are not forwarded"
        )

    async def _note(self, notes: Notes) -> None:
        self._notes = notes
        if self._file is None:
            return
        try:
            await asyncio.to_thread(write_whole, self._file, msgspec.json.encode(notes))
        except OSError as error:  # a full disk stops the journal as well, and that says so
            log.warning("tenure_not_noted", file=str(self._file), error=str(error))


def _is_next(fences: Mapping[str, int], held: Sequence[Lease]) -> bool:
    """Whether nobody had the leases between: a fence grows by one with each owner."""
    return all(lease.fence == fences.get(lease.name, -1) + 1 for lease in held)


def _without(notes: Notes, first: int, end: int) -> Notes:
    if first >= end:
        return notes
    log.error("journal_not_forwarded", topic=TOPIC, records=end - first, since=first, until=end)
    return msgspec.structs.replace(notes, left_out=[*notes.left_out, (first, end)])


def _read(file: Path | None) -> Notes:
    if file is None:
        return Notes()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Notes)
    except FileNotFoundError:
        return Notes()
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(
            f"{file} cannot be read ({error}): remove it, unless another process took these ticks in meanwhile"
        ) from error
