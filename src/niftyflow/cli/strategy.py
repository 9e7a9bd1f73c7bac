"""`niftyflow strategy`: the strategies of the account: list, start, stop; and the kinds there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from niftyflow.cli.commanding import WAIT_SECONDS, Wait, command
from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, clock, nothing, show
from niftyflow.model import (
    CommandKind,
    InvalidValue,
    Misconfigured,
    Refused,
    StrategyState,
    StrategyStatus,
    parse_instrument,
)
from niftyflow.runtime.stores import has_book

if TYPE_CHECKING:
    from niftyflow.runtime.workspace import Workspace
    from niftyflow.trading.settings import OnError

strategy = typer.Typer(no_args_is_help=True, help="Strategies of the account: list, start, stop.")

LISTED = Layout(
    (
        Column("name"), Column("kind"), Column("account"), Column("status"), Column("instruments", is_number=True),
        Column("since IST"), Column("parameters"), Column("reason"),
    ),
    150,
    ((0, 1), (3, 2), (4,), (5, 7), (6,)),
)  # fmt: skip
PARAMETERS = Layout((Column("parameter"), Column("default"), Column("meaning")), 0, ())


@strategy.command("list")
def list_strategies(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of strategies, as in the book.")] = False,
) -> None:
    """List the strategies of the book: those that run, were stopped, or failed and why."""
    run(_list(state_of(context).workspace, as_json=as_json))


@strategy.command()
def kinds() -> None:
    """List the kinds of strategies there are, with the parameters that --set sets."""
    from niftyflow.trading.strategies import STRATEGIES  # noqa: PLC0415 - heavy

    for kind, of in STRATEGIES.items():
        rows = [
            Row((name, "required" if field.is_required() else str(field.get_default()), field.description or ""))
            for name, field in of.Parameters.model_fields.items()
        ]
        show(kind, PARAMETERS, rows)


@strategy.command()
def start(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="What it is; see `niftyflow strategy kinds`.")],
    *,
    name: Annotated[str | None, typer.Option(help="Its name in the account [its kind].")] = None,
    instruments: Annotated[
        str | None, typer.Option(help="RELIANCE,NSE:INFY,…; every share there is when left out.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter; give it again for another."),
    ] = None,
    on_error: Annotated[
        str, typer.Option(help="Its position when it throws: hold or square_off.", metavar="hold|square_off")
    ] = "square_off",
    wait: Wait = WAIT_SECONDS,
) -> None:
    """Start a strategy in the process that trades; one that was stopped or failed starts anew."""
    from niftyflow.trading.strategies import make  # noqa: PLC0415 - heavy

    body = {
        "name": name or kind,
        "kind": kind,
        "instruments": [str(parse_instrument(each)) for each in instruments.split(",")] if instruments else [],
        "parameters": dict(_parameter(text) for text in parameters or []),
        "on_error": _on_error(on_error).value,
    }
    try:
        make(kind, body["parameters"])  # type: ignore[arg-type]  # what is wrong is said before anybody is asked
    except Misconfigured as error:
        raise Refused(str(error)) from error
    run(_start(context, body, wait))


@strategy.command()
def stop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name; see `niftyflow strategy list`.")],
    *,
    square_off: Annotated[bool, typer.Option("--square-off", help="Close its positions at the market.")] = False,
    wait: Wait = WAIT_SECONDS,
) -> None:
    """Stop a strategy; its positions stay open, each with the stop that protects it, unless --square-off.

    Its other orders are cancelled. It works while nothing runs too; positions are then closed when `niftyflow up` runs.
    """
    run(_stop(context, {"name": name, "square_off": square_off}, wait))


async def _list(workspace: Workspace, *, as_json: bool) -> None:
    from niftyflow.runtime.decisions import find_strategies, reading_book  # noqa: PLC0415 - heavy

    settings_of(workspace, {}, quiet=True)
    found: list[StrategyState] = []
    if has_book(workspace):
        async with reading_book(workspace) as book:
            found = await find_strategies(book)
    if not found:
        raise nothing(f"there is no strategy in {workspace.path} yet; `niftyflow strategy start` starts one")
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    show("strategies", LISTED, [_row(state) for state in found])


def _row(state: StrategyState) -> Row:
    chosen = ", ".join(f"{name}={value}" for name, value in state.parameters.items())
    style = {StrategyStatus.FAILED: "red", StrategyStatus.STOPPED: "dim"}.get(state.status)
    return Row(
        (
            state.name, state.kind, state.account, state.status.value, f"{len(state.instruments):,}",
            clock(state.at), chosen or "defaults", state.reason,
        ),
        style,
    )  # fmt: skip


async def _start(context: typer.Context, body: dict[str, Any], wait: float) -> None:
    result = await command(context, CommandKind.START_STRATEGY, body, wait)
    typer.echo(f"{result.body['name']} runs on {result.body['instruments']:,} instruments")


async def _stop(context: typer.Context, body: dict[str, Any], wait: float) -> None:
    result = await command(context, CommandKind.STOP_STRATEGY, body, wait)
    closing = result.body.get("positions_closed", 0)
    typer.echo(f"{result.body['name']} is stopped" + (f", closing {closing:,} positions" if closing else ""))


def _parameter(text: str) -> tuple[str, Any]:
    """Return a parameter's name and value; the value is JSON where it can be, else text."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise typer.BadParameter(f"--set {text!r}: write NAME=VALUE, such as fast=5")
    try:
        return name.strip(), msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name.strip(), value.strip()


def _on_error(text: str) -> OnError:
    from niftyflow.trading.settings import OnError  # noqa: PLC0415 - heavy

    try:
        return OnError(text)
    except ValueError as error:
        raise InvalidValue("on_error", text, "use hold or square_off") from error
