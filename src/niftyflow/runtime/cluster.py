"""A whole cluster on one machine, against servers that are given: each layer in processes of its own, kept alive.

It starts `niftyflow run …` for every member, begins a dead one again (1, 2, 4 … 60 s), and ends all of them with
itself. It reads no topic and opens no store.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured
from niftyflow.runtime.processes import ask_all
from niftyflow.runtime.workspace import Workspace

log = get_logger(__name__)

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
WELL_SECONDS: Final = 60.0
READY_LOOK_SECONDS: Final = 1.0
END_SECONDS: Final = 8.0
"""How long a member may take to end before it is killed: what it had in hand is read again."""
NOT_BEGUN_AGAIN: Final = {2, 5}
"""Exit codes (refused, misconfigured) after which somebody has to look at the settings."""
PR_SET_PDEATHSIG: Final = 1
TAIL_BYTES: Final = 4_000


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the cluster: its name, the arguments of `niftyflow`, variables beside ours, where it answers.

    `serves` is what a person is told when it is ready, beside that.
    """

    name: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    serves: str = ""


class LocalCluster:
    """The members' processes; `tell` is given a line for a person whenever one begins or ends."""

    def __init__(self, workspace: Workspace, members: Sequence[Member], tell: Callable[[str], None]) -> None:
        self.workspace = workspace
        self.members = tuple(members)
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self._tell = tell

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep all members running until `stopping`, then end them.

        Raises:
            Misconfigured: a member cannot begin; the message is its last line.
        """
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(self._keep(member, stopping), name=member.name)

    async def tell_ready(self, settings: InternalSettings) -> None:
        """Tell of each member when it is ready for the first time; return when all were, or cancelled.

        Raises:
            Misconfigured: a member's address cannot be.
        """
        starting = {member.name: member for member in self.members if member.address}
        while starting:
            listening = self.workspace.addresses()
            asked = {name: each.address for name, each in starting.items() if listening.get(name) == each.address}
            for told in await ask_all("ready", asked, settings):
                if told.answer.get("is_ready"):
                    serves = starting.pop(told.name).serves
                    self._tell(f"{told.name} is ready{f': {serves}' if serves else ''}")
            await asyncio.sleep(READY_LOOK_SECONDS)

    def log_of(self, name: str) -> Path:
        """Return the file in which a member's output is."""
        return Workspace(self.workspace.path, name).own / "output.log"

    async def _keep(self, member: Member, stopping: asyncio.Event) -> None:
        wait = FIRST_WAIT_SECONDS
        while not stopping.is_set():
            began = monotonic()
            process = await self._start(member)
            try:
                code = await self._wait(process, stopping)
            finally:
                del self.running[member.name]
            if stopping.is_set():
                return
            if code in NOT_BEGUN_AGAIN:
                raise Misconfigured(f"{member.name} cannot run: {_last_line(self.log_of(member.name))}")
            wait = FIRST_WAIT_SECONDS if monotonic() - began >= WELL_SECONDS else wait
            self._tell(f"{member.name} ended ({_ending(code)}); begun again in {wait:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _start(self, member: Member) -> asyncio.subprocess.Process:
        file = self.log_of(member.name)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "niftyflow.cli.app", "--workspace", str(self.workspace.path), *member.arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **member.variables},
                start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
        self.running[member.name] = process
        self._tell(f"{member.name} begun (process {process.pid})")
        return process

    async def _wait(self, process: asyncio.subprocess.Process, stopping: asyncio.Event) -> int:
        """Return the exit code of a process that ends by itself, or that we end when stopping or cancelled."""
        ending, asked = asyncio.ensure_future(process.wait()), asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait([ending, asked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if process.returncode is None:
                await _end(process, ending)
        return await ending


async def _end(process: asyncio.subprocess.Process, ending: asyncio.Future[int]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        await asyncio.wait([ending], timeout=END_SECONDS)
        if not ending.done():
            log.error("member_killed", pid=process.pid, after_seconds=END_SECONDS)
            process.kill()
            await asyncio.wait([ending])


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that started it dies, however it dies (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _last_line(file: Path) -> str:
    with file.open("rb") as output:
        output.seek(max(0, file.stat().st_size - TAIL_BYTES))
        lines = output.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"it said nothing ({file})"


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
