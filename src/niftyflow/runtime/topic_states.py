"""The topics of a workspace's log or cluster, and who reads them: ends and commits from there, lag from the processes.

It changes nothing unless told to make what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.survey import GroupState, TopicState
from niftyflow.bus.topics import TOPICS, with_dead_letters
from niftyflow.model import Misconfigured
from niftyflow.runtime.buses import journal_of, kafka_of
from niftyflow.runtime.graph import GRAPH
from niftyflow.runtime.processes import ask_all, known_addresses
from niftyflow.runtime.settings import AppSettings, BusEngine
from niftyflow.runtime.system import NOT_HERE
from niftyflow.runtime.workspace import Workspace


async def topic_states(
    workspace: Workspace, settings: AppSettings, *, create: bool = False
) -> tuple[list[str], list[TopicState]]:
    """Return the topics that were made, and the state of all.

    Raises:
        Misconfigured: there is no log, or brokers refuse us; the message says what to do.
        Unavailable: the cluster does not answer.
    """
    if settings.bus.engine is BusEngine.EMBEDDED:
        return [], await _embedded(workspace, journal_of(workspace))
    bus = kafka_of(settings.bus, workspace.process)
    await bus.connect()
    try:
        made = await bus.make_topics() if create else []
        states = await bus.survey(_readers())
    finally:
        await bus.close()
    told = await ask_all("system", known_addresses(workspace, settings.internal), settings.internal)
    lags = lags_of([each.answer for each in told if not each.trouble])
    return made, [_with_lags(state, lags) for state in states]


def lags_of(pictures: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many records each group has yet to read, as processes that run its layer say together."""
    groups = {node.name: reading.group for node in GRAPH for reading in node.reads if reading.group is not None}
    lags: dict[str, int] = {}
    for layer in (layer for picture in pictures for layer in picture["layers"]):
        group = groups.get(layer["name"])
        if group is not None and layer["reason"] != NOT_HERE:
            lags[group] = lags.get(group, 0) + layer["lag"]
    return lags


def _with_lags(state: TopicState, lags: Mapping[str, int]) -> TopicState:
    groups = [msgspec.structs.replace(group, lag=lags.get(group.group)) for group in state.groups]
    return msgspec.structs.replace(state, groups=groups)


async def _embedded(workspace: Workspace, journal: EmbeddedBus) -> list[TopicState]:
    if not workspace.log.exists():
        raise Misconfigured(f"there is no log in {workspace.path} yet: `niftyflow demo` or `niftyflow up` makes one")
    await journal.open()
    try:
        states, readers = [], _readers()
        for topic in with_dead_letters(TOPICS):
            ends = dict(await journal.end(topic))
            groups = [GroupState(group, await journal.behind(topic, group)) for group in readers.get(topic, ())]
            states.append(TopicState(topic, 1, 1, records=sum(ends.values()), ends=ends, groups=groups))
        return states
    finally:
        await journal.close()


def _readers() -> Mapping[str, Sequence[str]]:
    readers: dict[str, list[str]] = {}
    for reading in (reading for node in GRAPH for reading in node.reads):
        if reading.group is not None:
            readers.setdefault(reading.topic, []).append(reading.group)
    return readers
