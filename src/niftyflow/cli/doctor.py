"""`niftyflow doctor`: whether this machine and this workspace are fit to run, a line a thing; the exit code says so."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from niftyflow.cli.context import run, state_of

if TYPE_CHECKING:
    from niftyflow.runtime.doctor import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of findings.")] = False,
) -> None:
    """Look whether everything is fit to run: Python, port, disk, clock, calendar, settings, stores, pages, secrets."""
    found: list[Finding] = []
    run(_examine(context, found))
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        _print(found)
    if any(each.verdict == "fail" for each in found):
        raise typer.Exit(1)


async def _examine(context: typer.Context, found: list[Finding]) -> None:
    from niftyflow.runtime.doctor import examine  # noqa: PLC0415 - heavy

    found += await examine(state_of(context).workspace)


def _print(found: list[Finding]) -> None:
    out, width = Console(highlight=False, soft_wrap=True), max(len(each.name) for each in found)
    for each in found:
        line = Text.assemble(
            (f"{each.verdict.value:<4}", COLOURS[each.verdict.value]), f"  {each.name:<{width}}  ", each.text
        )
        out.print(line)
