"""The `niftyflow` command: gathers the groups, and turns every error of ours into one line and a stable exit code."""

from __future__ import annotations

import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

import niftyflow
from niftyflow.cli.broker import broker
from niftyflow.cli.candles import candles
from niftyflow.cli.cluster import cluster
from niftyflow.cli.config import config
from niftyflow.cli.context import State
from niftyflow.cli.db import db
from niftyflow.cli.demo import demo
from niftyflow.cli.dlq import dlq
from niftyflow.cli.doctor import doctor
from niftyflow.cli.importing import import_candles
from niftyflow.cli.keys import keys, link
from niftyflow.cli.kill import kill
from niftyflow.cli.login import login
from niftyflow.cli.orders import orders
from niftyflow.cli.positions import positions
from niftyflow.cli.replay import replay
from niftyflow.cli.run import run_layers
from niftyflow.cli.signals import signals
from niftyflow.cli.sim import sim
from niftyflow.cli.status import status
from niftyflow.cli.strategy import strategy
from niftyflow.cli.topics import topics
from niftyflow.cli.up import up
from niftyflow.cli.why import why
from niftyflow.model import Broken, Misconfigured, NiftyflowError, Refused, Retryable
from niftyflow.runtime.workspace import VARIABLE, Workspace

app = typer.Typer(
    name="niftyflow", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
    help="Algorithmic trading for the Indian markets.",
)  # fmt: skip
app.command()(demo)
app.command()(up)
app.command("run")(run_layers)
app.command()(cluster)
app.command()(sim)
app.command()(replay)
app.command("import")(import_candles)
app.command()(candles)
app.command()(signals)
app.command()(orders)
app.command()(positions)
app.command()(why)
app.add_typer(strategy, name="strategy")
app.add_typer(kill, name="kill")
app.add_typer(keys, name="keys")
app.command()(link)
app.command()(login)
app.add_typer(broker, name="broker")
app.command()(status)
app.command()(doctor)
app.add_typer(config, name="config")
app.add_typer(db, name="db")
app.command()(topics)
app.add_typer(dlq, name="dlq")


class Exit(IntEnum):
    """What the exit code of every command means; see docs/reference/exit-codes.md."""

    DONE = 0
    UNEXPECTED = 1
    REFUSED = 2
    NOTHING_FOUND = 3
    AWAY = 4
    MISCONFIGURED = 5
    INTERRUPTED = 130


@app.callback(invoke_without_command=True)
def main_options(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(help="Folder that holds everything.", envvar=VARIABLE, show_default="~/.niftyflow"),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    """Options that every command takes."""
    if version:
        typer.echo(f"niftyflow {niftyflow.__version__}")
        raise typer.Exit
    context.obj = State(Workspace(workspace) if workspace is not None else Workspace.default(), workspace is not None)


def exit_code_of(error: NiftyflowError) -> Exit:
    """Return the exit code that an error of ours means."""
    match error:
        case Misconfigured():
            return Exit.MISCONFIGURED
        case Refused() | Broken():
            return Exit.REFUSED
        case Retryable():
            return Exit.AWAY
        case _:
            return Exit.UNEXPECTED


def first_of(error: BaseException) -> BaseException:
    """Return what a group of errors is about: one of ours, or its first."""
    while isinstance(error, BaseExceptionGroup):
        ours = [inner for inner in error.exceptions if isinstance(first_of(inner), NiftyflowError)]
        error = (ours or list(error.exceptions))[0]
    return error


def main() -> None:
    """Run the command line; an error of ours becomes one line on standard error."""
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except (NiftyflowError, BaseExceptionGroup) as error:
        cause = first_of(error)
        if not isinstance(cause, NiftyflowError):
            raise
        typer.echo(f"niftyflow: {cause}", err=True)
        sys.exit(exit_code_of(cause))


if __name__ == "__main__":
    main()
