"""`niftyflow topics`: what there is of each topic, how far its readers are, and what is wrong with it.

It changes nothing unless told to make what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, show
from niftyflow.model import Misconfigured

if TYPE_CHECKING:
    from niftyflow.bus.survey import GroupState, TopicState
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
    """Show the topics and who reads them: lag, what lies after the commit, members; and what is wrong."""
    run(_topics(state_of(context).workspace, create=create, as_json=as_json))


async def _topics(workspace: Workspace, *, create: bool, as_json: bool) -> None:
    from niftyflow.runtime.topic_states import topic_states  # noqa: PLC0415 - heavy

    settings = settings_of(workspace, {}, quiet=True)
    made, states = await topic_states(workspace, settings, create=create)
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


def _print(states: Sequence[TopicState]) -> None:
    rows = [Row(_cells(state), "red" if any(each.is_fatal for each in state.troubles) else None) for state in states]
    show("Topics", LAYOUT, rows)
    for state in states:
        for trouble in state.troubles:
            typer.echo(f"{state.topic} {trouble.text}")


def _cells(state: TopicState) -> list[str]:
    partitions = str(state.partitions) if state.partitions == state.wanted else f"{state.partitions} of {state.wanted}"
    copies = f"{state.copies}, {state.in_sync} in sync" if state.partitions else "·"
    return [state.topic, partitions, copies, f"{state.records:,}", "; ".join(map(_reader, state.groups)) or "·"]


def _reader(group: GroupState) -> str:
    """Return a group with its lag, which is 0 or little when all is well, and what a restart would read again."""
    lag = "unknown" if group.lag is None else f"{group.lag:,}"
    members = "" if group.members is None else f", members {group.members}"
    return f"{group.group}: lag {lag}{members}, after commit {group.after_commit:,}"
