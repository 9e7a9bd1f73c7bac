"""Signals, predictions and indicator states as rows and back, and the portable statements that read them.

It runs no statement. A number that is not finite is refused: databases have no such value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Select, select

from niftyflow.model import (
    Interval,
    InvalidValue,
    Prediction,
    Reason,
    Side,
    Signal,
    milliseconds,
    moment,
    split_key,
)
from niftyflow.storage.book_ports import IndicatorState
from niftyflow.storage.record_layout import json_text
from niftyflow.storage.schema import predictions, signals

_reasons = msgspec.json.Decoder(list[Reason])


def signal_row(signal: Signal) -> tuple[Any, ...]:
    """Return a signal as a row, in the order of the table's columns.

    Raises:
        InvalidValue: a number is not finite.
    """
    for field in ("strength", "price", "stop", "target"):
        _finite(field, getattr(signal, field))
    return (
        signal.id, signal.strategy, signal.instrument, signal.interval.value, milliseconds(signal.timestamp),
        milliseconds(signal.valid_until), signal.action.value, signal.strength, signal.price, signal.stop,
        signal.target, json_text(signal.reason), json_text(signal.saw),
    )  # fmt: skip


def signal_of(row: Mapping[str, Any]) -> Signal:
    """Return a row as a signal."""
    exchange, symbol = split_key(row["instrument"])
    return Signal(
        id=row["id"],
        strategy=row["strategy"],
        symbol=symbol,
        exchange=exchange,
        interval=Interval(row["interval"]),
        timestamp=moment(row["time"]),
        valid_until=moment(row["valid_until"]),
        action=Side(row["action"]),
        strength=row["strength"],
        price=row["price"],
        stop=row["stop"],
        target=row["target"],
        reason=_reasons.decode(row["reason"]),
        saw=msgspec.json.decode(row["saw"]),
    )


def prediction_row(prediction: Prediction) -> tuple[Any, ...]:
    """Return a prediction as a row, in the order of the table's columns.

    Raises:
        InvalidValue: a number is not finite.
    """
    _finite("prediction", prediction.prediction)
    _finite("confidence", prediction.confidence)
    return (
        prediction.interval.value, milliseconds(prediction.timestamp), prediction.instrument, prediction.prediction,
        prediction.confidence, prediction.model_version, prediction.outcome,
    )  # fmt: skip


def prediction_of(row: Mapping[str, Any]) -> Prediction:
    """Return a row as a prediction."""
    exchange, symbol = split_key(row["instrument"])
    return Prediction(
        symbol=symbol,
        exchange=exchange,
        interval=Interval(row["interval"]),
        timestamp=moment(row["time"]),
        prediction=row["prediction"],
        confidence=row["confidence"],
        model_version=row["model_version"],
        outcome=row["outcome"],
    )


def state_row(state: IndicatorState) -> tuple[Any, ...]:
    """Return an indicator state as a row, in the order of the table's columns."""
    return (state.interval.value, state.instrument, state.anchor, state.time, state.version, state.values)


def state_of(row: Mapping[str, Any]) -> IndicatorState:
    """Return a row as an indicator state."""
    return IndicatorState(
        instrument=row["instrument"],
        interval=Interval(row["interval"]),
        anchor=row["anchor"],
        time=row["time"],
        version=row["version"],
        values=row["state"],
    )


def signals_told(
    since: int, until: int, instrument: str | None, strategy: str | None, limit: int | None
) -> Select[Any]:
    """Return the query of the signals of a span, newest first."""
    chosen = select(signals).where(signals.c.time >= since, signals.c.time < until)
    if instrument is not None:
        chosen = chosen.where(signals.c.instrument == instrument)
    if strategy is not None:
        chosen = chosen.where(signals.c.strategy == strategy)
    order = (signals.c.time, signals.c.instrument, signals.c.strategy, signals.c.id)
    return chosen.order_by(*(column.desc() for column in order)).limit(limit)


def predictions_told(interval: Interval, since: int, until: int) -> Select[Any]:
    """Return the query of the answers of a span, oldest first, then by instrument."""
    return (
        select(predictions)
        .where(predictions.c.interval == interval.value, predictions.c.time >= since, predictions.c.time < until)
        .order_by(predictions.c.time, predictions.c.instrument)
    )


def _finite(field: str, value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise InvalidValue(field, value, "what is stored of a decision is a finite number, or nothing")
