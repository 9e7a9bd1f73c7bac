"""Decisions as REST shows them: a symbol is always the full key, times are ms UTC, money is exact text. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from niftyflow.model import (
    CommandResult,
    FillEvent,
    Order,
    OrderEvent,
    Scorecard,
    ScorecardBatch,
    Signal,
    StrategyState,
    instrument_key,
    milliseconds,
)
from niftyflow.model.account_views import AccountView, PositionView

_EVENT: Final = (
    "client_order_id", "broker_order_id", "side", "quantity", "filled", "price", "trigger", "state", "reason", "at",
    "sequence",
)  # fmt: skip
_FILL: Final = (
    "fill_id", "client_order_id", "strategy", "side", "product", "quantity", "price", "charges", "total_charges", "at",
    "signal_id",
)  # fmt: skip
_NOT_SHOWN: Final = ("exchange", "sequence")
_STRATEGY: Final = ("name", "kind", "status", "instruments", "parameters", "reason", "at")
_PLAIN_OF_CARD: Final = (
    "exchange", "interval", "timestamp", "candle_revision", "ltp", "change_percent", "change_from", "volume",
    "volume_ratio", "day_high", "day_low", "makes", "bars", "parts", "recommendation", "missing",
)  # fmt: skip
_DECIMALS: Final = 4


def order_row(order: Order, *, every_check: bool = True) -> dict[str, Any]:
    """Return an order; without `every_check` its risk verdict holds the failed checks alone."""
    row = msgspec.structs.asdict(order)
    for name in _NOT_SHOWN:
        del row[name]
    row["symbol"] = order.instrument
    row["average_price"] = average_of(order)
    checks = [each for each in order.risk.checks if every_check or not each.is_passed]
    row["risk"] = {"verdict": order.risk.verdict, "checks": checks}
    return row


def average_of(order: Order) -> Decimal | None:
    """Return the mean price of an order's fills, rounded half to even to four decimals; None before the first."""
    return round(order.filled_value / order.filled, _DECIMALS) if order.filled else None


def event_row(event: OrderEvent) -> dict[str, Any]:
    """Return a state that an order came to."""
    return {"symbol": instrument_key(event.exchange, event.symbol)} | {name: getattr(event, name) for name in _EVENT}


def fill_row(fill: FillEvent) -> dict[str, Any]:
    """Return a trade of ours."""
    return {"symbol": fill.instrument} | {name: getattr(fill, name) for name in _FILL}


def command_row(command_id: str, result: CommandResult | None) -> dict[str, Any]:
    """Return what became of a command; nothing yet when there is no result."""
    if result is None:
        return {"id": command_id, "is_done": None, "reason": "", "body": {}}
    return {"id": result.id, "is_done": result.is_done, "reason": result.reason, "body": result.body}


def position_row(position: PositionView) -> dict[str, Any]:
    """Return a position."""
    row = msgspec.structs.asdict(position)
    del row["account"]
    row["symbol"] = row.pop("instrument")
    return row


def strategy_row(state: StrategyState, view: AccountView | None, orders: int) -> dict[str, Any]:
    """Return a strategy with what it made and holds, as far as anybody trades."""
    mine = [] if view is None else [each for each in view.positions if each.strategy == state.name]
    return {name: getattr(state, name) for name in _STRATEGY} | {
        "profit": None if view is None else sum((each.net for each in mine), Decimal("0.0000")),
        "open_positions": sum(bool(each.net_quantity) for each in mine),
        "orders": orders,
    }


def signal_row(signal: Signal) -> dict[str, Any]:
    """Return a signal."""
    return msgspec.structs.asdict(signal) | {"symbol": signal.instrument}


def analysis_row(card: Scorecard) -> dict[str, Any]:
    """Return a scorecard in groups: what the candle was, scores, indicators by the name of their number, the model."""
    return {
        "symbol": card.instrument,
        **{name: getattr(card, name) for name in _PLAIN_OF_CARD},
        "change": _change(card),
        "scores": {
            "trend": card.trend_score, "momentum": card.momentum_score, "composite": card.composite_score,
            "volatility": card.volatility_score, "volume": card.volume_score,
        },
        "indicators": _indicators(card),
        "ai": {
            "prediction": card.ai_prediction, "confidence": card.ai_confidence, "model_version": card.ai_model_version,
        },
    }  # fmt: skip


def summary_row(card: Scorecard) -> dict[str, Any]:
    """Return a scorecard in short."""
    return {
        "symbol": card.instrument, "ltp": card.ltp, "change_percent": card.change_percent,
        "trend_score": card.trend_score, "momentum_score": card.momentum_score,
        "composite_score": card.composite_score, "recommendation": card.recommendation, "rsi": card.rsi,
        "time": milliseconds(card.timestamp),
    }  # fmt: skip


def _change(card: Scorecard) -> float | None:
    """Return the change in rupees that the percentage is of."""
    if card.change_percent is None:
        return None
    return round(card.ltp - card.ltp / (1 + card.change_percent / 100), _DECIMALS)


def _indicators(card: Scorecard) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {
        "rsi": card.rsi, "macd": card.macd.value, "macd_signal": card.macd.signal,
        "macd_histogram": card.macd.histogram, **{f"ema_{period}": value for period, value in card.emas.items()},
        "sma_20": card.sma, "bollinger_upper": card.bollinger.upper, "bollinger_middle": card.bollinger.middle,
        "bollinger_lower": card.bollinger.lower, "atr": card.atr, "vwap": card.vwap,
        "supertrend": card.supertrend.value, "stochastic_k": card.stochastic.k, "stochastic_d": card.stochastic.d,
        "adx": card.adx.adx, "plus_di": card.adx.plus_di, "minus_di": card.adx.minus_di,
    }  # fmt: skip
    return {name: found[name] for name in ScorecardBatch.INDICATORS} | {
        "supertrend_direction": card.supertrend.direction
    }
