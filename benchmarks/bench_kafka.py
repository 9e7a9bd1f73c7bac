"""Ticks through a real Kafka to stored candles, beside the bare pipe; and how long a tick and a candle are on the way.

Every side is a process of its own on this machine: the broker, one that publishes, one or two that process. What was
stored is counted and compared with candles that Polars makes. By itself: `python -m benchmarks.bench_kafka --help`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import uvloop
from polars.testing import assert_frame_equal

from benchmarks.kafka_broker import Running, broker
from benchmarks.kafka_market import (
    FIELDS,
    INSTRUMENTS,
    MARKET_SPEED,
    MINUTE_MS,
    OPENING_MS,
    PARTITIONS,
    Market,
)
from benchmarks.kafka_roles import kafka_bus, quantiles
from benchmarks.kafka_store import STORES, place_of, store_at
from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.bus.port import Bus
from niftyflow.bus.port import Start as From
from niftyflow.kit.log import configure
from niftyflow.model import CandleBatch, Interval, TickBatch
from niftyflow.storage.ports import MarketStore

BUDGET = Budget("ticks through Kafka to stored candles, sustained for a minute", "ticks/s", 100_000)
SHARE = Budget("of the bare pipe", "times", 0.5)
TICK = Budget("tick received to on Kafka, p99 at 10,000/s", "ms", 10, higher_is_better=False)
CANDLE = Budget("minute closed to candle stored and published, p95", "ms", 20, higher_is_better=False)
FEW = 12
PLAIN = ("label", "value", "unit", "details", "is_peer", "note")
WAIT_SECONDS = 120
WARM_UP = 500_000
TICK_RATE = 10_000
TICK_SECONDS = 60
TICK_WARM_UP_SECONDS = 30.0
"""A broker runs ever faster while it compiles the way of small requests; the first seconds are not those of a day."""


@dataclass
class Plan:
    """How much is measured."""

    rate: int = 105_000
    """Ticks a second offered; a little more than the budget, which counts until the last candle is published."""
    seconds: int = 60
    most_seconds: int = 12
    """Of ticks at `rate`, sent as fast as can be, for the comparison with the bare pipe."""
    processes: int = 1
    store: str = "sqlite"
    only: Sequence[str] = ("bare", "most", "steady", "calm", "latency")


@dataclass
class Outcome:
    """What one run through the engine gave."""

    ticks: int
    seconds: float
    feed_seconds: float
    candle_ms: list[float]
    cpu: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Ticks a second, from the first publish to the last candle published."""
        return self.ticks / self.seconds

    def costs(self) -> dict[str, float | int | str]:
        """Return processor microseconds a tick of each process."""
        return {f"us/tick {role}": round(cpu / self.ticks * 1e6, 2) for role, cpu in self.cpu.items()}


Start = Callable[..., subprocess.Popen[str]]


