"""The processes of a cluster, asked over HTTP how they are: by the gateway for its picture, by commands for people.

Where they answer the settings say; those of this machine also leave it in the workspace. It keeps nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple

from niftyflow.kit.addresses import place_of
from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.health import State
from niftyflow.kit.http_caller import HttpCaller
from niftyflow.model import NiftyflowError, Retryable
from niftyflow.runtime.questions import QUESTIONS
from niftyflow.runtime.workspace import Workspace

PICTURE_SECONDS: Final = 1.0
"""How long one process may take for its part of the gateway's picture: a dead one must not spoil it."""
PATIENT_SECONDS: Final = 5.0


class Told(NamedTuple):
    """What a process said of itself; `trouble` says why it did not, in words for people."""

    name: str
    address: str
    answer: Mapping[str, Any]
    trouble: str = ""

    @property
    def reasons(self) -> list[str]:
        """Return what keeps a process from being ready, as it answers when asked whether it is."""
        parts = [*self.answer.get("workers", ()), *self.answer.get("dependencies", ())]
        return [f"{each['name']} {each['state']}: {each['reason']}" for each in parts if each["state"] != State.RUNNING]


def process_caller(question: str, address: str, settings: InternalSettings, seconds: float, who: str) -> HttpCaller:
    """Return what asks one process one question, within so many seconds.

    Raises:
        Misconfigured: the address cannot be.
    """
    return HttpCaller({question: [address]}, QUESTIONS, settings.model_copy(update={"seconds": seconds}), who=who)


def known_addresses(workspace: Workspace, settings: InternalSettings) -> dict[str, str]:
    """Return where processes answer, by their names, or by host and port where the settings name them."""
    found = workspace.addresses()
    others = dict.fromkeys((*settings.processes, *settings.trading))
    return found | {place_of(address): address for address in others if address not in found.values()}


async def ask_all(question: str, addresses: Mapping[str, str], settings: InternalSettings) -> list[Told]:
    """Ask every process at once; return what each said, in their order, of one that has two addresses once.

    Raises:
        Misconfigured: an address cannot be.
    """

    async def told(name: str, address: str) -> Told:
        try:
            return Told(name, address, await callers[name].call(question))
        except Retryable as error:
            return Told(name, address, {}, str(getattr(error, "reason", error)))
        except NiftyflowError as error:
            return Told(name, address, {}, str(error))

    async with AsyncExitStack() as stack:
        callers = {
            name: await stack.enter_async_context(process_caller(question, address, settings, PATIENT_SECONDS, name))
            for name, address in addresses.items()
        }
        answers = await asyncio.gather(*(told(name, address) for name, address in addresses.items()))
    known: dict[object, Told] = {}
    for each in answers:
        known.setdefault(each.answer.get("process", each.name), each)
    return list(known.values())
