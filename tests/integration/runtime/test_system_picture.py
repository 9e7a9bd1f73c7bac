"""The picture of the running graph: states, rates, lag, dead letters and stores of a process that really runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.health import State
from niftyflow.model import DeadLetter, Unavailable
from niftyflow.runtime import system
from niftyflow.runtime.graph import GRAPH, TOPICS_SHOWN, edges
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.system import Rates, Sample, SystemPicture
from niftyflow.runtime.wiring import Engines, engines
from niftyflow.runtime.workspace import Workspace
from support.buses import ticks
from support.trading_gateways import PRICES, TradingGateway, played_session, trading
from support.waiting import until

__all__ = ["played_session", "trading"]


def layer(picture: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one layer of a picture."""
    return next(each for each in picture["layers"] if each["name"] == name)


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[Engines]:
    """Engines of an empty workspace."""
    async with engines(Workspace(tmp_path / "ws"), AppSettings()) as opened:
        yield opened


@pytest.fixture
def picture(on: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SystemPicture:
    """A picture that is drawn anew whenever somebody looks."""
    monkeypatch.setattr(system, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(system, "STORE_SECONDS", 0.0)
    return SystemPicture(on, VirtualClock(7), Workspace(tmp_path / "ws"), list)


async def test_a_process_that_trades_is_drawn_whole(trading: TradingGateway, monkeypatch: pytest.MonkeyPatch):
    """All nine layers and trading, in the graph's order; work shows as rates, and is worked off."""
    monkeypatch.setattr(system, "LEAST_SECONDS", 0.0)
    first = await trading.get("system")
    assert [each["name"] for each in first["layers"]] == [node.name for node in GRAPH]
    assert [(each["from"], each["to"], each["topic"]) for each in first["edges"]] == [tuple(edge) for edge in edges()]
    assert [each["topic"] for each in first["topics"]] == list(TOPICS_SHOWN)
    assert {each["name"]: each["state"] for each in first["stores"]} == dict.fromkeys(
        ("market", "book", "hot", "bus"), "running"
    )
    assert layer(first, "ingestion")["state"] == "stopped"
    assert {layer(first, name)["state"] for name in ("processing", "analysis", "ai", "trading", "storage")} == {
        "running"
    }
    await trading.minute(PRICES)
    await until(lambda: _is_worked_off(trading))
    now = await trading.get("system")
    assert layer(now, "processing")["rates"]["in"] > 0
    assert layer(now, "trading")["rates"]["in"] > 0
    assert layer(now, "analysis")["latency_ms"] > 0
    rates = {each["topic"]: each["rate"] for each in now["topics"]}
    assert all(each["rate"] == rates[each["topic"]] for each in now["edges"])
    assert now["memory_bytes"] > 10_000_000
    assert now["uptime_seconds"] > 0
    assert now["is_healthy"] is True


async def _is_worked_off(trading: TradingGateway) -> bool:
    return not any(each["lag"] for each in (await trading.get("system"))["layers"])


async def test_it_looks_at_most_once_a_second(on: Engines, tmp_path: Path):
    """Whoever asks, and however often."""
    looks = SystemPicture(on, VirtualClock(7), Workspace(tmp_path / "ws"), list)
    first = await looks.look()
    assert await looks.look() is first
    assert all(each is first for each in await asyncio.gather(*(looks.look() for _ in range(20))))


async def test_workers_are_told_as_they_are(on: Engines, picture: SystemPicture):
    """A layer is as its worst worker; restarts are counted; who does not run here is stopped."""
    trades, takes = on.health.worker("trading"), on.health.worker("commands")
    trades.runs()
    takes.waits("the bus is away")
    signals = on.health.worker("signals")
    signals.fails("it crashed")
    signals.restarted()
    found = await picture.look()
    assert (layer(found, "trading")["state"], layer(found, "trading")["reason"]) == ("waiting", "the bus is away")
    assert (layer(found, "signals")["state"], layer(found, "signals")["restarts"]) == ("starting", 1)
    assert (layer(found, "analysis")["state"], layer(found, "analysis")["reason"]) == ("stopped", system.NOT_HERE)
    assert found["is_healthy"] is False
    assert found["time"] == 7


async def test_records_and_dead_letters_are_counted(on: Engines, picture: SystemPicture):
    """Letters that were dealt with no more."""
    await on.bus.publish("raw-ticks", [ticks(5)])
    letter = DeadLetter(
        topic="raw-ticks", partition=0, offset=1, key="NSE:X", record="{}", error="bad", stage="test", at=1
    )  # fmt: skip
    await on.bus.publish("dlq.raw-ticks", [(letter, letter)])
    topic = (await picture.look())["topics"][0]
    assert (topic["topic"], topic["records"], topic["dead_letters"]) == ("raw-ticks", 5, 2)
    await system.LetterBox(on.bus).drop({0: letter})
    assert (await picture.look())["topics"][0]["dead_letters"] == 1


async def test_a_store_that_is_away_is_named(on: Engines, picture: SystemPicture):
    """And storage waits; the picture is drawn all the same."""

    async def away() -> None:
        raise Unavailable("market.db", "gone")

    on.market.ping = away  # type: ignore[method-assign]
    found = await picture.look()
    assert found["stores"][0] == {"name": "market", "state": "waiting", "detail": "market.db is unavailable: gone"}
    storage = layer(found, "storage")
    assert (storage["state"], storage["reason"]) == (State.WAITING, "market: market.db is unavailable: gone")
    assert found["stores"][1]["detail"].endswith(" MB")
    assert found["stores"][2]["detail"] == "in memory"


async def test_what_servers_hold_has_no_size_here(on: Engines, tmp_path: Path):
    """The journal of a process that has a cluster for its bus is not the bus."""
    apart = replace(on, journal=EmbeddedBus(tmp_path / "journal"))
    stores = (await SystemPicture(apart, VirtualClock(7), Workspace(tmp_path / "ws"), list).look())["stores"]
    assert [(each["name"], each["detail"]) for each in stores[2:]] == [("hot", "in memory"), ("bus", "on its server")]


async def test_a_bus_that_is_away_leaves_gaps_and_no_error(on: Engines, picture: SystemPicture):
    """Its topics have no rate; nothing is made up."""

    async def away(topic: str) -> dict[int, int]:
        raise Unavailable("bus", topic)

    on.bus.end = away  # type: ignore[method-assign]
    found = await picture.look()
    assert {each["records"] for each in found["topics"]} == {0}
    assert next(each for each in found["stores"] if each["name"] == "bus")["state"] == "waiting"


def test_rates_are_of_the_last_seconds():
    """Ten of them, and no less than two samples; a count that fell (a log made anew) is none."""
    rates = Rates()
    rates.add(Sample(0.0, {"ticks": 0.0}))
    assert rates.of("ticks") == 0.0
    rates.add(Sample(2.0, {"ticks": 100.0}))
    assert rates.of("ticks") == 50.0
    for second in range(3, 30):
        rates.add(Sample(float(second), {"ticks": 100.0 + second}))
    assert rates.of("ticks") == pytest.approx(1.0)
    rates.add(Sample(90.0, {"ticks": 129.0 + 610}))
    assert rates.of("ticks") == pytest.approx(10.0)
    rates.add(Sample(91.0, {"ticks": 5.0}))
    assert rates.of("ticks") == 0.0
    assert rates.of("nobody") == 0.0
