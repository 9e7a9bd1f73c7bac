"""Every stage of the platform in one table: what it reads, writes and answers. Read this first.

Process wiring, metric labels, lag, Kafka topics and the diagram in the docs derive from it. Demo, replay, cluster are
the same graph with other engines (`wiring.py`); nothing in a layer asks which.
"""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """A topic that a stage reads: as a consumer group (from its commit), or by itself (broadcast)."""

    topic: str
    group: str | None


class Node(NamedTuple):
    """One stage; `layer` is its number among the nine, 0 for a business noun beside them."""

    name: str
    layer: int
    reads: tuple[Reading, ...]
    writes: tuple[str, ...]
    stores: tuple[str, ...]


GRAPH: tuple[Node, ...] = (
    Node("ingestion", 1, reads=(), writes=("raw-ticks", "dlq.raw-ticks"), stores=("hot",)),
    Node(
        "processing",
        2,
        reads=(Reading("raw-ticks", "candle-processors"),),
        writes=("market_candles", "dlq.raw-ticks"),
        stores=("market", "hot"),
    ),
    Node(
        "analysis",
        4,
        reads=(Reading("market_candles", "analysis"),),
        writes=("analysis_updates", "predictions"),
        stores=("market", "hot"),
    ),
    Node(
        "aggregation",
        5,
        reads=(Reading("analysis_updates", "aggregation"),),
        writes=("market_view",),
        stores=("market", "hot"),
    ),
    Node(
        "signals",
        6,
        reads=(Reading("analysis_updates", "signals"), Reading("market_view", None)),
        writes=("signals",),
        stores=("market", "hot"),
    ),
    Node(
        "trading",
        0,
        reads=tuple(Reading(topic, "trading") for topic in ("raw-ticks", "market_candles", "signals", "commands")),
        writes=("order_events", "command_results"),
        stores=("book", "market", "hot"),
    ),
)

JOURNAL_FORWARDER = Node("forwarder", 1, reads=(Reading("raw-ticks", "forwarder"),), writes=("raw-ticks",), stores=())
"""With Kafka only: carries ingestion's local journal (read) to the cluster's topic (written)."""


def mermaid() -> str:
    """Return the graph as a Mermaid flowchart, for the docs."""
    lines = ["flowchart LR", "  broker([broker or simulator]) --> ingestion"]
    for node in GRAPH:
        lines += [f"  {node.name} --> {_id(topic)}[/{topic}/]" for topic in node.writes]
        lines += [f"  {_id(reading.topic)}[/{reading.topic}/] --> {node.name}" for reading in node.reads]
        lines += [f"  {node.name} --> {store}[({store} store)]" for store in node.stores]
    return "\n".join(dict.fromkeys(lines))


def _id(topic: str) -> str:
    return topic.replace("-", "_").replace(".", "_")
