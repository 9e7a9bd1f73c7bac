"""Where the permits of an account are written down: in this process, or in a file for the processes of one machine.

A ledger keeps small texts by name and changes each as a whole, one after the other; it knows nothing of limits. The
one for a cluster is an engine of storage, as it needs a server.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from niftyflow.kit.clock import monotonic
from niftyflow.kit.files import write_whole
from niftyflow.model import Misconfigured, Unavailable

Change = Callable[[bytes | None, int], bytes]
"""From what is held (None: nothing) and the ledger's time (ms), what is held from then on. It may be called again."""

LOCK_SECONDS: Final = 1.0
LOCK_POLL_SECONDS: Final = 0.002
LONGEST_NAME: Final = 150


class PermitLedger(Protocol):
    """What the processes of an account share.

    Its time never runs apart from real time by more than a jump now and then, which the governor notices.
    `is_volatile` says whether it may forget while processes that use it live on.
    """

    is_volatile: bool

    async def change(self, name: str, rule: Change) -> None:
        """Replace what is held under a name by what `rule` makes of it; nobody changes it in between.

        The rule may be called several times, where others were quicker; its last call is the one that counts, and
        the time it is given is never later than that of its call.

        Raises:
            Unavailable: the ledger is away; the change may have been made.
            Misconfigured: it cannot be written, or is damaged: the message says what to do.
        """
        ...


class MemoryLedger:
    """`PermitLedger` for the strategies of one process: they must share this very one."""

    is_volatile = False

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def change(self, name: str, rule: Change) -> None:
        """Replace what is held under a name."""
        self._held[name] = rule(self._held.get(name), _milliseconds())


class FileLedger:
    """`PermitLedger` for the processes of one machine: a small file a name in a folder on a local disk, under `flock`.

    The kernel frees the lock of a process that dies, and the file is replaced as a whole. Time is the machine's since
    its start, the same for all its processes; no clock that is set changes it. A power cut may cost the last seconds
    of the day's count: to wait for the disk at each permit would cost more.
    """

    is_volatile = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def change(self, name: str, rule: Change) -> None:
        """Replace a file's content; the disk is waited for, well under a ms, so it does without a thread.

        Raises:
            Unavailable: another process holds the file for a second: it was stopped in the middle of a change.
            Misconfigured: the folder cannot be written.
        """
        stem = _file_name(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / f"{stem}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                await _locked(lock, name)
                file = self._folder / stem
                held = file.read_bytes() if file.exists() else None
                write_whole(file, rule(held, _milliseconds()))
            finally:
                os.close(lock)
        except OSError as error:
            raise Misconfigured(
                f"permits cannot be kept in {self._folder} ({error.strerror}): "
                "make it a folder writable for this user, free space on its disk, or choose another data folder"
            ) from error


async def _locked(lock: int, name: str) -> None:
    until = monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if monotonic() > until:
                raise Unavailable(f"rate ledger {name}", "another process holds its file and does not go on") from error
            await asyncio.sleep(LOCK_POLL_SECONDS)
        else:
            return


def _file_name(name: str) -> str:
    encoded = quote(name, safe="")
    if len(encoded) <= LONGEST_NAME:
        return f"permits-{encoded}"
    return f"permits-{encoded[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()}"


def _milliseconds() -> int:
    return int(monotonic() * 1000)
