"""What the processes of the Kafka benchmark do: feed, process, carry a journal, or be the bare pipe's two ends.

Each is started as `python -m benchmarks.kafka_roles ROLE ARGUMENT…` and ends with one line of JSON about itself.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.kafka_market import INSTRUMENTS, MARK_MS, MINUTE_MS, OPENING_MS, PARTITIONS, Market, marks
from benchmarks.kafka_store import store_at
from benchmarks.measure import quantile
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.json_records import encode_rows
from niftyflow.bus.kafka import KafkaBus
from niftyflow.bus.port import Body, Bus
from niftyflow.bus.topics import MARKET_CANDLES, RAW_TICKS
from niftyflow.ingestion.forward import Forwarder
from niftyflow.kit.clock import WallClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.log import configure
from niftyflow.kit.stage import Shell
from niftyflow.model import Tick, TickBatch
from niftyflow.processing.stage import CandleStage
from niftyflow.runtime.wiring import calm_collector
from niftyflow.storage.memory_hot import MemoryHotStore

AT_ONCE = 50_000
"""Ticks in one publish at most, as the forwarder reads them from the journal."""
FEED_PAUSE_SECONDS = 0.004
JOURNAL_PAUSE_SECONDS = 0.002
HEADERS = [("source", b"bench"), ("version", b"1")]
PACED_SECONDS = 0.002
CLIENT = {
    "enable.idempotence": True, "acks": "all", "compression.type": "lz4", "linger.ms": 5,
    "queue.buffering.max.messages": 200_000, "delivery.report.only.error": True,
}  # fmt: skip
"""The bare pipe's producer, as the contract has ours."""


def kafka_bus(servers: str, prefix: str) -> KafkaBus:
    """Return the engine on the topics of the benchmark."""
    return KafkaBus(servers, [RAW_TICKS, MARKET_CANDLES], prefix=prefix, partitions=PARTITIONS, source="bench")


