"""The topics are those of the contracts."""

import pytest

from niftyflow.bus.topics import MARKET_CANDLES, RAW_TICKS, TOPICS, dead_letters_of, refuse_body, with_dead_letters
from niftyflow.model import (
    AccountRecord,
    Candle,
    Command,
    CommandResult,
    DeadLetter,
    InvalidValue,
    MarketView,
    Prediction,
    Scorecard,
    Signal,
    Tick,
)
from support.buses import candles, letter, ticks, watermark


def test_the_table_is_that_of_the_contracts():
    """Names, records, partitions and retention as documented."""
    table = [(topic.name, topic.record, topic.partitions, topic.retention_ms) for topic in TOPICS]
    week = 604_800_000
    assert table == [
        ("raw-ticks", Tick, 50, 86_400_000),
        ("market_candles", Candle, 50, week),
        ("analysis_updates", Scorecard, 50, week),
        ("market_view", MarketView, 1, week),
        ("signals", Signal, 50, week),
        ("predictions", Prediction, 10, week),
        ("commands", Command, 10, week),
        ("command_results", CommandResult, 10, week),
        ("order_events", AccountRecord, 10, week),
    ]
    assert RAW_TICKS.retention_bytes == 10 * 2**30


def test_every_topic_has_its_dead_letters():
    """They go to one partition of `dlq.<topic>` and stay a week."""
    topic = dead_letters_of("raw-ticks")
    assert (topic.name, topic.record, topic.partitions, topic.retention_ms) == (
        "dlq.raw-ticks", DeadLetter, 1, 604_800_000,
    )  # fmt: skip
    both = list(with_dead_letters(TOPICS))
    assert both[:4] == ["raw-ticks", "dlq.raw-ticks", "market_candles", "dlq.market_candles"]
    assert len(both) == 2 * len(TOPICS)


def test_plain_records_are_keyed_as_the_table_says():
    """A tick and a candle by their instrument, a letter by the key of what it holds."""
    assert RAW_TICKS.key(ticks(1).to_records()[0]) == "NSE:RELIANCE"
    assert MARKET_CANDLES.key(candles(1).to_records()[0]) == "NSE:RELIANCE"
    assert dead_letters_of("x").key(letter(1)) == "NSE:INFY"
    with pytest.raises(TypeError):
        RAW_TICKS.key(letter(1))
    with pytest.raises(TypeError):
        dead_letters_of("x").key(watermark(1))


def test_bodies_of_another_kind_are_refused():
    """A watermark fits everywhere, a batch only where its records belong."""
    refuse_body(RAW_TICKS, watermark(1))
    refuse_body(RAW_TICKS, ticks(1))
    refuse_body(dead_letters_of("raw-ticks"), (letter(1),))
    for topic, body in ((RAW_TICKS, candles(1)), (MARKET_CANDLES, ticks(1)), (dead_letters_of("x"), ticks(1))):
        with pytest.raises(InvalidValue):
            refuse_body(topic, body)
    with pytest.raises(InvalidValue):
        refuse_body(dead_letters_of("x"), (watermark(1),))
