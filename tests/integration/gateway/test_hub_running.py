"""The hub's life: a bus that is away, a crash and a second run, the day's closes, and what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Subscription
from niftyflow.gateway import hub as hubs
from niftyflow.gateway.hub import Hub
from niftyflow.gateway.samples import Sample
from niftyflow.gateway.sources import Sources
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.health import Health, State
from niftyflow.model import CandleBatch, DecodeError, Exchange, Instrument, Kind, TickBatch, Unavailable, moment
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_decisions import SqliteDecisionStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.records import a_candle, a_tick
from support.socket_servers import NoCommands
from support.told_clients import ToldClient
from support.waiting import until

T = 1_705_560_000_000
DAY_MS = 86_400_000
ALL = frozenset({"*"})
RELIANCE = "NSE:RELIANCE"


class FlakyBus(EmbeddedBus):
    """The embedded bus, which is away as often as a test says; `breaks` is what its next poll dies of."""

    away = 0
    breaks: Exception | None = None

    async def subscribe(self, topic: str, **options: Any) -> Subscription:  # type: ignore[override]
        if self.away:
            self.away -= 1
            raise Unavailable("bus", "out for a test")
        reader = await super().subscribe(topic, **options)
        poll = reader.poll

        async def flaky() -> Any:
            if self.breaks is not None:
                error, self.breaks = self.breaks, None
                raise error
            return await poll(timeout_seconds=0.05)

        reader.poll = flaky  # type: ignore[method-assign] # this bus's own readers
        return reader


class PageWire:
    """A wire to a client that reads everything."""

    is_aborted = False
    is_clear = True

    def __init__(self, **options: Any) -> None:
        self.on_clear = None
        self.client = ToldClient(**options)
        self.closed: int | None = None

    def write(self, text: bytes) -> None:
        self.client.take(text)

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - the port's
        self.closed = code

    def abort(self) -> None:
        self.closed = 1006


@asynccontextmanager
async def sources_in(folder: Path) -> AsyncIterator[tuple[FlakyBus, Sources]]:
    """Open the engines of a folder."""
    bus, market = FlakyBus(folder / "log"), SqliteMarketStore(folder / "m.db")
    book, hot = SqliteBookStore(folder / "b.db"), MemoryHotStore()
    for engine in (bus, market, book, hot):
        await engine.open()
    yield (
        bus,
        Sources(
            bus=bus, market=market, decisions=SqliteDecisionStore(market.database), book=book, hot=hot, health=Health(),
            clock=VirtualClock(T), caller=LocalCaller(), commands=NoCommands(), account="paper-1",
        ),
    )  # fmt: skip
    for engine in (hot, book, market, bus):
        await engine.close()


@asynccontextmanager
async def running(hub: Hub, bus: FlakyBus) -> AsyncIterator[None]:
    """Run a hub until it reads every topic, and stop it in the end."""
    task = asyncio.create_task(hub.run())
    try:
        await until(lambda: len(bus._subscriptions) == len(hub.board.topics) or task.done())
        yield
    finally:
        hub.stop()
        async with asyncio.timeout(60):
            await task


def ticks(ltp: float, **changes: Any) -> TickBatch:
    """Return one tick."""
    return TickBatch.from_records([a_tick(ltp=ltp, **changes)])


async def test_a_bus_that_is_away_is_waited_for(tmp_path: Path):
    """The worker says so meanwhile, and that it runs again afterwards."""
    async with sources_in(tmp_path) as (bus, sources):
        hub = Hub(sources)
        bus.away = 8
        worker = sources.health.worker("gateway-hub")
        states: list[State] = []
        task = asyncio.create_task(hub.run())
        await until(lambda: states.append(worker.state) or State.WAITING in states)
        await until(lambda: worker.state is State.RUNNING and len(bus._subscriptions) == len(hub.board.topics))
        bus.breaks = Unavailable("bus", "out again")
        await until(lambda: worker.state is State.WAITING)
        await until(lambda: worker.state is State.RUNNING)
        await bus.publish("raw-ticks", [ticks(2850.0)])
        await until(lambda: RELIANCE in hub.board.prices)
        hub.stop()
        await task
        assert worker.state is State.STOPPED


async def test_a_hub_that_crashed_begins_a_new_epoch_and_says_so(tmp_path: Path):
    """What it missed is not hidden: those that stayed connected are told of a gap."""
    async with sources_in(tmp_path) as (bus, sources):
        hub = Hub(sources)
        wire = PageWire()
        first = asyncio.create_task(hub.run())
        await until(lambda: len(bus._subscriptions) == len(hub.board.topics))
        listener = hub.join(wire, "market")
        await hub.subscribe(listener, "signals", ALL)
        await hub.subscribe(listener, "prices", ALL)
        epoch = wire.client.epoch
        bus.breaks = ZeroDivisionError("a fault")
        with pytest.raises(ExceptionGroup):
            await first
        assert wire.closed is None
        async with running(hub, bus):
            await until(lambda: wire.client.gaps == 2)
            assert wire.client.epoch != epoch
            await bus.publish("raw-ticks", [ticks(2850.0)])
            await until(lambda: RELIANCE in wire.client.values)
        assert wire.closed == 1012


async def test_changes_are_measured_against_the_close_before_the_ticks_day(tmp_path: Path):
    """And against another one when the day is another, whether or not a tick comes."""
    async with sources_in(tmp_path) as (bus, sources):
        closes = {T - DAY_MS: 2000.0, T: 2500.0}
        for time, close in closes.items():
            candle = a_candle(time=moment(time - 600_000), open=close, high=close, low=close, close=close)
            await sources.market.upsert_candles(CandleBatch.from_records([candle]))
        hub, wire = Hub(sources), PageWire()
        async with running(hub, bus):
            await hub.subscribe(hub.join(wire, "market"), "prices", ALL)
            await bus.publish("raw-ticks", [ticks(2200.0, timestamp=T)])
            await until(lambda: wire.client.values.get(RELIANCE, {}).get("change_percent") == 10.0)
            await bus.publish("raw-ticks", [ticks(2750.0, timestamp=T + DAY_MS)])
            await until(lambda: wire.client.values[RELIANCE]["change_percent"] == 10.0)
            await until(lambda: wire.client.values[RELIANCE]["ltp"] == 2750.0)
            assert wire.client.values[RELIANCE]["change_percent"] == 10.0


async def test_prices_of_the_days_instruments_are_remembered_at_the_start(tmp_path: Path):
    """A tick that the hub saw itself is newer, and stays."""
    async with sources_in(tmp_path) as (bus, sources):
        known = [Instrument(exchange=Exchange.NSE, symbol=symbol, kind=Kind.EQUITY) for symbol in ("RELIANCE", "INFY")]
        await sources.market.save_instruments(known)
        stored = {f"tick:latest:NSE:{s}": msgspec.json.encode(a_tick(symbol=s, ltp=10.0)) for s in ("RELIANCE", "INFY")}
        await sources.hot.set_many(stored | {"tick:latest:NSE:TCS": b"no tick"})
        hub = Hub(sources)
        hub.board.take("raw-ticks", [ticks(2850.0)])
        async with running(hub, bus):
            await until(lambda: "NSE:INFY" in hub.board.prices)
            await hub._recall(frozenset({"NSE:TCS", "NSE:NONE"}))
            assert hub.board.prices.get(RELIANCE).ltp == 2850.0
            assert "NSE:TCS" not in hub.board.prices


async def test_an_unreadable_record_does_not_end_the_reading(tmp_path: Path):
    """It is left out; its stage dead-letters it."""
    async with sources_in(tmp_path) as (bus, sources):
        hub = Hub(sources)
        async with running(hub, bus):
            bus.breaks = DecodeError("torn", b"")
            await bus.publish("raw-ticks", [ticks(2850.0)])
            await until(lambda: RELIANCE in hub.board.prices and bus.breaks is None)
            assert hub.board.prices.get(RELIANCE).ltp == 2850.0


async def test_clients_and_frames_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By socket and channel; a change that joined a waiting frame is counted as conflated."""
    monkeypatch.setattr(hubs, "SWEEP_SECONDS", 0.01)

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    async with sources_in(tmp_path) as (bus, sources):
        hub, wire = Hub(sources), PageWire()
        sent = value("socket_frames_sent_total", channel="prices")
        conflated = value("socket_changes_conflated_total", channel="prices")
        connected = value("socket_clients", socket="market")
        async with running(hub, bus):
            listener = hub.join(wire, "market")
            await hub.subscribe(listener, "prices", ALL)
            assert value("socket_clients", socket="market") == connected + 1
            wire.is_clear = False
            for price in (1.0, 2.0, 3.0):
                await hub.tell(hub.board.take("raw-ticks", [ticks(price)]))
            wire.is_clear = True
            listener.flush()
            await until(lambda: value("socket_frames_sent_total", channel="prices") == sent + 2)
            assert value("socket_changes_conflated_total", channel="prices") == conflated + 2
            hub.leave(listener)
            hub.leave(listener)
            assert value("socket_clients", socket="market") == connected


async def test_a_sample_that_hangs_holds_up_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its channel is unknown; others are told as ever."""
    monkeypatch.setattr(hubs, "ASK_SECONDS", 0.05)
    never = asyncio.Event()
    async with sources_in(tmp_path) as (bus, sources):
        hub = Hub(sources, {"system": Sample(never.wait, 0.01)})
        wire, other = PageWire(), PageWire()
        async with running(hub, bus):
            waiting = asyncio.create_task(hub.subscribe(hub.join(wire, "market"), "system", ALL))
            await hub.subscribe(hub.join(other, "market"), "prices", ALL)
            await bus.publish("raw-ticks", [ticks(2850.0)])
            await until(lambda: RELIANCE in other.client.values)
            await waiting
            assert wire.client.kinds[0] == "snapshot"
            assert not wire.client.values
