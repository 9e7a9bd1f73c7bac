"""`niftyflow run`: some layers of the graph in this process; the others run elsewhere, joined by the servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import Annotated

import typer

from niftyflow.cli.context import imported, on_signals, run, settings_of, state_of
from niftyflow.model import Misconfigured
from niftyflow.runtime.settings import AppSettings, BusEngine
from niftyflow.runtime.workspace import Workspace

HEAVY = ("niftyflow.runtime.running", "polars")


class Layer(StrEnum):
    """A part of the graph that may run in a process of its own; storage and ai are inside those that use them."""

    INGESTION = "ingestion"
    PROCESSING = "processing"
    ANALYSIS = "analysis"
    AGGREGATION = "aggregation"
    SIGNALS = "signals"
    TRADING = "trading"
    GATEWAY = "gateway"


ONE_AFTER_ANOTHER = tuple(layer for layer in Layer if layer is not Layer.GATEWAY)
"""As records pass them."""


def run_layers(
    context: typer.Context,
    layers: Annotated[list[Layer], typer.Argument(help="Layers to run here.", show_default=False)],
    *,
    name: Annotated[
        str | None, typer.Option(help="Name of this process among those of the workspace; its layers when left out.")
    ] = None,
    share: Annotated[
        str | None, typer.Option(help="Which of how many ingestion processes this is, as 1/2 [1/1].")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port the gateway listens on [8000]; 0: a free one.", min=0, max=65_535)
    ] = None,
    internal_port: Annotated[
        int | None,
        typer.Option(help="Port for health, metrics and calls [8100]; 0: a free one.", min=0, max=65_535),
    ] = None,
) -> None:
    """Run some layers of the graph, until stopped; what another process does already is waited for."""
    chosen = list(dict.fromkeys(layers))
    workspace = state_of(context).workspace
    overrides = {"ingestion.share": share, "internal.port": internal_port, "gateway.port": port}
    settings = settings_of(workspace, overrides)
    if settings.bus.engine is BusEngine.EMBEDDED:
        refuse_apart(chosen)  # all that there is of the graph runs here, so on the workspace's own log
    else:
        workspace = Workspace(workspace.path, name or "-".join(chosen))
    run(_run(workspace, settings, chosen))


def refuse_apart(layers: Sequence[Layer]) -> None:
    """Refuse layers that would wait for ever for others, where no server joins processes.

    Raises:
        Misconfigured: those before one of them are missing, or those that read what it writes.
    """
    chosen = [layer for layer in ONE_AFTER_ANOTHER if layer in layers]
    if len(chosen) > 1 and chosen == list(ONE_AFTER_ANOTHER[: len(chosen)]):
        return
    raise Misconfigured(
        f"{', '.join(layers)} alone would wait for ever: with bus.engine = embedded nothing joins processes. Run all "
        "of it with `niftyflow up`, or set bus.engine = kafka and bus.servers (docs/how-to/scale-out.md)"
    )


async def _run(workspace: Workspace, settings: AppSettings, layers: list[Layer]) -> None:
    stopping = asyncio.Event()
    on_signals(stopping.set)
    async with AsyncExitStack() as stack:
        door = None
        if Layer.GATEWAY in layers:
            from niftyflow.runtime.serving import front_door  # noqa: PLC0415 - heavy

            door = await stack.enter_async_context(front_door(settings))
        await imported(HEAVY)
        from niftyflow.runtime.running import run_process  # noqa: PLC0415 - heavy
        from niftyflow.runtime.wiring import Does  # noqa: PLC0415 - heavy

        does = Does.NOTHING
        for layer in layers:
            if layer not in {Layer.INGESTION, Layer.GATEWAY}:
                does |= Does[layer.name]
        await run_process(
            workspace, settings, does, stopping, typer.echo, takes_in=Layer.INGESTION in layers, door=door
        )
