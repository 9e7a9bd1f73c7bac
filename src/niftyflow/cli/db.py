"""`niftyflow db`: brings the databases up to date, and looks whether they are fit.

They are the PostgreSQL that the settings name, or the files of the workspace.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.doctor import COLOURS
from niftyflow.kit.clock import WallClock
from niftyflow.runtime.stores import is_shared

if TYPE_CHECKING:
    from niftyflow.runtime.workspace import Workspace
    from niftyflow.storage.look import Look

db = typer.Typer(no_args_is_help=True, help="The databases: bring them up to date, look whether they are fit.")

MISCONFIGURED = 5
AsJson = Annotated[bool, typer.Option("--json", help="One JSON array of what was found.")]


@db.command()
def upgrade(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Bring the tables of market and book up to date, and what TimescaleDB does with the candles where it is there."""
    found: list[Look] = []
    run(_upgrade(state_of(context).workspace, found))
    _tell(found, as_json=as_json)


@db.command()
def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Look at revisions, indexes, months ahead, connections and TimescaleDB; nothing is changed. Unfit ends with 5."""
    found: list[Look] = []
    run(_check(state_of(context).workspace, found))
    _tell(found, as_json=as_json)


async def _upgrade(workspace: Workspace, found: list[Look]) -> None:
    settings = settings_of(workspace, {}, quiet=True)
    if not is_shared(settings):
        from niftyflow.storage import sqlite_care  # noqa: PLC0415 - heavy

        workspace.create()
        found += await sqlite_care.upgrade(workspace.market_db, workspace.book_db)
    else:
        from niftyflow.storage import postgres_care  # noqa: PLC0415 - heavy

        found += await postgres_care.upgrade(settings.database)


async def _check(workspace: Workspace, found: list[Look]) -> None:
    settings = settings_of(workspace, {}, quiet=True)
    if not is_shared(settings):
        from niftyflow.storage import sqlite_care  # noqa: PLC0415 - heavy

        found += await sqlite_care.check(workspace.market_db, workspace.book_db)
    else:
        from niftyflow.storage import postgres_care  # noqa: PLC0415 - heavy

        found += await postgres_care.check(settings.database, WallClock().now())


def _tell(found: list[Look], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode([each._asdict() for each in found]).decode() + "\n")
    else:
        out, width = Console(highlight=False, soft_wrap=True), max(len(each.name) for each in found)
        for each in found:
            verdict = (f"{each.verdict:<4}", COLOURS[each.verdict])
            out.print(Text.assemble(verdict, f"  {each.name:<{width}}  {each.text}"))
    if any(each.verdict == "fail" for each in found):
        raise typer.Exit(MISCONFIGURED)
