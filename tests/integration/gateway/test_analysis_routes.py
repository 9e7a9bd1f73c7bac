"""Scorecards, indicators, signals and the view of the market by REST, beside what analysis itself says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from niftyflow.analysis.on_demand import analyze
from niftyflow.kernels.indicators.registry import REGISTRY
from niftyflow.model import MarketView, milliseconds
from support.gateways import gateway
from support.trading_gateways import MINUTE, PRICES, TradingGateway, played_session, trading
from support.waiting import until

__all__ = ["played_session", "trading"]


async def test_the_market_view_is_the_newest_of_its_topic(trading: TradingGateway):
    """As contracts.md has it; the next minute brings the next one."""
    first = await trading.get("market-view")
    view = msgspec.convert(first, MarketView)
    assert milliseconds(view.timestamp) == trading.now
    assert view.advances + view.declines + view.unchanged == 3
    await trading.minute(PRICES)
    await until(lambda: _view_moved(trading, first["timestamp"]))


async def _view_moved(trading: TradingGateway, before: str) -> bool:
    return bool((await trading.get("market-view"))["timestamp"] > before)


async def test_before_the_first_minute_there_is_no_view(tmp_path: Path):
    """404, and it says so."""
    async with gateway(tmp_path) as running:
        response = await running.client.get("/api/v1/market-view")
    assert response.status_code == 404
    assert "no view yet" in response.json()["error"]["message"]


async def test_the_scorecard_of_now_is_what_analysis_computes(trading: TradingGateway):
    """In groups; the change is in rupees what the percentage says; it is answered once more from what is at hand."""
    card = await analyze(trading.on.market, trading.on.decisions, "INFY")
    told = await trading.get("analyze", symbol="INFY")
    assert told == await _without_meta(trading, told, symbol="NSE:INFY")
    assert told["symbol"] == "NSE:INFY"
    assert (told["ltp"], told["bars"], told["recommendation"]) == (card.ltp, card.bars, card.recommendation)
    assert told["scores"]["composite"] == card.composite_score
    numbers = told["indicators"]
    assert (numbers["rsi"], numbers["macd_signal"], numbers["ema_50"]) == (card.rsi, card.macd.signal, card.emas["50"])
    assert (numbers["supertrend"], numbers["supertrend_direction"]) == (
        card.supertrend.value, card.supertrend.direction,
    )  # fmt: skip
    assert told["change"] == pytest.approx(card.ltp - card.ltp / (1 + (card.change_percent or 0) / 100), abs=1e-4)
    assert told["ai"]["prediction"] == card.ai_prediction
    assert told["missing"] == card.missing
    assert told["meta"]["data_age_seconds"] == 0.0
    trading.clock.advance_to(trading.clock.now() + 5000)
    assert (await trading.get("analyze", symbol="INFY"))["meta"]["data_age_seconds"] == 5.0


async def _without_meta(trading: TradingGateway, like: dict[str, Any], **asked: str) -> dict[str, Any]:
    return (await trading.get("analyze", **asked)) | {"meta": like["meta"]}


async def test_a_new_minute_is_told_when_it_has_closed(trading: TradingGateway):
    """From what analysis tells, without a look at a store."""
    before = await trading.get("analyze", symbol="TCS")
    await trading.minute(PRICES | {"TCS": 2380.0})
    await until(lambda: _moved(trading, before["timestamp"]))
    now = await trading.get("analyze", symbol="TCS")
    assert (now["ltp"], now["bars"]) == (2380.0, before["bars"] + 1)


async def _moved(trading: TradingGateway, before: str) -> bool:
    return bool((await trading.get("analyze", symbol="TCS"))["timestamp"] > before)


async def test_a_past_moment_has_the_scorecard_of_then(trading: TradingGateway):
    """The last candle that had ended; before the first there is none."""
    at = trading.now - 30 * MINUTE
    told = await trading.get("analyze", symbol="SBIN", at=at + 20_000)
    card = await analyze(trading.on.market, trading.on.decisions, "SBIN", at)
    assert (told["ltp"], told["scores"]["trend"]) == (card.ltp, card.trend_score)
    assert milliseconds(card.timestamp) == at
    error = await trading.get("analyze", 409, symbol="SBIN", at=trading.now - 400 * MINUTE)
    assert error["code"] == "refused"


async def test_every_instrument_is_told_in_short(trading: TradingGateway):
    """The same numbers as one by one, by key, as soon as the process is up."""
    await until(lambda: _has_all(trading))
    for row in await trading.get("analyze/market"):
        whole = await trading.get("analyze", symbol=row["symbol"])
        assert (row["ltp"], row["rsi"], row["recommendation"]) == (
            whole["ltp"], whole["indicators"]["rsi"], whole["recommendation"],
        )  # fmt: skip
        assert row["composite_score"] == whole["scores"]["composite"]
        assert row["time"] == trading.now


async def _has_all(trading: TradingGateway) -> bool:
    symbols = [row["symbol"] for row in await trading.get("analyze/market")]
    return symbols == ["NSE:INFY", "NSE:SBIN", "NSE:TCS"]


async def test_the_indicators_there_are(trading: TradingGateway):
    """With bounds, so that a page need not guess."""
    told = {each["name"]: each for each in await trading.get("indicators")}
    assert list(told) == list(REGISTRY)
    assert told["supertrend"]["parameters"][1] == {
        "name": "multiplier", "default": 3.0, "minimum": 0.0, "maximum": 100.0, "is_whole": False,
        "meaning": "average true ranges from the bar's middle to each band",
    }  # fmt: skip


async def test_an_indicator_ends_as_the_scorecard_does(trading: TradingGateway):
    """With the scorecard's parameters, to a hair; null before it is defined; as many as were asked for."""
    card = await trading.get("analyze", symbol="TCS")
    told = await trading.get("indicators/macd", symbol="TCS", limit=200, parameters="fast:12,slow:26")
    for output, field in (("value", "macd"), ("signal", "macd_signal"), ("histogram", "macd_histogram")):
        assert told["values"][output][-1] == pytest.approx(card["indicators"][field], abs=1e-6)
    assert told["parameters"] == {"fast": 12, "slow": 26, "signal": 9}
    assert told["defined_after"] == 34
    assert told["values"]["signal"][:33] == [None] * 33
    assert told["values"]["signal"][33] is not None
    assert told["time"][-1] == trading.now - MINUTE
    few = await trading.get("indicators/macd", symbol="TCS", limit=5)
    assert few["time"] == told["time"][-5:]
    assert few["values"]["value"] == pytest.approx(told["values"]["value"][-5:], abs=1e-6)


