"""Which bus the settings of a workspace mean; the embedded log stands beside it as ingestion's journal in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Bus
from niftyflow.runtime.settings import BusEngine, BusSettings
from niftyflow.runtime.workspace import Workspace

if TYPE_CHECKING:
    from niftyflow.bus.kafka import KafkaBus


NAME = "niftyflow"


def bus_of(settings: BusSettings, journal: EmbeddedBus, process: str = "") -> Bus:
    """Return the bus that joins the stages, not opened yet: the journal itself, or a Kafka cluster."""
    if settings.engine is BusEngine.EMBEDDED:
        return journal
    return kafka_of(settings, process)


def kafka_of(settings: BusSettings, process: str = "") -> KafkaBus:
    """Return the Kafka cluster of the settings, not opened yet; its tools and logs call us by the process's name."""
    from niftyflow.bus.kafka import KafkaBus  # noqa: PLC0415 - an extra
    from niftyflow.bus.kafka_topics import BROKER_DEFAULT  # noqa: PLC0415 - an extra

    return KafkaBus(
        settings.servers, prefix=settings.prefix, partitions=settings.partitions, security=settings.security,
        replication=BROKER_DEFAULT if settings.replication is None else settings.replication,
        client={"client.id": process or NAME},
    )  # fmt: skip


def journal_of(workspace: Workspace, settings: BusSettings | None = None) -> EmbeddedBus:
    """Return the workspace's embedded log, not opened yet."""
    return EmbeddedBus(workspace.log, recent_bytes=(settings or BusSettings()).recent_mb << 20)
