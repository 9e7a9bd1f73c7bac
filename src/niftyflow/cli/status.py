"""`niftyflow status`: what the workspace holds, who runs, what is missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from niftyflow.cli.context import run, settings_of, state_of

if TYPE_CHECKING:
    from niftyflow.runtime.status import Status

MOST_GAPS = 10


def status(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what the workspace holds, who is running, what is missing and what waits."""
    run(_status(context, as_json=as_json))


async def _status(context: typer.Context, *, as_json: bool) -> None:
    from niftyflow.runtime.status import look_at  # noqa: PLC0415 - heavy

    workspace = state_of(context).workspace
    settings_of(workspace, {}, quiet=True)  # what is logged must not stand in the answer
    found = await look_at(workspace)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        _print(found)


def _print(found: Status) -> None:
    from niftyflow.runtime.status import TOPIC, spelled  # noqa: PLC0415 - heavy

    out = Console(highlight=False, markup=False, soft_wrap=True)
    out.print(f"workspace       {found.workspace}")
    out.print(f"ingestion       {'run by ' + found.running if found.running else 'not running'}")
    out.print(f"observed until  {spelled(found.observed_until)}")
    out.print(
        f"candles         {found.candles_1m:,} of 1m, {found.candles_1d:,} of 1d, {found.instruments:,} instruments"
    )
    if found.day:
        out.print(f"on {found.day}   {found.candles_of_day:,} of 1m, {found.incomplete_of_day:,} of them incomplete")
        for gap in found.gaps_of_day[:MOST_GAPS]:
            out.print(f"  gap           {spelled(gap.since)} to {spelled(gap.until)}: {gap.reason}")
        if len(found.gaps_of_day) > MOST_GAPS:
            out.print(f"  gap           {len(found.gaps_of_day) - MOST_GAPS} more")
    out.print(f"repairs waiting {found.repairs_waiting:,}")
    for topic in found.topics:
        out.print(f"topic           {topic.topic}: {topic.records:,} records, {topic.dead_letters:,} dead letters")
    for group in found.groups:
        lag = "" if group.lag is None else f"lag {group.lag:,}, "
        commit = f"commit {group.behind:,} records behind the end of {group.topic}"
        out.print(f"group           {group.group}: {lag}{commit}")
    for holder in found.holders:
        ticks = sum(lease.startswith(f"{TOPIC}/") for lease in holder.leases)
        names = [f"{ticks} partitions of {TOPIC}"] if ticks else []
        names += [lease for lease in holder.leases if not lease.startswith(f"{TOPIC}/")]
        out.print(f"leases          {holder.holder}: {', '.join(names)}, since {spelled(holder.since)}")
    for each in found.brokers:
        who = f"{each.user} until {spelled(each.until)}" if each.user else ""
        said = "; ".join(filter(None, (who, each.trouble)))
        out.print(f"broker          {each.name} at {each.broker}, orders {each.unlocked}: {said}")
    for process in found.processes:
        state = "ready" if process.is_ready else f"not ready: {'; '.join(process.reasons)}"
        out.print(f"process         {process.name} at {process.address}: {state}")
