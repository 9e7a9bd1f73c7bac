"""Which bus the settings of a workspace mean; the embedded log stands beside it as ingestion's journal in any case."""

from __future__ import annotations

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Bus
from niftyflow.runtime.settings import BusEngine, BusSettings
from niftyflow.runtime.workspace import Workspace


def bus_of(settings: BusSettings, journal: EmbeddedBus) -> Bus:
    """Return the bus that joins the stages, not opened yet: the journal itself, or a Kafka cluster."""
    if settings.engine is BusEngine.EMBEDDED:
        return journal
    from niftyflow.bus.kafka import KafkaBus  # noqa: PLC0415 - an extra

    return KafkaBus(settings.servers, prefix=settings.prefix, partitions=settings.partitions, source="niftyflow")


def journal_of(workspace: Workspace, settings: BusSettings | None = None) -> EmbeddedBus:
    """Return the workspace's embedded log, not opened yet."""
    return EmbeddedBus(workspace.log, recent_bytes=(settings or BusSettings()).recent_mb << 20)
