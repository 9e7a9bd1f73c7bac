"""`niftyflow cluster`: every layer in processes of its own on this machine, joined by the servers of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from niftyflow.cli.context import on_signals, run, settings_of, state_of
from niftyflow.kit.addresses import spelled_host
from niftyflow.model import Misconfigured
from niftyflow.runtime.settings import AppSettings, BusEngine
from niftyflow.runtime.stores import is_shared

if TYPE_CHECKING:
    from niftyflow.runtime.cluster import Member
    from niftyflow.runtime.workspace import Workspace

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
    settings = settings_of(workspace, {"gateway.port": port}, quiet=True)  # members say it in files of their own
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
        await _look_at_servers(workspace, settings)
        members = members_of(counts, settings)
        typer.echo(f"{len(members)} processes; what they say is in {workspace.path}/processes/NAME/output.log")
        local = LocalCluster(workspace, members, typer.echo)
        telling = asyncio.create_task(local.tell_ready(settings.internal))
        try:
            await local.run(stopping)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    run(main())


async def _look_at_servers(workspace: Workspace, settings: AppSettings) -> None:
    """Open every engine once and close it again: what is wrong is said before any process is begun.

    Raises:
        Misconfigured: tables or topics are not as they should be, or a server refuses us; the message says what to do.
        Unavailable: a server does not answer.
    """
    from niftyflow.runtime.buses import kafka_of  # noqa: PLC0415 - heavy
    from niftyflow.runtime.stores import hot_store_of, opened, stores_of  # noqa: PLC0415 - heavy

    stores = stores_of(workspace, settings)
    async with opened([*stores.engines, kafka_of(settings.bus), hot_store_of(settings)]):
        pass


def members_of(counts: Mapping[str, int], settings: AppSettings) -> list[Member]:
    """Return the processes of a cluster, each with a port of its own for calls, from `internal.port` on."""
    from niftyflow.runtime.cluster import Member  # noqa: PLC0415 - heavy

    names = [(layer, number) for layer, count in counts.items() for number in range(1, count + 1)]
    ports = {place: settings.internal.port + offset for offset, place in enumerate(names)}
    addresses: dict[str, list[str]] = {}
    for (layer, _), port in ports.items():
        addresses.setdefault(layer, []).append(f"http://127.0.0.1:{port}")
    variables = {
        "NIFTYFLOW_INTERNAL__PROCESSES": ",".join(each for some in addresses.values() for each in some),
        "NIFTYFLOW_INTERNAL__NAME": "",  # they are asked at this machine's own address
    }
    if "trading" in addresses:
        variables["NIFTYFLOW_INTERNAL__TRADING"] = ",".join(addresses["trading"])
    gateway = settings.gateway
    members = []
    for layer, number in names:
        arguments = ["run", layer, "--name", f"{layer}-{number}", "--internal-port", str(ports[layer, number])]
        if layer == "ingestion":
            arguments += ["--share", f"{number}/{counts[layer]}"]
        serves = ""
        if layer == "gateway":
            arguments += ["--port", str(gateway.port)]
            serves = f"serving http://{spelled_host(gateway.host)}:{gateway.port}    (`niftyflow link` signs in)"
        address = f"http://127.0.0.1:{ports[layer, number]}"
        members.append(Member(f"{layer}-{number}", tuple(arguments), variables, address, serves))
    return members
