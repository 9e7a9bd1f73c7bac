"""The graph's table agrees with the stages that are built from it."""

from __future__ import annotations

from niftyflow.bus.topics import TOPICS, with_dead_letters
from niftyflow.ingestion import intake
from niftyflow.ingestion.forward import Forwarder
from niftyflow.kit.dead_letters import PREFIX
from niftyflow.processing.stage import CandleStage
from niftyflow.runtime.graph import GRAPH, JOURNAL_FORWARDER, Edge, Reading, edges


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
    """No loop but one: the gateway stands behind trading, which stands behind all layers and takes its commands."""
    for node in GRAPH:
        for reading in node.reads:
            writers = [other for other in GRAPH if reading.topic in other.writes]
            assert writers
            if node.name == "gateway":
                continue
            if reading.topic == "commands":
                assert [other.name for other in writers] == ["gateway"]
                continue
            assert all(other.layer and (not node.layer or other.layer < node.layer) for other in writers)


def test_the_nine_layers_and_trading_are_all_there():
    """Each once, with words for people."""
    assert sorted(node.layer for node in GRAPH) == list(range(10))
    assert all(node.title for node in GRAPH)
    assert len({node.name for node in GRAPH}) == len(GRAPH)


def test_whatever_is_asked_is_answered_by_one():
    """And nobody answers what nobody asks."""
    answered = [question for node in GRAPH for question in node.answers]
    assert sorted(answered) == sorted({question for node in GRAPH for question in node.asks})


def test_the_gateway_reads_by_itself():
    """Each gateway shows all: no group shares the records out."""
    (gateway,) = (node for node in GRAPH if node.name == "gateway")
    assert {reading.group for reading in gateway.reads} == {None}


def test_edges_join_writers_to_readers():
    """One for each topic between two stages."""
    found = edges()
    assert Edge("ingestion", "processing", "raw-ticks") in found
    assert Edge("gateway", "trading", "commands") in found
    assert Edge("trading", "gateway", "order_events") in found
    assert len(found) == len(set(found)) == sum(len(node.reads) for node in GRAPH)
