"""Every stage of the platform in one table: what it reads, writes and answers. Read this first.

Process wiring, metric labels, lag, Kafka topics and the diagram in the docs derive from it. Demo, replay, cluster are
the same graph with other engines (`wiring.py`); nothing in a layer asks which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Reading(NamedTuple):
    """A topic that a stage reads: as a consumer group (from its commit), or by itself (broadcast)."""

    topic: str
    group: str | None


class Node(NamedTuple):
    """One of the nine layers by its number, or (0) a business noun beside them.

    `answers` are the questions it answers (calls), `asks` those it asks; `workers` are the names under which it says
    how it is. A node without a worker runs inside whoever asks it.
    """

    name: str
    layer: int
    title: str
    reads: tuple[Reading, ...] = ()
    writes: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()


def _group(group: str, *topics: str) -> tuple[Reading, ...]:
    return tuple(Reading(topic, group) for topic in topics)


def _broadcast(*topics: str) -> tuple[Reading, ...]:
    return tuple(Reading(topic, None) for topic in topics)


GRAPH: tuple[Node, ...] = (
    Node(
        "ingestion", 1, "Takes in ticks",
        writes=("raw-ticks", "dlq.raw-ticks"), stores=("hot",), workers=("ingestion",),
    ),
    Node(
        "processing", 2, "Makes candles",
        reads=_group("candle-processors", "raw-ticks"), writes=("market_candles", "dlq.raw-ticks"),
        stores=("market", "hot"), workers=("processing",),
    ),
    Node("storage", 3, "Keeps what lasts", stores=("market", "book", "hot")),
    Node(
        "analysis", 4, "Scores each minute",
        reads=_group("analysis", "market_candles"), writes=("analysis_updates", "predictions"),
        stores=("market", "hot"), answers=("analyze", "scorecards", "indicator"), asks=("predict",),
        workers=("analysis",),
    ),
    Node(
        "aggregation", 5, "Views the whole market",
        reads=_group("aggregation", "analysis_updates"), writes=("market_view",), stores=("market", "hot"),
        workers=("aggregation",),
    ),
    Node(
        "signals", 6, "Concludes by rules",
        reads=(*_group("signals", "analysis_updates"), *_broadcast("market_view")), writes=("signals",),
        stores=("market", "hot"), workers=("signals",),
    ),
    Node("ai", 9, "Predicts", answers=("predict",)),
    Node(
        "trading", 0, "Orders through the risk gate",
        reads=_group("trading", "raw-ticks", "market_candles", "signals", "commands"),
        writes=("order_events", "command_results"), stores=("book", "market", "hot"),
        answers=("account", "strategy_kinds", "why"), workers=("trading", "commands"),
    ),
    Node(
        "gateway", 7, "Answers and tells",
        reads=_broadcast(
            "raw-ticks", "market_candles", "analysis_updates", "market_view", "signals", "order_events",
            "command_results",
        ),
        writes=("commands",), stores=("market", "book", "hot"),
        asks=("analyze", "scorecards", "indicator", "account", "strategy_kinds", "why"),
        workers=("gateway", "gateway-hub", "gateway-answers"),
    ),
    Node("presentation", 8, "Shows it in a browser"),
)  # fmt: skip

JOURNAL_FORWARDER = Node(
    "forwarder", 1, "Carries the journal to the cluster",
    reads=_group("forwarder", "raw-ticks"), writes=("raw-ticks",), workers=("forwarder",),
)  # fmt: skip
"""With Kafka only: carries ingestion's local journal (read) to the cluster's topic (written)."""

TOPICS_SHOWN: tuple[str, ...] = tuple(
    dict.fromkeys(topic for node in GRAPH for topic in node.writes if not topic.startswith("dlq."))
)
"""What stages write, in the order of the table, dead letters left out."""


class Edge(NamedTuple):
    """A topic from a stage that writes it to one that reads it."""

    writer: str
    reader: str
    topic: str


def edges(nodes: Sequence[Node] = GRAPH) -> list[Edge]:
    """Return who gives what to whom."""
    return [
        Edge(writer.name, node.name, reading.topic)
        for node in nodes
        for reading in node.reads
        for writer in nodes
        if reading.topic in writer.writes
    ]
