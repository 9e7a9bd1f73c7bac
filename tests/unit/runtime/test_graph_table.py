"""The graph's table agrees with the stages that are built from it."""

from __future__ import annotations

from niftyflow.bus.topics import TOPICS, with_dead_letters
from niftyflow.ingestion import intake
from niftyflow.ingestion.forward import Forwarder
from niftyflow.kit.dead_letters import PREFIX
from niftyflow.processing.stage import CandleStage
from niftyflow.runtime.graph import GRAPH, JOURNAL_FORWARDER, Reading, mermaid


def test_every_topic_of_the_graph_exists():
    """Those read and those written, dead letters included."""
    known = with_dead_letters(TOPICS)
    for node in (*GRAPH, JOURNAL_FORWARDER):
        assert set(node.writes) | {reading.topic for reading in node.reads} <= known.keys()


def test_the_stages_read_and_write_what_the_table_says():
    """Names, groups and topics are spelled once in the code and once in the table."""
    nodes = {node.name: node for node in (*GRAPH, JOURNAL_FORWARDER)}
    processing = nodes[CandleStage.name]
    assert processing.reads == (Reading(CandleStage.topic, CandleStage.group),)
    assert processing.writes == (CandleStage.output, PREFIX + CandleStage.topic)
    assert nodes[Forwarder.name].reads == (Reading(Forwarder.topic, Forwarder.group),)
    assert nodes[intake.STAGE].writes == (intake.TOPIC, PREFIX + intake.TOPIC)


def test_whatever_is_read_is_written_by_a_stage_of_a_lower_layer():
    """The graph has no loop and no loose end; a business noun stands behind all layers, commands come from people."""
    for node in GRAPH:
        for reading in node.reads:
            writers = [other for other in GRAPH if reading.topic in other.writes]
            assert writers or reading.topic == "commands"
            assert all(other.layer and (not node.layer or other.layer < node.layer) for other in writers)


def test_the_diagram_holds_every_node_and_arrow():
    """Topics that may not stand as names in Mermaid are spelled with underscores."""
    diagram = mermaid()
    assert diagram.startswith("flowchart LR\n")
    for arrow in (
        "ingestion --> raw_ticks[/raw-ticks/]",
        "raw_ticks[/raw-ticks/] --> processing",
        "processing --> market_candles[/market_candles/]",
        "processing --> market[(market store)]",
        "ingestion --> dlq_raw_ticks[/dlq.raw-ticks/]",
    ):
        assert arrow in diagram
    lines = diagram.splitlines()
    assert len(lines) == len(set(lines))
