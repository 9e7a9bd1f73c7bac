"""A cluster of real processes whose members and feed are killed and begun again, and what it left in its stores.

The members are kept by `niftyflow cluster`'s own keeper; the feed, and a member in a network namespace, by a few lines
here.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.bus.kafka import KafkaBus
from niftyflow.bus.topics import DEAD_LETTER_PREFIX, TOPICS, with_dead_letters
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Candle, Instrument, Interval, Retryable
from niftyflow.runtime.cluster import LocalCluster, Member
from niftyflow.runtime.demo_settings import TEXT
from niftyflow.runtime.settings import load
from niftyflow.runtime.stores import StoreSet, opened, stores_of
from niftyflow.runtime.wiring import Does, Process, engines
from niftyflow.runtime.workspace import Workspace
from support.chaos_feed import NAME as FEED
from support.chaos_feed import Tape
from support.chaos_network import Namespace
from support.chaos_servers import DATABASE, PARTITIONS, Servers
from support.waiting import until

EVER = 1 << 60
ACCOUNT = "paper-1"
LOOK_SECONDS = 0.2
STARTS_SECONDS, ENDS_SECONDS = 180.0, 600.0
APART = "apart"
"""The member in a namespace."""
RUNS = "health and metrics at"
"""What a process says when it runs."""
TOLD = ("raw-ticks", "market_candles", "analysis_updates", "market_view", "signals")
"""Topics whose watermarks tell how far the stages are."""
WITH_LETTERS = set(with_dead_letters(TOPICS))
FIELDS = ("open", "high", "low", "close", "volume", "trades", "vwap", "incomplete", "revision")

ANY = ("processing", "analysis", "aggregation", "signals", "trading")
Layers = tuple[str, ...]
FEW: dict[str, Layers] = {
    "processing-1": ("processing",), "processing-2": ("processing",),
    "analysis-1": ("analysis",), "analysis-2": ("analysis",),
    "decisions-1": ("aggregation", "signals", "trading"), "decisions-2": ("aggregation", "signals", "trading"),
}  # fmt: skip
"""Two of everything, in as few processes as that takes."""
ALL: dict[str, Layers] = {
    "processing-1": ("processing",), "processing-2": ("processing",),
    "analysis-1": ("analysis",), "analysis-2": ("analysis",),
    "aggregation-1": ("aggregation",), "aggregation-2": ("aggregation",),
    "signals-1": ("signals",), "signals-2": ("signals",),
    "trading-1": ("trading",), "trading-2": ("trading",),
}  # fmt: skip
"""Each layer in processes of its own; of those that work once a second one stands by."""


class Left(NamedTuple):
    """What a run left in its stores: candles, signals, orders, fills; and dead letters."""

    candles: dict[tuple[str, int], tuple[Any, ...]]
    signals: list[tuple[Any, ...]]
    orders: list[tuple[Any, ...]]
    fills: list[tuple[Any, ...]]
    letters: list[str]


# -- what there should be ------------------------------------------------------------------------------------------


async def reference(folder: Path, tape: Tape, servers: Servers) -> Left:
    """Return what the tape makes undisturbed: candles of one process without servers, decisions of one on Kafka.

    Which of several orders of one moment a limit of the account stops depends on the order of the partitions, and so on
    how many there are: decisions are compared with those made over as many.
    """
    alone = await _played(folder / "alone", tape, Does.PROCESSING, {})
    on_kafka = {name: value for name, value in servers.settings.items() if name.startswith("bus.")}
    undisturbed = await _played(folder / "undisturbed", tape, Does.ALL, on_kafka | {"bus.prefix": "undisturbed."})
    return undisturbed._replace(candles=alone.candles)


async def _played(folder: Path, tape: Tape, does: Does, overrides: dict[str, str]) -> Left:
    """Play the tape through one process as fast as it goes, into files."""
    workspace, clock, session = Workspace(folder).create(), VirtualClock(), tape.session()
    workspace.settings_file.write_text(TEXT)
    settings = load(workspace.settings_file, dict(overrides))
    async with engines(workspace, settings) as on:
        await on.market.save_instruments(session.instruments)
        await on.market.upsert_candles(tape.past())
        process = Process(workspace, settings, on)
        await process.run(ReplayFeed(Playback(session), clock), list(session.instruments), clock, does=does)
    stores = stores_of(workspace, settings)
    async with opened(stores.engines):
        return await _left(stores, session.instruments, [])


async def _left(stores: StoreSet, instruments: Sequence[Instrument], letters: list[str]) -> Left:
    candles = [
        candle
        for instrument in instruments
        for candle in (await stores.market.candles(instrument.key, Interval.M1, 0, EVER)).to_records()
    ]
    orders = await stores.book.orders(ACCOUNT)
    fills = await stores.book.fills(ACCOUNT)
    left = Left(
        {(each.instrument, int(each.time.timestamp() * 1000)): _row(each) for each in candles},
        sorted((each.id, each.strategy, each.instrument, each.action.value, each.timestamp)
               for each in await stores.decisions.signals(0, EVER)),
        sorted((each.decided_at, each.strategy, each.instrument, each.side.value, each.quantity,
                each.order_type.value, each.client_order_id, each.state.value, each.filled) for each in orders),
        sorted((each.at, each.strategy, each.instrument, each.side.value, each.quantity, each.price,
                each.client_order_id) for each in fills),
        letters,
    )  # fmt: skip
    assert len(left.candles) == len(candles), "a candle is there twice"
    return left


def _row(candle: Candle) -> tuple[Any, ...]:
    return tuple(getattr(candle, field) for field in FIELDS)


def assert_same(left: Left, wanted: Left) -> None:
    """Compare what a disturbed run left with what there should be."""
    assert left.letters == []
    missing, more = wanted.candles.keys() - left.candles.keys(), left.candles.keys() - wanted.candles.keys()
    assert not missing, f"{len(missing)} candles are missing, the first {min(missing)}"
    assert not more, f"{len(more)} candles too many, the first {min(more)}"
    wrong = [(key, left.candles[key], row) for key, row in wanted.candles.items() if left.candles[key] != row]
    assert not wrong, f"{len(wrong)} candles differ, the first {wrong[0]}"
    for name in ("signals", "orders", "fills"):
        ours, theirs = getattr(left, name), getattr(wanted, name)
        without = [each for each in theirs if each not in ours]
        beyond = [each for each in ours if each not in theirs]
        assert ours == theirs, f"{name}: {len(without)} missing {without[:3]}, {len(beyond)} too many {beyond[:3]}"


# -- the cluster -------------------------------------------------------------------------------------------------------


class ChaosCluster:
    """A tape that is taken in, and the members that work on it; whatever dies is begun again."""

    def __init__(
        self, folder: Path, servers: Servers, tape: Tape, members: Mapping[str, Layers],
        namespace: Namespace | None = None,
    ) -> None:  # fmt: skip
        """Describe it; with a `namespace` one more member, of every layer, runs in there."""
        self.servers = servers
        self.tape = tape
        self.members = dict(members)
        self.workspace = Workspace(folder / "cluster").create()
        self.workspace.settings_file.write_text(TEXT)
        self.settings = load(self.workspace.settings_file, dict(servers.settings))
        self.namespace = namespace
        self._variables = variables_of(servers.settings)
        self.kept = LocalCluster(
            self.workspace,
            [
                Member(name, ("run", *layers, "--name", name, "--internal-port", "0"), self._variables)
                for name, layers in members.items()
            ],
            lambda _line: None,
        )
        self._stopping = asyncio.Event()
        self._own: dict[str, asyncio.subprocess.Process] = {}
        self.deaths = 0
        self.has_ended = asyncio.Event()
        """Whether the tape was taken in, to its end, and forwarded."""

    # -- running ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the members run for the time of a `with`, and the feed as soon as they do."""
        await self._prepare()
        async with asyncio.TaskGroup() as group:
            members = group.create_task(self.kept.run(self._stopping))
            own: list[asyncio.Task[None]] = []
            try:
                if self.namespace is not None:
                    own.append(group.create_task(self._keep(APART, *self._apart(self.namespace))))
                await until(lambda: all(map(self._runs, self._names())) or members.done(), STARTS_SECONDS)
                own.append(group.create_task(self._keep(FEED, self._feed(), self._variables)))
                yield
            except BaseException as error:
                error.add_note(self.output())
                raise
            finally:
                self._stopping.set()
                for task in own:
                    task.cancel()

    async def worked_off(self) -> Left:
        """Wait until everything that was taken in is worked off, and return what is stored then."""
        async with asyncio.timeout(ENDS_SECONDS):
            await self.has_ended.wait()
            bus = KafkaBus(self.settings.bus.servers, partitions=PARTITIONS, source="test")
            await bus.open()
            try:
                for topic in TOLD:
                    for partition in range(bus.partitions(topic)):
                        await self._until_told(bus, topic, partition)
                letters = [
                    f"{topic.name}: {letter}"
                    for topic in TOPICS
                    if DEAD_LETTER_PREFIX + topic.name in WITH_LETTERS
                    for letter in await bus.read_dead_letters(topic.name)
                ]
            finally:
                await bus.close()
            stores = stores_of(self.workspace, self.settings)
            async with opened(stores.engines):
                await until(lambda: self._has_traded(stores), ENDS_SECONDS)
                return await _left(stores, self.tape.session().instruments, letters)

    def output(self) -> str:
        """Return the end of what each process said."""
        files = [self.kept.log_of(name) for name in (*self._names(), FEED)]
        return "\n".join(f"--- {file.parent.name}\n{file.read_text()[-1500:]}" for file in files if file.exists())

    def _names(self) -> list[str]:
        return [*self.members, *([APART] if self.namespace is not None else [])]

    def _runs(self, name: str) -> bool:
        file = self.kept.log_of(name)
        return file.exists() and RUNS in file.read_text()

    async def _prepare(self) -> None:
        stores = stores_of(self.workspace, self.settings)
        async with opened(stores.engines):
            await stores.market.save_instruments(self.tape.session().instruments)
            await stores.market.upsert_candles(self.tape.past())

    async def _has_traded(self, stores: StoreSet) -> bool:
        account = await stores.book.account(ACCOUNT)
        return account is not None and account.time >= self.tape.ends

    async def _until_told(self, bus: KafkaBus, topic: str, partition: int) -> None:
        while True:
            with suppress(Retryable):
                last = await bus.last_watermark(topic, partition)
                if last is not None and last.time >= self.tape.ends:
                    return
            await asyncio.sleep(LOOK_SECONDS)

    def _feed(self) -> list[str]:
        return [
            sys.executable, "-m", "support.chaos_feed", f"--workspace={self.workspace.path}", *self.tape.arguments(),
        ]  # fmt: skip

    def _apart(self, namespace: Namespace) -> tuple[list[str], dict[str, str]]:
        command = [
            *namespace.prefix, sys.executable, "-m", "niftyflow.cli.app", "--workspace", str(self.workspace.path),
            "run", *ANY, "--name", APART, "--internal-port", "0",
        ]  # fmt: skip
        return command, variables_of(self.servers.settings_apart)

    async def _keep(self, name: str, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Run a process that the keeper does not know until it ends well; the feed does at the tape's end."""
        file = self.kept.log_of(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        surroundings = {**os.environ, **variables, "PYTHONPATH": str(Path(__file__).parents[1])}
        while not self._stopping.is_set():
            with file.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=surroundings
                )
            self._own[name] = process
            try:
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if code == 0 and name == FEED:
                self.has_ended.set()
                return
            await asyncio.sleep(1)

    # -- what can be done to it ------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """Kill a process with -9: a member by its name, or the feed."""
        process = self._own.get(name) or self.kept.running.get(name)
        if process is not None and process.returncode is None:
            self.deaths += 1
            process.kill()

    def trader(self) -> str:
        """Return the name of the member that trades the account, or of any that could."""
        holder = self.servers.postgres.execute(
            f"SELECT holder FROM leases WHERE name = 'account/{ACCOUNT}'", database=DATABASE
        )
        process_id = holder.strip().rpartition(":")[2]
        named = {str(process.pid): name for name, process in self.kept.running.items()}
        return named.get(process_id, next(name for name, layers in self.members.items() if "trading" in layers))


def variables_of(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings as the variables that set them."""
    return {f"NIFTYFLOW_{name.upper().replace('.', '__')}": value for name, value in settings.items()}
