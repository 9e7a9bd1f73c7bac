"""`niftyflow dlq`: records that were not taken, and what to do with them."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from niftyflow.cli.context import run, state_of
from niftyflow.kit.clock import to_ist

dlq = typer.Typer(no_args_is_help=True, help="Records that were not taken: look, send again, drop.")

NOTHING_FOUND = 3
Offsets = Annotated[list[int] | None, typer.Argument(help="Numbers from `dlq list`.", show_default=False)]
Of = Annotated[str, typer.Option("--topic", help="The topic that the records were of.")]
TICKS = "raw-ticks"
Every = Annotated[bool, typer.Option("--all", help="All that wait.")]


@dlq.command("list")
def list_letters(
    context: typer.Context,
    *,
    most: Annotated[int, typer.Option("--most", min=1, help="Show at most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the dead letters that wait, of every topic."""
    run(_list(context, most, as_json=as_json))


@dlq.command()
def show(
    context: typer.Context, number: Annotated[int, typer.Argument(help="Number from `dlq list`.")], topic: Of = TICKS
) -> None:
    """Show one dead letter whole."""
    run(_show(context, number, topic))


@dlq.command()
def replay(context: typer.Context, numbers: Offsets = None, *, every: Every = False) -> None:
    """Send ticks among the dead letters again; the candle rules decide as for any late tick."""
    run(_settle(context, numbers or [], TICKS, every=every, how="replay"))


@dlq.command()
def drop(context: typer.Context, numbers: Offsets = None, topic: Of = TICKS, *, every: Every = False) -> None:
    """Settle dead letters without sending them again; they stay readable in the log."""
    run(_settle(context, numbers or [], topic, every=every, how="drop"))


async def _list(context: typer.Context, most: int, *, as_json: bool) -> None:
    from niftyflow.bus.topics import TOPICS  # noqa: PLC0415 - heavy
    from niftyflow.runtime.letters import letter_box  # noqa: PLC0415 - heavy

    async with letter_box(state_of(context).workspace) as box:
        waiting = [(offset, letter) for topic in TOPICS for offset, letter in (await box.waiting(topic.name)).items()]
    newest = sorted(waiting, key=lambda row: (row[1].at, row[0]))[-most:]
    if as_json:
        for offset, letter in newest:
            sys.stdout.write(msgspec.json.encode({"number": offset, **msgspec.to_builtins(letter)}).decode() + "\n")
    elif newest:
        table = Table(caption=f"{len(newest)} of {len(waiting)} dead letters")
        for heading in ("topic", "number", "at", "instrument", "why", "stage"):
            table.add_column(heading)
        for offset, letter in newest:
            at = f"{to_ist(letter.at):%Y-%m-%d %H:%M:%S}"
            table.add_row(letter.topic, str(offset), at, escape(letter.key), escape(letter.error), letter.stage)
        Console().print(table)
    if not waiting:
        typer.echo("no dead letter waits", err=True)
        raise typer.Exit(NOTHING_FOUND)


async def _show(context: typer.Context, number: int, topic: str) -> None:
    from niftyflow.runtime.letters import letter_box  # noqa: PLC0415 - heavy

    async with letter_box(state_of(context).workspace) as box:
        letter = (await box.chosen([number], topic))[number]
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(letter)).decode() + "\n")


async def _settle(context: typer.Context, numbers: list[int], topic: str, *, every: bool, how: str) -> None:
    from niftyflow.runtime.letters import letter_box  # noqa: PLC0415 - heavy

    if bool(numbers) == every:
        raise typer.BadParameter("name the letters by their numbers, or give --all")
    async with letter_box(state_of(context).workspace) as box:
        letters = await box.chosen(numbers, topic)
        await (box.replay if how == "replay" else box.drop)(letters, topic)
    typer.echo(f"{len(letters)} {'sent again' if how == 'replay' else 'dropped'}")
