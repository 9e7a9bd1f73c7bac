"""`niftyflow demo`: a generated market, traded on paper and shown in a browser; it goes on from start to start."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from niftyflow.cli.context import imported, on_signals, run, settings_of, showing, state_of
from niftyflow.model import LeaseHeld
from niftyflow.runtime.settings import ALONE
from niftyflow.runtime.workspace import Workspace

if TYPE_CHECKING:
    from niftyflow.runtime.demo_market import DemoMarket
    from niftyflow.runtime.settings import AppSettings
    from niftyflow.runtime.wiring import Engines, Process

HEAVY = ("niftyflow.runtime.demo_market", "niftyflow.runtime.wiring", "niftyflow.runtime.answers",
         "niftyflow.gateway.app", "niftyflow.gateway.hub", "niftyflow.trading.stage", "niftyflow.analysis.stage",
         "niftyflow.aggregation.stage", "niftyflow.signals.stage", "polars")  # fmt: skip


def demo(
    context: typer.Context,
    *,
    speed: Annotated[float, typer.Option(help="Times real time, 0.1 to 600; the page can change it.")] = 10.0,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on [8000]; 0: a free one.", min=0, max=65_535)
    ] = None,
    seed: Annotated[int, typer.Option(help="Which generated market; counts for a new demo.", min=0)] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what the demo kept, and begin anew.")] = False,
    terminal: Annotated[bool, typer.Option("--terminal", help="Show prices in this terminal too.")] = False,
) -> None:
    """Watch a generated Nifty 50 market in a browser, traded on paper; Ctrl-C stops it, the next start goes on.

    It keeps a workspace of its own, `demo` in the workspace, with five generated days of history.
    """
    workspace = Workspace(state_of(context).workspace.path / "demo")
    run(_demo(workspace, {"gateway.host": host}, port, speed, seed, is_fresh=fresh, is_shown=terminal))


async def _demo(
    workspace: Workspace, overrides: dict[str, str | None], port: int | None, speed: float, seed: int, *,
    is_fresh: bool, is_shown: bool,
) -> None:  # fmt: skip
    from niftyflow.runtime.demo_settings import write_settings  # noqa: PLC0415
    from niftyflow.runtime.serving import front_door, open_gateway  # noqa: PLC0415 - heavy

    settings_of(workspace, overrides, quiet=True)  # what is wrong is said before anything is made or thrown away
    if is_fresh:
        await _clear(workspace)
    write_settings(workspace.create())
    settings = settings_of(workspace, {**overrides, **ALONE}, quiet=True)
    stopping = asyncio.Event()
    on_signals(stopping.set)
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(front_door(settings, port))
        is_new = not workspace.market_db.exists()
        typer.echo(f"{'making' if is_new else 'opening'} the demo's market in {workspace.path} …")
        await imported(HEAVY)
        from niftyflow.runtime.demo_market import DemoMarket  # noqa: PLC0415 - heavy
        from niftyflow.runtime.supervisor import until_stopped  # noqa: PLC0415 - heavy
        from niftyflow.runtime.wiring import Process, engines  # noqa: PLC0415 - heavy

        on = await stack.enter_async_context(engines(workspace, settings))
        process = Process(workspace, settings, on, stopping=stopping)
        market = DemoMarket(workspace, speed, seed)
        await until_stopped(market.open(on.market, on.journal), stopping)
        if stopping.is_set():
            return
        gateway = open_gateway(door, workspace, settings, on, process, market.clock, market.steering)
        opened = await stack.enter_async_context(gateway)
        typer.echo(f"open {opened.link}    (it signs one browser in, within ten minutes; `link` makes another)")
        typer.echo("Ctrl-C stops it; the next start goes on from there")
        await _play(workspace, settings, on, process, market, is_shown=is_shown)


async def _play(
    workspace: Workspace, settings: AppSettings, on: Engines, process: Process, market: DemoMarket, *, is_shown: bool
) -> None:
    async with showing(on.hot, market.instruments, market.clock, "niftyflow demo", process.money, is_wanted=is_shown):
        await process.run(
            market.feed(), market.instruments, market.clock, supervised=True, new_feed=market.feed
        )  # fmt: skip
    if market.is_over:
        typer.echo("the calendar knows no further day: start anew with --fresh")
    typer.echo(f"stopped; {process.money() or 'nothing was traded'} on account {settings.trading.account}")
    typer.echo(f"look closer: niftyflow --workspace {workspace.path} orders --last 10    (then: why ORDER)")


async def _clear(workspace: Workspace) -> None:
    from niftyflow.runtime.status import TOPIC, holder  # noqa: PLC0415 - heavy

    if running := await holder(workspace):
        raise LeaseHeld(f"{TOPIC} of {workspace.path}", running)
    await asyncio.to_thread(shutil.rmtree, workspace.path, ignore_errors=True)
