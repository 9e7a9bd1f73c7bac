"""`niftyflow demo`: a generated session, played through the whole path, watched in the terminal."""

from __future__ import annotations

import asyncio
import shutil
from typing import Annotated

import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.replay import play
from niftyflow.model import LeaseHeld
from niftyflow.runtime.workspace import Workspace

DEMO_DAY = (2026, 11, 20)


def demo(
    context: typer.Context,
    *,
    speed: Annotated[str, typer.Option(help="Times real time (0.1 and up), or `max`.")] = "60",
    seed: Annotated[int, typer.Option(help="Which generated session.")] = 1,
) -> None:
    """Watch a generated Nifty 50 session become candles; Ctrl-C stops it. Made anew in a workspace of its own."""
    workspace = Workspace(state_of(context).workspace.path / "demo")
    run(_clear(workspace))
    settings = settings_of(workspace, {}, quiet=True)
    from datetime import datetime  # noqa: PLC0415

    from niftyflow.brokers.simulator.pace import parse_speed  # noqa: PLC0415 - heavy
    from niftyflow.brokers.simulator.synthetic import SyntheticSession  # noqa: PLC0415 - heavy
    from niftyflow.cli.sim import trading_parts  # noqa: PLC0415

    day = datetime(*DEMO_DAY)  # noqa: DTZ001 - a day, not a moment
    tape = SyntheticSession(trading_parts(day), seed=seed)
    run(play(workspace, settings, tape, parse_speed(speed), "niftyflow demo, generated session", source="synthetic"))
    typer.echo(f"look closer: niftyflow --workspace {workspace.path} orders --last 10    (then: why ORDER)")


async def _clear(workspace: Workspace) -> None:
    from niftyflow.runtime.status import TOPIC, holder  # noqa: PLC0415 - heavy

    if running := await holder(workspace):
        raise LeaseHeld(f"{TOPIC} of {workspace.path}", running)
    await asyncio.to_thread(shutil.rmtree, workspace.path, ignore_errors=True)
