"""The topics as data: what each carries, over how many partitions, and how long it is kept.

The names are public (docs/reference/contracts.md). Engines make the topics from this table and nothing else; the
embedded engine keeps each topic in one partition, whatever the table says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from niftyflow.bus.port import Body, Topic
from niftyflow.model import (
    AccountRecord,
    Candle,
    CandleBatch,
    Columns,
    Command,
    CommandResult,
    DeadLetter,
    InvalidValue,
    MarketView,
    Prediction,
    Scorecard,
    ScorecardBatch,
    Signal,
    Tick,
    TickBatch,
    Watermark,
)

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
NO_BYTE_LIMIT: Final = -1

HEADER_SOURCE: Final = "source"
HEADER_VERSION: Final = "version"
HEADER_KIND: Final = "kind"
WATERMARK_KIND: Final = "watermark"
MESSAGE_VERSION: Final = "1"

DEAD_LETTER_PREFIX: Final = "dlq."


def _instrument(record: msgspec.Struct) -> str:
    if isinstance(record, Tick | Candle | Scorecard | Signal | Prediction):
        return record.instrument
    raise TypeError(f"{type(record).__name__} has no instrument")


def _account(record: msgspec.Struct) -> str:
    if isinstance(record, Command | CommandResult | AccountRecord):
        return record.account
    raise TypeError(f"{type(record).__name__} has no account")


def _universe(record: msgspec.Struct) -> str:
    if isinstance(record, MarketView):
        return record.universe
    raise TypeError(f"{type(record).__name__} has no universe")


def _letter_key(record: msgspec.Struct) -> str:
    if isinstance(record, DeadLetter):
        return record.key
    raise TypeError(f"{type(record).__name__} is no dead letter")


RAW_TICKS: Final = Topic(
    name="raw-ticks",
    record=Tick,
    partitions=50,
    retention_ms=DAY_MS,
    retention_bytes=10 * 1024**3,
    key=_instrument,
)
MARKET_CANDLES: Final = Topic(
    name="market_candles",
    record=Candle,
    partitions=50,
    retention_ms=7 * DAY_MS,
    retention_bytes=NO_BYTE_LIMIT,
    key=_instrument,
)


def _kept_a_week(name: str, record: Any, partitions: int, key: Callable[[msgspec.Struct], str]) -> Topic:
    return Topic(name, record, partitions, 7 * DAY_MS, NO_BYTE_LIMIT, key)


ANALYSIS_UPDATES: Final = _kept_a_week("analysis_updates", Scorecard, 50, _instrument)
MARKET_VIEW: Final = _kept_a_week("market_view", MarketView, 1, _universe)
SIGNALS: Final = _kept_a_week("signals", Signal, 50, _instrument)
PREDICTIONS: Final = _kept_a_week("predictions", Prediction, 10, _instrument)
COMMANDS: Final = _kept_a_week("commands", Command, 10, _account)
COMMAND_RESULTS: Final = _kept_a_week("command_results", CommandResult, 10, _account)
ORDER_EVENTS: Final = _kept_a_week("order_events", AccountRecord, 10, _account)
TOPICS: Final = (
    RAW_TICKS, MARKET_CANDLES, ANALYSIS_UPDATES, MARKET_VIEW, SIGNALS, PREDICTIONS, COMMANDS, COMMAND_RESULTS,
    ORDER_EVENTS,
)  # fmt: skip
COLUMNAR: Final[dict[Any, type[Columns]]] = {Tick: TickBatch, Candle: CandleBatch, Scorecard: ScorecardBatch}
"""Records that travel as columns, and as which."""


def dead_letters_of(topic: str) -> Topic:
    """Return the topic that keeps the dead letters of `topic`."""
    return Topic(
        name=DEAD_LETTER_PREFIX + topic,
        record=DeadLetter,
        partitions=1,
        retention_ms=7 * DAY_MS,
        retention_bytes=NO_BYTE_LIMIT,
        key=_letter_key,
    )


def with_dead_letters(topics: tuple[Topic, ...]) -> dict[str, Topic]:
    """Return the topics and the dead-letter topic of each, by name."""
    return {each.name: each for topic in topics for each in (topic, dead_letters_of(topic.name))}


def refuse_body(topic: Topic, body: Body) -> None:
    """Refuse a body that the topic does not carry.

    Raises:
        InvalidValue: it is a batch of another kind, or holds a record of another type.
    """
    if isinstance(body, Watermark):
        return
    batch = COLUMNAR.get(topic.record)
    if isinstance(body, Columns):
        fits = type(body) is batch
    else:
        fits = batch is None and all(isinstance(record, topic.record) for record in body)
    if not fits:
        carried = getattr(topic.record, "__name__", str(topic.record))
        raise InvalidValue("body", type(body).__name__, f"{topic.name} carries {carried}")