COUNTS = {"1m": 100, "3m": 37, "5m": 23, "15m": 8, "30m": 4, "1h": 2, "1d": 1}


async def test_an_indicator_of_any_interval(trading: TradingGateway):
    """The simple average of one candle is its close; higher candles begin at the session's open."""
    close = (await trading.get("analyze", symbol="INFY"))["ltp"]
    for interval, count in COUNTS.items():
        told = await trading.get("indicators/sma", symbol="INFY", interval=interval, parameters="period:1", limit=100)
        assert (told["interval"], told["values"]["value"][-1], len(told["time"])) == (interval, close, count)


async def test_signals_are_told_newest_first(trading: TradingGateway):
    """By time, symbol and rule."""
    every = await trading.get("signals", limit=1000)
    stored = await trading.on.decisions.signals(0, 1 << 60)
    assert [each["id"] for each in every] == [each.id for each in reversed(stored)]
    assert len(every) > 3
    first = every[-1]
    assert first["symbol"].startswith("NSE:")
    mine = await trading.get("signals", symbol=first["symbol"].removeprefix("NSE:"), strategy="rsi-turn")
    assert mine == [each for each in every if each["symbol"] == first["symbol"]]
    time = milliseconds(stored[0].timestamp)
    assert [each["id"] for each in await trading.get("signals", since=time, until=time + 1)] == [
        each.id for each in reversed(stored) if milliseconds(each.timestamp) == time
    ]
    assert await trading.get("signals", strategy="nobody") == []
    assert [each["id"] for each in await trading.get("signals", limit=1)] == [every[0]["id"]]


WRONG = [
    ("analyze", "invalid_value", 422), ("analyze?symbol=", "invalid_value", 422),
    ("analyze?symbol=NYSE:IBM", "invalid_value", 422), ("analyze?symbol=NOBODY", "unknown_instrument", 404),
    ("analyze?symbol=INFY&at=soon", "invalid_value", 422), ("analyze?symbol=INFY&at=-1", "invalid_value", 422),
    ("analyze?symbol=INFY&at=99999999999999999999", "invalid_value", 422),
    ("indicators/magic?symbol=INFY", "not_found", 404), ("indicators/rsi", "invalid_value", 422),
    ("indicators/rsi?symbol=NOBODY", "unknown_instrument", 404),
    ("indicators/rsi?symbol=INFY&interval=2m", "invalid_value", 422),
    ("indicators/rsi?symbol=INFY&limit=0", "invalid_value", 422),
    ("indicators/rsi?symbol=INFY&limit=5001", "invalid_value", 422),
    ("indicators/rsi?symbol=INFY&parameters=period", "invalid_value", 422),
    ("indicators/rsi?symbol=INFY&parameters=period:14,period:15", "invalid_value", 422),
    ("indicators/rsi?symbol=INFY&parameters=period:1e400", "invalid_value", 422),
    ("indicators/rsi?symbol=INFY&parameters=period:2.5", "invalid_value", 422),
    ("indicators/rsi?symbol=INFY&parameters=pace:3", "invalid_value", 422),
    ("signals?limit=x", "invalid_value", 422), ("signals?symbol=%00", "invalid_value", 422),
]  # fmt: skip


async def test_what_cannot_be_asked_is_said(trading: TradingGateway):
    """A clear 4xx in the envelope."""
    for path, code, expected in WRONG:
        assert (await trading.ask("GET", path, expected))["code"] == code, path