@contextmanager
def roles() -> Iterator[Start]:
    """Start roles in processes of their own; whoever still runs in the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(role: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.kafka_roles", role, *map(str, arguments)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            process.kill()
            process.wait()


def told_by(process: subprocess.Popen[str], seconds: float = 600) -> dict[str, Any]:
    """Wait for a role to end and return what it tells."""
    out, _ = process.communicate(timeout=seconds)
    if process.returncode:
        raise RuntimeError(f"a process of the benchmark ended with {process.returncode}")
    return json.loads(out.splitlines()[-1])


def make_topic(on: Running, topic: str) -> None:
    """Make a topic of as many partitions as ours."""
    from confluent_kafka.admin import AdminClient, NewTopic

    client = AdminClient({"bootstrap.servers": on.servers})
    for answer in client.create_topics([NewTopic(topic, PARTITIONS)]).values():
        answer.result(30)


def bare(start: Start, on: Running, count: int, headers: str) -> tuple[float, dict[str, float | int | str]]:
    """Return what the bare pipe carries a second, and what each process of it costs a tick."""
    topic = f"bare-{headers}"
    make_topic(on, topic)
    before = on.cpu_seconds()
    consumer = start("bare_consume", on.servers, topic, count)
    assert consumer.stdout is not None
    consumer.stdout.readline()
    producer = start("bare_produce", on.servers, topic, count, headers)
    sent, taken = told_by(producer), told_by(consumer)
    cpu = {"producer": sent["cpu"], "consumer": taken["cpu"], "broker": on.cpu_seconds() - before}
    costs: dict[str, float | int | str] = {
        f"us/tick {role}": round(used / count * 1e6, 2) for role, used in cpu.items()
    }
    return taken["ticks"] / taken["seconds"], costs


def through(start: Start, on: Running, folder: Path, plan: Plan, seconds: int, *, is_throttled: bool) -> Outcome:
    """Run ticks through the engine to stored candles, and refuse the result unless every candle is right."""
    with place_of(plan.store, folder) as place:
        return uvloop.run(_through(start, on, folder, place, plan, seconds, is_throttled=is_throttled))


async def _through(
    start: Start, on: Running, folder: Path, place: str, plan: Plan, seconds: int, *, is_throttled: bool
) -> Outcome:
    minutes = max(2, seconds * MARKET_SPEED // 60)
    market, prefix = Market(plan.rate), f"{folder.name}."
    count = market.before(OPENING_MS + minutes * MINUTE_MS)
    store, bus = store_at(place), kafka_bus(on.servers, prefix)
    for engine in (store, bus):
        await engine.open()
    await store.save_instruments(market.shares)
    processing = [start("process", on.servers, prefix, place, folder) for _ in range(plan.processes)]
    for each in processing:
        assert each.stdout is not None
        await asyncio.to_thread(each.stdout.readline)
    await members(bus, plan.processes)
    before, began = on.cpu_seconds(), time.time()
    how = "throttled" if is_throttled else "free"
    feeding = start("produce", on.servers, prefix, plan.rate, count, how)
    async with asyncio.TaskGroup() as tasks:
        fed_task = tasks.create_task(asyncio.to_thread(told_by, feeding))
        seen_task = tasks.create_task(candles_seen(bus, OPENING_MS + minutes * MINUTE_MS, seconds * 10 + WAIT_SECONDS))
    fed, seen = fed_task.result(), seen_task.result()
    broker_cpu = on.cpu_seconds() - before
    for each in processing:
        each.terminate()
    costs = [told_by(each)["cpu"] for each in processing]
    closed = {int(at): when for at, when in fed["closed"].items()}
    began = max(began, min(closed.values()))  # the first watermark is published with the first ticks
    warm_up = TICK_WARM_UP_SECONDS if is_throttled else 0
    outcome = Outcome(
        count, max(seen.values()) - began, fed["seconds"],
        # What comes first warms up what is compiled and connected; it counts among the ticks all the same.
        [(at - closed[minute]) * 1000 for (minute, _), at in seen.items() if closed[minute] > began + warm_up],
        {"producer": fed["cpu"], "processing": sum(costs), "broker": broker_cpu},
    )  # fmt: skip
    await refuse_wrong(store, market, minutes)
    for engine in (bus, store):
        await engine.close()
    return outcome


async def members(bus: Any, count: int) -> None:
    """Wait until the group has so many members that have joined."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        state = next(each for each in await bus.survey({"raw-ticks": ["candle-processors"]}) if each.groups)
        if state.groups[0].members == count:
            return
        assert time.monotonic() < deadline, "the group does not come together"
        await asyncio.sleep(0.2)


async def candles_seen(bus: Bus, until: int, seconds: float) -> dict[tuple[int, int], float]:
    """Return when the candles of (end of a minute, partition) were first seen, up to the last minute everywhere."""
    reader = await bus.subscribe("market_candles", group=None, start=From.LATEST)
    seen: dict[tuple[int, int], float] = {}
    last = dict.fromkeys(range(PARTITIONS), 0)
    deadline = time.monotonic() + seconds
    while min(last.values()) < until:
        for batch in await reader.poll():
            if isinstance(batch.body, CandleBatch):
                now = time.time()
                for minute in set(batch.body.time.tolist()):
                    seen.setdefault((minute + MINUTE_MS, batch.partition), now)
            else:
                last[batch.partition] = max(last[batch.partition], getattr(batch.body, "time", 0))
        assert time.monotonic() < deadline, f"not all candles came; the slowest partition is at {min(last.values())}"
    await reader.close()
    return seen


