"""`niftyflow cluster`: every layer in processes of its own on this machine, joined by the servers of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from niftyflow.cli.context import on_signals, run, settings_of, state_of
from niftyflow.model import Misconfigured
from niftyflow.runtime.settings import AppSettings, BusEngine
from niftyflow.runtime.stores import is_shared

if TYPE_CHECKING:
    from niftyflow.runtime.cluster import Member

ONCE = ("aggregation", "signals", "trading")
"""Layers of which one process works at a time; a second one stands by."""


def cluster(
    context: typer.Context,
    *,
    ingestion: Annotated[int, typer.Option(help="Processes that take in ticks, each its share.", min=0)] = 1,
    processing: Annotated[int, typer.Option(help="Processes that make candles.", min=0)] = 2,
    analysis: Annotated[int, typer.Option(help="Processes that analyze.", min=0)] = 2,
    standby: Annotated[
        bool, typer.Option(help="A second process of each layer that works once, to take over.")
    ] = False,
    gateway: Annotated[bool, typer.Option("--gateway/--no-gateway", help="Serve pages, REST and sockets.")] = True,
    port: Annotated[int | None, typer.Option(help="Port the gateway listens on [8000].", min=1, max=65_535)] = None,
) -> None:
    """Run a whole cluster here, against the servers of the settings, until stopped by Ctrl-C."""
    workspace = state_of(context).workspace
    settings = settings_of(workspace, {"gateway.port": port})
    if settings.bus.engine is not BusEngine.KAFKA or not is_shared(settings):
        raise Misconfigured(
            "a cluster needs Kafka and PostgreSQL: set bus.engine = kafka, bus.servers and database.url "
            "(docs/how-to/scale-out.md); on one machine without them run `niftyflow up`"
        )
    counts = {"ingestion": ingestion, "processing": processing, "analysis": analysis}
    counts |= dict.fromkeys(ONCE, 2 if standby else 1) | {"gateway": int(gateway)}

    async def main() -> None:
        from niftyflow.runtime.cluster import LocalCluster  # noqa: PLC0415 - heavy

        stopping = asyncio.Event()
        on_signals(stopping.set)
        members = members_of(counts, settings)
        typer.echo(f"{len(members)} processes; what they say is in {workspace.path}/processes/NAME/output.log")
        if gateway:
            typer.echo(f"serving http://{settings.gateway.host}:{settings.gateway.port}    (`niftyflow link` signs in)")
        await LocalCluster(workspace, members, typer.echo).run(stopping)

    run(main())


def members_of(counts: Mapping[str, int], settings: AppSettings) -> list[Member]:
    """Return the processes of a cluster, each with a port of its own for calls, from `internal.port` on."""
    from niftyflow.runtime.cluster import Member  # noqa: PLC0415 - heavy

    names = [(layer, number) for layer, count in counts.items() for number in range(1, count + 1)]
    ports = {place: settings.internal.port + offset for offset, place in enumerate(names)}
    addresses: dict[str, list[str]] = {}
    for (layer, _), port in ports.items():
        addresses.setdefault(layer, []).append(f"http://127.0.0.1:{port}")
    variables = {
        f"NIFTYFLOW_INTERNAL__{layer.upper()}": ",".join(addresses[layer])
        for layer in ("analysis", "trading")
        if layer in addresses
    }
    variables["NIFTYFLOW_INTERNAL__PROCESSES"] = ",".join(f"http://127.0.0.1:{port}" for port in ports.values())
    members = []
    for layer, number in names:
        arguments = ["run", layer, "--name", f"{layer}-{number}", "--internal-port", str(ports[layer, number])]
        if layer == "ingestion":
            arguments += ["--share", f"{number}/{counts[layer]}"]
        if layer == "gateway":
            arguments += ["--port", str(settings.gateway.port)]
        members.append(Member(f"{layer}-{number}", tuple(arguments), variables))
    return members
