"""`niftyflow topics`: what there is of each topic, how far its readers are, and what is wrong with it.

It changes nothing unless told to make what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, show
from niftyflow.model import Misconfigured

if TYPE_CHECKING:
    from niftyflow.bus.embedded import EmbeddedBus
    from niftyflow.bus.survey import TopicState
    from niftyflow.runtime.workspace import Workspace

LAYOUT = Layout(
    columns=[
        Column("topic"), Column("partitions", is_number=True), Column("copies"), Column("records", is_number=True),
        Column("read by"),
    ],
    width=120,
    stacks=[(0, 2), (1, 3), (4,)],
)  # fmt: skip


def topics(
    context: typer.Context,
    *,
    create: Annotated[bool, typer.Option("--create", help="Make the topics that are missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a topic, a line each.")] = False,
) -> None:
    """Show the topics: partitions, ends, how far every group is, and what is wrong."""
    run(_topics(state_of(context).workspace, create=create, as_json=as_json))


async def _topics(workspace: Workspace, *, create: bool, as_json: bool) -> None:
    made, states = await _states(workspace, create=create)
    for name in made:
        typer.echo(f"made {name}", err=True)
    if as_json:
        for state in states:
            sys.stdout.write(msgspec.json.encode(state).decode() + "\n")
    else:
        _print(states)
    fatal = [f"{state.topic} {each.text}" for state in states for each in state.troubles if each.is_fatal]
    if fatal:
        more = f" ({len(fatal) - 1} more)" if len(fatal) > 1 else ""
        raise Misconfigured(f"topic {fatal[0]}{more}")


async def _states(workspace: Workspace, *, create: bool) -> tuple[list[str], list[TopicState]]:
    from niftyflow.runtime.buses import journal_of, kafka_of  # noqa: PLC0415 - heavy
    from niftyflow.runtime.settings import BusEngine  # noqa: PLC0415 - heavy

    settings = settings_of(workspace, {}, quiet=True).bus
    if settings.engine is BusEngine.EMBEDDED:
        return [], await _embedded(workspace, journal_of(workspace))
    bus = kafka_of(settings)
    await bus.connect()
    try:
        made = await bus.make_topics() if create else []
        return made, await bus.survey(_readers())
    finally:
        await bus.close()


async def _embedded(workspace: Workspace, journal: EmbeddedBus) -> list[TopicState]:
    from niftyflow.bus.survey import GroupState, TopicState  # noqa: PLC0415 - heavy
    from niftyflow.bus.topics import TOPICS, with_dead_letters  # noqa: PLC0415 - heavy

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
    from niftyflow.runtime.graph import GRAPH  # noqa: PLC0415 - heavy

    readers: dict[str, list[str]] = {}
    for reading in (reading for node in GRAPH for reading in node.reads):
        if reading.group is not None:
            readers.setdefault(reading.topic, []).append(reading.group)
    return readers


def _print(states: Sequence[TopicState]) -> None:
    rows = [Row(_cells(state), "red" if any(each.is_fatal for each in state.troubles) else None) for state in states]
    show("Topics", LAYOUT, rows)
    for state in states:
        for trouble in state.troubles:
            typer.echo(f"{state.topic} {trouble.text}")


def _cells(state: TopicState) -> list[str]:
    partitions = str(state.partitions) if state.partitions == state.wanted else f"{state.partitions} of {state.wanted}"
    copies = f"{state.copies}, {state.in_sync} in sync" if state.partitions else "·"
    read_by = [
        f"{each.group}: {each.behind:,} behind" + (f", {each.members} members" if each.members is not None else "")
        for each in state.groups
    ]
    return [state.topic, partitions, copies, f"{state.records:,}", "; ".join(read_by) or "·"]