async def refuse_wrong(store: MarketStore, market: Market, minutes: int) -> None:
    """Compare every stored candle with what it must be."""
    rows = []
    for share in market.shares:
        batch = await store.candles(share.key, Interval.M1, 0, 1 << 60)
        columns = {name: getattr(batch, name) for name in FIELDS if name != "instrument"}
        rows.append(pl.DataFrame({"instrument": [share.key] * len(batch)}).hstack(pl.DataFrame(columns)))
    is_first = pl.col("time") == OPENING_MS
    found = pl.concat(rows).sort("instrument", "time")
    found = found.with_columns(volume=pl.when(is_first).then(None).otherwise(pl.col("volume")))
    assert len(found) == INSTRUMENTS * minutes, f"{len(found)} candles, not {INSTRUMENTS * minutes}"
    assert_frame_equal(found, market.expected(minutes), check_dtypes=False, check_exact=True)


async def tick_latency(start: Start, on: Running, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return how many ms a tick takes from its receipt, over the journal and the forwarder.

    First until the brokers have it, then until a reader of the topic has it decoded.
    """
    rate, until = TICK_RATE, TICK_RATE * TICK_SECONDS
    bus = kafka_bus(on.servers, f"{folder.name}.")
    await bus.open()
    reader = await bus.subscribe("raw-ticks", group=None, start=From.LATEST)
    carrying = start("carry", on.servers, f"{folder.name}.", rate, until, folder / "journal", TICK_WARM_UP_SECONDS)
    taken: list[float] = []
    count, deadline, first = 0, time.monotonic() + TICK_SECONDS + WAIT_SECONDS, 0
    while count < until:
        for batch in await reader.poll():
            now = time.time() * 1000
            if isinstance(batch.body, TickBatch):
                count += len(batch.body)
                first = first or int(batch.body.received[0])
                if batch.body.received[0] > first + TICK_WARM_UP_SECONDS * 1000:
                    taken += (now - batch.body.received).tolist()
        assert time.monotonic() < deadline, f"{count} of {until} ticks came"
    await reader.close()
    await bus.close()
    told = await asyncio.to_thread(told_by, carrying)
    return told["acknowledged"], quantiles(taken)


def bare_latency(start: Start, on: Running) -> dict[str, float]:
    """Return how many ms the client alone needs, at the same rate and partitions, until the brokers have it."""
    topic = "bare-paced"
    make_topic(on, topic)
    until = TICK_RATE * TICK_SECONDS
    return told_by(start("bare_paced", on.servers, topic, TICK_RATE, until, TICK_WARM_UP_SECONDS))


def run() -> list[Measurement]:
    """Measure the engine, then the bare pipe, on one broker; latencies again on few partitions."""
    return [*planned(Plan()), *with_few_partitions()]


def planned(plan: Plan) -> list[Measurement]:
    """Measure what a plan names."""
    configure(json=False, level="error")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for name in ("broker", "most", "steady", "calm", "latency"):
            (root / name).mkdir()
        with broker(root / "broker") as on, roles() as start:
            return _measured(start, on, root, plan)


def _measured(start: Start, on: Running, root: Path, plan: Plan) -> list[Measurement]:
    bare(start, on, WARM_UP, "warm")  # a broker compiles what it runs
    rows: list[Measurement] = []
    most = pipe = None
    if "steady" in plan.only:
        steady = through(start, on, root / "steady", plan, plan.seconds, is_throttled=True)
        note = f"{steady.ticks:,} ticks in {steady.seconds:.1f} s, fed in {steady.feed_seconds:.1f} s"
        rows += [
            Measurement("niftyflow: sustained", steady.rate, "ticks/s", note=note, details=steady.costs()),
            candle_latency(steady, f"at {plan.rate:,} ticks/s"),
        ]
    if "most" in plan.only:
        most = through(start, on, root / "most", plan, plan.most_seconds, is_throttled=False)
        rows.append(Measurement("niftyflow: as fast as can be", most.rate, "ticks/s", details=most.costs()))
    if "bare" in plan.only:
        count = plan.rate * plan.most_seconds // 100_000 * 100_000
        pipe, costs = bare(start, on, count, "headers")
        rows.append(Measurement("bare pipe, the same messages", pipe, "ticks/s", is_peer=True, details=costs))
        plain, costs = bare(start, on, count, "plain")
        rows.append(Measurement("bare pipe, without headers", plain, "ticks/s", is_peer=True, details=costs))
    if most is not None and pipe is not None:
        rows.append(Measurement("niftyflow over the bare pipe", most.rate / pipe, "times", budget=SHARE))
    if "calm" in plan.only:
        calm = through(start, on, root / "calm", replace(plan, rate=TICK_RATE), TICK_SECONDS, is_throttled=True)
        rows.append(replace(candle_latency(calm, f"at {TICK_RATE:,} ticks/s"), budget=CANDLE))
    if "latency" in plan.only:
        arrived, read = uvloop.run(tick_latency(start, on, root / "latency"))
        floor = bare_latency(start, on)
        rows += [
            Measurement("tick received to on Kafka, p99", arrived["p99"], "ms", details=dict(arrived), budget=TICK),
            Measurement("tick received to read from Kafka, p99", read["p99"], "ms", details=dict(read)),
            Measurement(
                "bare client, sent to on Kafka, p99", floor["p99"], "ms", is_peer=True, details=dict(floor),
                note="linger 5 ms; nobody reads",
            ),
        ]  # fmt: skip
    return rows


def candle_latency(outcome: Outcome, load: str) -> Measurement:
    """Return how long after its minute's watermark a candle is stored and read from its topic."""
    half, most = (round(quantile(outcome.candle_ms, share), 1) for share in (0.5, 0.95))
    return Measurement(f"minute closed to candle stored and published, p95, {load}", most, "ms", details={"p50": half})


def with_few_partitions() -> list[Measurement]:
    """Return both latencies on a cluster with as many partitions as a small one needs."""
    command = [sys.executable, "-m", "benchmarks.bench_kafka", "calm", "latency", "--json"]
    surroundings = os.environ | {"NIFTYFLOW_BENCH_PARTITIONS": str(FEW)}
    done = subprocess.run(command, env=surroundings, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    rows = [Measurement(**row) for row in json.loads(done.stdout.splitlines()[-1])]
    return [replace(row, label=f"{row.label}, {FEW} partitions") for row in rows]


def main(arguments: Sequence[str]) -> None:
    """Run parts of the benchmark by hand."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="benchmarks.bench_kafka", description=__doc__)
    parser.add_argument("only", nargs="*", default=list(plan.only), help=", ".join(plan.only))
    parser.add_argument("--rate", type=int, default=plan.rate)
    parser.add_argument("--seconds", type=int, default=plan.seconds)
    parser.add_argument("--most-seconds", type=int, default=plan.most_seconds)
    parser.add_argument("--processes", type=int, default=plan.processes)
    parser.add_argument("--store", choices=STORES, default=plan.store)
    parser.add_argument("--json", action="store_true", help="labels, values and details as one line")
    given = vars(parser.parse_args(arguments))
    is_json = given.pop("json")
    rows = planned(Plan(**given))
    if is_json:
        print(json.dumps([{name: getattr(row, name) for name in PLAIN} for row in rows]))
        return
    for row in rows:
        print(f"{row.label:55} {row.value or 0:12,.2f} {row.unit}  {row.note} {row.details or ''}")


if __name__ == "__main__":
    main(sys.argv[1:])
