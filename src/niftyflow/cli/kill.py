"""`niftyflow kill`: the kill switch of the account, also while nothing runs."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from niftyflow.cli.commanding import WAIT_SECONDS, Wait, command
from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import clock, nothing
from niftyflow.model import CommandKind
from niftyflow.runtime.stores import has_book

kill = typer.Typer(no_args_is_help=True, help="The kill switch: nothing is ordered any more while it is on.")


@kill.command("on")
def switch_on(
    context: typer.Context,
    *,
    square_off: Annotated[
        bool, typer.Option("--square-off", help="Close open positions at the market first; then it is on.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for those who read it later.")] = "",
    wait: Wait = WAIT_SECONDS,
) -> None:
    """Pull the switch: working orders are cancelled, and no order passes the risk gate until it is off.

    It works while nothing runs too. Positions stay open unless --square-off, which needs a market that trades.
    """
    run(_switch(context, {"on": True, "reason": reason, "square_off": square_off}, wait))


@kill.command("off")
def switch_off(context: typer.Context, *, wait: Wait = WAIT_SECONDS) -> None:
    """Release the switch; strategies that run may order again."""
    run(_switch(context, {"on": False}, wait))


@kill.command("status")
def status(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say whether the switch is on, and why."""
    run(_status(context, as_json=as_json))


async def _switch(context: typer.Context, body: dict[str, object], wait: float) -> None:
    result = await command(context, CommandKind.SET_KILL_SWITCH, body, wait)
    if result.body.get("closing"):
        said = "closing positions; the kill switch is on once all are flat, and only their exits pass until then"
    else:
        said = f"the kill switch is {'on' if result.body.get('on') else 'off'}"
    typer.echo(f"account {result.account}: {said}")


async def _status(context: typer.Context, *, as_json: bool) -> None:
    from niftyflow.runtime.decisions import kill_switch, reading_book  # noqa: PLC0415 - heavy

    workspace = state_of(context).workspace
    account = settings_of(workspace, {}, quiet=True).trading.account
    found = None
    if has_book(workspace):
        async with reading_book(workspace) as book:
            found = await kill_switch(book, account)
    if found is None:
        raise nothing(f"there is no account {account} in {workspace.path} yet; `niftyflow up` opens it")
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    state = "closing positions" if found.is_closing else "on" if found.is_on else "off"
    typer.echo(f"kill switch     {state}{f' ({found.reason})' if found.reason else ''}")
    typer.echo(f"account         {found.account}, as of {clock(found.at)} IST")
    typer.echo(f"working orders  {found.working_orders:,}")
    typer.echo(f"open positions  {found.open_positions:,}")
    if found.exits_due:
        typer.echo(f"exits due       {found.exits_due:,}")