async def feed(bus: Bus, rate: int, count: int, *, is_throttled: bool = True) -> dict[str, Any]:
    """Publish `count` ticks at a rate, or as fast as can be, with their watermarks; return when each minute closed."""
    market, sent, marked = Market(rate), 0, OPENING_MS - MARK_MS
    closed: dict[int, float] = {}
    began = time.monotonic()
    while sent < count:
        due = min(count, int((time.monotonic() - began) * rate)) if is_throttled else count
        stop = min(due, sent + AT_ONCE)
        bodies: list[Any] = []
        while sent < stop:  # cut where a watermark stands
            following = marked + MARK_MS
            upto = min(stop, market.before(following))
            if upto > sent:
                bodies.append(market.ticks(sent, upto, time.time_ns() // 1_000_000))
                sent = upto
            if upto < stop or sent == count:
                bodies += marks(following)
                marked = following
                if (following - OPENING_MS) % MINUTE_MS == 0:
                    closed[following] = time.time()
        if bodies:
            await bus.publish("raw-ticks", bodies)
        if is_throttled:
            await asyncio.sleep(FEED_PAUSE_SECONDS)
    return {"ticks": sent, "seconds": time.monotonic() - began, "closed": closed, "until": marked}


async def produce(servers: str, prefix: str, rate: str, count: str, throttled: str) -> dict[str, Any]:
    """Feed the engine directly."""
    bus = kafka_bus(servers, prefix)
    await bus.open()
    cpu = time.process_time()
    told = await feed(bus, int(rate), int(count), is_throttled=throttled == "throttled")
    told["cpu"] = time.process_time() - cpu
    await bus.close()
    return told


class Acknowledged:
    """A bus that notes how long each tick took from its receipt until the brokers had it, after a warm-up."""

    def __init__(self, bus: Bus, warm_up_seconds: float) -> None:
        self._bus = bus
        self._warm_at = time.time() + warm_up_seconds
        self.taken_ms: list[float] = []

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Publish, then look at the clock."""
        await self._bus.publish(topic, bodies, partition)
        now = time.time()
        if now > self._warm_at:
            for body in bodies:
                if isinstance(body, TickBatch):
                    self.taken_ms += (now * 1000 - body.received).tolist()


async def carry(servers: str, prefix: str, rate: str, count: str, folder: str, warm_up: str) -> dict[str, Any]:
    """Feed a journal, as ingestion does, and let the forwarder carry it to the cluster; tell how long that takes."""
    journal, bus = EmbeddedBus(Path(folder)), kafka_bus(servers, prefix)
    for engine in (journal, bus):
        await engine.open()
    forwarder = Forwarder(bus)
    writer = Acknowledged(bus, float(warm_up))
    shell = Shell(forwarder, writer, DeadLetters(bus, Path(folder)), Worker("forwarder"), WallClock())
    reader = await journal.subscribe(forwarder.topic, group=forwarder.group, assignment=shell)
    carrying = asyncio.create_task(shell.run(reader))
    market, sent, began = Market(int(rate)), 0, time.monotonic()
    while sent < int(count):
        stop = min(int(count), int((time.monotonic() - began) * int(rate)))
        if stop > sent:
            await journal.publish("raw-ticks", [market.ticks(sent, stop, time.time_ns() // 1_000_000)])
            sent = stop
        await asyncio.sleep(JOURNAL_PAUSE_SECONDS)
    ends = await journal.end("raw-ticks")
    while not shell.has_done(ends):  # noqa: ASYNC110 - the shell signals nothing
        await asyncio.sleep(0.05)
    shell.stop()
    await carrying
    for engine in (bus, journal):
        await engine.close()
    return {"ticks": sent, "seconds": time.monotonic() - began, "acknowledged": quantiles(writer.taken_ms)}


def quantiles(taken_ms: list[float]) -> dict[str, float]:
    """Return what half, nineteen of twenty and ninety-nine of a hundred took, in ms."""
    return {f"p{share}": round(quantile(taken_ms, share / 100), 1) for share in (50, 95, 99)}


async def process(servers: str, prefix: str, place: str, folder: str) -> dict[str, Any]:
    """Make candles of the ticks until told to end."""
    bus, market = kafka_bus(servers, prefix), store_at(place)
    hot = MemoryHotStore()
    for engine in (bus, market, hot):
        await engine.open()
    stage = CandleStage(bus, market, hot, WallClock())
    shell = Shell(stage, bus, DeadLetters(bus, Path(folder)), Worker("processing"), WallClock())
    reader = await bus.subscribe(stage.topic, group=stage.group, assignment=shell)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, shell.stop)
    cpu = time.process_time()
    print("ready", flush=True)
    await shell.run(reader)
    cpu = time.process_time() - cpu
    for engine in (hot, market, bus):
        await engine.close()
    return {"cpu": cpu}


def bare_produce(servers: str, topic: str, count: str, headers: str) -> dict[str, Any]:
    """Send as many messages of the same kind, encoded before, with nothing but the client."""
    from confluent_kafka import Producer

    batch = Market(100_000).ticks(0, 100_000)
    messages = list(zip(encode_rows(batch), map(str.encode, batch.keys()), strict=True))
    places = [place % PARTITIONS for place in range(INSTRUMENTS)]
    partitions = [places[number % INSTRUMENTS] for number in range(len(messages))]
    with_headers = HEADERS if headers == "headers" else None
    producer = Producer({"bootstrap.servers": servers} | CLIENT)
    cpu, began, sent = time.process_time(), time.monotonic(), 0
    while sent < int(count):
        for (value, key), partition in zip(messages, partitions, strict=True):
            while True:
                try:
                    producer.produce(topic, value, key, partition, headers=with_headers)
                except BufferError:
                    producer.poll(0.01)
                else:
                    break
        producer.poll(0)
        sent += len(messages)
    producer.flush(60)
    return {"ticks": sent, "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}


def bare_paced(servers: str, topic: str, rate: str, count: str, warm_up: str) -> dict[str, Any]:
    """Send messages at a rate, to all partitions in turn, and tell how long each took until the brokers had it."""
    from confluent_kafka import Producer

    values = encode_rows(Market(int(rate)).ticks(0, INSTRUMENTS))
    taken_ms: list[float] = []

    def delivered(error: Any, message: Any) -> None:
        if error is None and time.monotonic() - began > float(warm_up):
            taken_ms.append(message.latency() * 1000)

    client = CLIENT | {"bootstrap.servers": servers, "delivery.report.only.error": False, "on_delivery": delivered}
    producer = Producer(client)
    began, sent = time.monotonic(), 0
    while sent < int(count):
        for number in range(sent, min(int(count), int((time.monotonic() - began) * int(rate)))):
            producer.produce(topic, values[number % INSTRUMENTS], partition=number % PARTITIONS, headers=HEADERS)
            sent += 1
        producer.poll(PACED_SECONDS)
    producer.flush(60)
    return quantiles(taken_ms)


def bare_consume(servers: str, topic: str, count: str) -> dict[str, Any]:
    """Read and decode as many messages, with nothing but the client and the decoder."""
    from confluent_kafka import Consumer, TopicPartition

    settings = {"bootstrap.servers": servers, "group.id": "bare", "enable.auto.commit": False}
    consumer = Consumer(settings | {"fetch.queue.backoff.ms": 10})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    decode = msgspec.json.Decoder(Tick).decode
    print("ready", flush=True)
    taken, began, cpu = 0, 0.0, time.process_time()
    while taken < int(count):
        messages = consumer.consume(10_000, 0.1)
        began = began or (time.monotonic() if messages else 0.0)
        for message in messages:
            if message.error() is None:
                decode(message.value())
                taken += 1
    told = {"ticks": taken, "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    consumer.close()
    return told


def main(role: str, *arguments: str) -> None:
    """Do a role and tell about it."""
    configure(json=False, level="error")
    calm_collector()
    plain = {"bare_produce": bare_produce, "bare_paced": bare_paced, "bare_consume": bare_consume}
    if role in plain:
        told = plain[role](*arguments)
    else:
        told = uvloop.run({"produce": produce, "carry": carry, "process": process}[role](*arguments))
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
