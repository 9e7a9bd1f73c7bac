"""Topics of a real Kafka: made as the table says, compared with it at every start, and shown."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from niftyflow.bus.survey import GroupState
from niftyflow.bus.topics import RAW_TICKS
from niftyflow.model import Misconfigured, Refused
from support.buses import read, ticks
from support.kafka_operator import set_topic, settings_of

kafka = pytest.importorskip("niftyflow.bus.kafka", reason="the kafka extra is not installed")

pytestmark = pytest.mark.kafka


@pytest.fixture
async def bus(kafka_servers: str, kafka_prefix: str) -> AsyncIterator[kafka.KafkaBus]:
    """An open bus of one topic and its dead letters."""
    bus = kafka.KafkaBus(kafka_servers, [RAW_TICKS], prefix=kafka_prefix, partitions=3)
    await bus.open()
    yield bus
    await bus.close()


async def test_topics_are_made_as_the_table_says(bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str):
    """Kept a day, at most 10 GB over all partitions; the dead letters beside it a week."""
    ticks_kept = settings_of(kafka_servers, f"{kafka_prefix}raw-ticks")
    assert (ticks_kept["retention.ms"], ticks_kept["cleanup.policy"]) == ("86400000", "delete")
    assert int(ticks_kept["retention.bytes"]) == 10 * 1024**3 // 3
    letters_kept = settings_of(kafka_servers, f"{kafka_prefix}dlq.raw-ticks")
    assert (letters_kept["retention.ms"], letters_kept["retention.bytes"]) == ("604800000", "-1")


async def test_more_brokers_in_sync_than_copies_stop_the_start(
    bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str
):
    """Nothing could ever be published: the message says what to change."""
    set_topic(kafka_servers, f"{kafka_prefix}raw-ticks", {"min.insync.replicas": "2"})
    again = kafka.KafkaBus(kafka_servers, [RAW_TICKS], prefix=kafka_prefix, partitions=3)
    with pytest.raises(Misconfigured, match=r"raw-ticks needs 2 brokers in sync and has 1 copies.*lower its min"):
        await again.open()


async def test_more_copies_than_brokers_are_refused(kafka_servers: str, kafka_prefix: str):
    """The cluster makes no such topic, and the message says so."""
    bus = kafka.KafkaBus(kafka_servers, [RAW_TICKS], prefix=kafka_prefix, replication=3)
    with pytest.raises(Misconfigured, match=r"makes no topics .*replication.*set bus.replication"):
        await bus.open()


async def test_what_is_only_unwise_is_told_and_does_not_stop_the_start(
    bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str
):
    """Fewer copies than wanted, and records kept for a shorter time."""
    set_topic(kafka_servers, f"{kafka_prefix}raw-ticks", {"retention.ms": "3600000"})
    again = kafka.KafkaBus(kafka_servers, [RAW_TICKS], prefix=kafka_prefix, partitions=3, replication=2)
    with capture_logs() as said:
        await again.open()
    await again.close()
    troubles = [entry["trouble"] for entry in said if entry.get("topic", "").endswith(".raw-ticks")]
    assert troubles[0] == "has 1 copies, 2 are wanted: reassign its replicas"
    assert "keeps records 3600000 ms, 86400000 are wanted" in troubles[1]


async def test_the_survey_tells_partitions_ends_and_how_far_groups_are(bus: kafka.KafkaBus):
    """Members are counted; a group that nobody joined is behind by everything."""
    await bus.publish("raw-ticks", [ticks(30)], partition=1)
    reader = await bus.subscribe("raw-ticks", group="candle-processors")
    await read(reader, 30)
    await reader.commit({1: 10})
    found = {state.topic: state for state in await bus.survey({"raw-ticks": ["candle-processors", "trading"]})}
    state = found["raw-ticks"]
    assert (state.partitions, state.wanted, state.copies, state.in_sync) == (3, 3, 1, 1)
    assert (state.records, state.ends) == (30, {0: 0, 1: 30, 2: 0})
    assert state.groups == [GroupState("candle-processors", 20, 1), GroupState("trading", 30, 0)]
    assert (state.troubles, found["dlq.raw-ticks"].groups) == ([], [])
    await reader.close()


async def test_the_survey_changes_nothing_and_names_what_is_missing(kafka_servers: str, kafka_prefix: str):
    """Topics are made only when asked for; a wrong number of partitions is told, not raised."""
    bus = kafka.KafkaBus(kafka_servers, [RAW_TICKS], prefix=kafka_prefix, partitions=3)
    await bus.connect()
    missing = await bus.survey({})
    assert [(state.partitions, state.troubles[0].is_fatal) for state in missing] == [(0, True)] * 2
    assert await bus.make_topics() == [f"{kafka_prefix}raw-ticks", f"{kafka_prefix}dlq.raw-ticks"]
    assert await bus.make_topics() == []
    await bus.close()
    other = kafka.KafkaBus(kafka_servers, [RAW_TICKS], prefix=kafka_prefix, partitions=5)
    await other.connect()
    (ticks_state, _) = await other.survey({})
    assert (ticks_state.partitions, ticks_state.wanted) == (3, 5)
    assert "has 3 partitions, 5 are wanted" in ticks_state.troubles[0].text
    await other.close()
    with pytest.raises(Refused, match="not open"):
        await other.survey({})
