"""The hub: reads each topic once for all sockets, keeps the board, and tells whoever listens.

It reads from the newest record on and owns no data: what it knows is gone with it, and a new epoch says so. A bus that
is away is waited for; a client that does not read is ended alone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from niftyflow.bus.port import Start
from niftyflow.bus.port import Subscription as Reader
from niftyflow.gateway.board import Board, Changes
from niftyflow.gateway.channels import ALL
from niftyflow.gateway.latest_values import Symbols, Watchlist
from niftyflow.gateway.listener import Listener
from niftyflow.gateway.samples import Sample, samples_of
from niftyflow.gateway.sources import Sources
from niftyflow.gateway.subscription import Subscription
from niftyflow.gateway.wire import Wire
from niftyflow.kit import metrics
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.market.calendar import ist_day
from niftyflow.model import DecodeError, Refused, Retryable

T = TypeVar("T")
log = get_logger(__name__)

WORKER: Final = "gateway-hub"
FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 15.0
SWEEP_SECONDS: Final = 1.0
FORMING_SECONDS: Final = 0.5
ASK_SECONDS: Final = 5.0
SLICE: Final = 10
"""Clients whose frames are made, then written, before the rest of the process has a turn."""
RESTARTING: Final = 1012
_FORMING: Final = "candles"
_PRICES: Final = "prices"


class Hub:
    """Everything sockets listen to: `run` it until `stop`. Clients may join at any time, and hear when it runs."""

    def __init__(self, sources: Sources, samples: Mapping[str, Sample] | None = None) -> None:
        """Make a hub over the sources; `samples` answer for the channels of one value, by name."""
        self.board = Board(sources.account, secrets.token_hex(8))
        self._sources = sources
        self._samples = samples_of(sources) if samples is None else samples
        self._worker = sources.health.worker(WORKER)
        self._stopping = asyncio.Event()
        self._away: dict[str, str] = {}
        self._has_run = False
        self._clients: dict[Listener, str] = {}
        self._listening: dict[str, dict[Subscription, Listener]] = {name: {} for name in self.board.channels}
        self._wanted = {name: asyncio.Event() for name in (*self._samples, _FORMING)}
        self._silent: set[str] = set()
        self._watchlists: WeakValueDictionary[frozenset[str], Watchlist] = WeakValueDictionary()
        self._sent: Counter[str] = Counter()
        self._conflated: Counter[str] = Counter()

    # -- clients ---------------------------------------------------------------------------------------------------

    def join(self, wire: Wire, socket: str) -> Listener:
        """Take a client in; `socket` names the socket in the metrics."""
        listener = Listener(wire, self._sent, lambda why: metrics.SOCKET_DROPPED.labels(why).inc())
        self._clients[listener] = socket
        metrics.SOCKETS.labels(socket).inc()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a client that is gone."""
        socket = self._clients.pop(listener, None)
        if socket is not None:
            metrics.SOCKETS.labels(socket).dec()
        for name in list(listener.subscriptions):
            self._drop(listener, name)
        listener.leave()

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The clients that are connected now."""
        return tuple(self._clients)

    async def subscribe(self, listener: Listener, name: str, asked: frozenset[str]) -> None:
        """Have a client told of these symbols too (`*`: all), beginning with what stands of all it listens to."""
        await self._prepare(name, self._symbols(asked))
        subscription = listener.subscriptions.get(name)
        if subscription is None:
            self._add(listener, name, asked)
        else:
            listener.asked[name] |= asked
            subscription.begin(self._symbols(listener.asked[name]))
        listener.flush()

    async def resume(self, listener: Listener, name: str, asked: frozenset[str], after: int, epoch: str) -> None:
        """Have a client told what came since `after`, or of a gap, and go on with these symbols."""
        await self._prepare(name, self._symbols(asked))
        subscription = listener.subscriptions.get(name) or self._add(listener, name, asked)
        listener.asked[name] = asked
        subscription.resume(self._symbols(asked), after, epoch)
        listener.flush()

    def unsubscribe(self, listener: Listener, name: str, asked: frozenset[str] | None) -> None:
        """Tell a client no more of what it asked for with these words; None: of nothing of the channel."""
        if name not in listener.subscriptions:
            return
        left = frozenset() if asked is None else listener.asked[name] - asked
        if left:
            listener.asked[name] = left
            listener.subscriptions[name].symbols = self._symbols(left)
        else:
            self._drop(listener, name)

    def _add(self, listener: Listener, name: str, asked: frozenset[str]) -> Subscription:
        subscription = Subscription(self.board.channels[name], self._symbols(asked))
        listener.subscriptions[name] = subscription
        listener.asked[name] = asked
        self._listening[name][subscription] = listener
        if name in self._wanted:
            self._wanted[name].set()
        return subscription

    def _drop(self, listener: Listener, name: str) -> None:
        del self._listening[name][listener.subscriptions.pop(name)]
        del listener.asked[name]
        if name in self._wanted and not self._listening[name]:
            self._wanted[name].clear()

    def _symbols(self, asked: frozenset[str]) -> Symbols:
        """Return the symbols asked for; who asks for the same is given the same list, and told the same frame."""
        if ALL in asked:
            return None
        known = self._watchlists.get(asked)
        if known is None:
            known = self._watchlists[asked] = Watchlist(asked)
        return known

    async def _prepare(self, name: str, symbols: Symbols) -> None:
        """Look up what the first frame should hold; what cannot be had now is told when it comes."""
        try:
            if name in self._samples and not self._listening[name]:
                await self._ask(name)
            elif name == _PRICES and symbols is not None:
                await self._recall(symbols)
            elif name == _FORMING and symbols is not None:
                await self._look_at_forming(symbols)
        except Retryable as error:
            log.warning("socket_values_unknown", channel=name, reason=str(error))

    # -- telling ---------------------------------------------------------------------------------------------------

    async def tell(self, changes: Changes) -> None:
        """Have everyone told who listens to what changed; those who can be told at once are."""
        owed: list[Listener] = []
        for name, changed in changes.items():  # first all in one go: a change that comes later finds them owed
            for subscription, listener in self._listening[name].items():
                if subscription.is_owed:
                    self._conflated[name] += 1
                elif subscription.owe(changed):
                    owed.append(listener)
        for begin in range(0, len(owed), SLICE):
            now = monotonic()
            taken = [(listener, listener.take(now)) for listener in owed[begin : begin + SLICE]]
            for listener, frames in taken:
                listener.send(frames)
            await asyncio.sleep(0)

    # -- running ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End: clients are told that the server goes away."""
        self._stopping.set()

    async def run(self) -> None:
        """Read and tell until stopped; run again after a crash, it begins a new epoch."""
        if self._has_run:
            self.board.begin_anew(secrets.token_hex(8))
            await self.tell(dict.fromkeys(self.board.channels))
        self._has_run = True
        self._away.clear()
        self._worker.runs()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each, name=WORKER) for each in self._duties()]
                await self._stopping.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self._worker.stops()
        for listener in list(self._clients):
            listener.end(RESTARTING, "the server is stopping", "stopping")
        self._count()

    def _duties(self) -> list[Coroutine[Any, Any, None]]:
        reading = [self._read(topic) for topic in self.board.topics]
        sampling = [self._sample(name) for name in self._samples]
        return [*reading, *sampling, self._watch_forming(), self._follow_closes(), self._recall_all(), self._sweep()]

    async def _read(self, topic: str) -> None:
        reader: Reader = await self._until_it_works(
            topic, lambda: self._sources.bus.subscribe(topic, group=None, start=Start.LATEST)
        )
        try:
            while True:
                try:
                    batches = await self._until_it_works(topic, reader.poll)
                except DecodeError as error:
                    log.warning("record_unreadable", topic=topic, reason=str(error))
                    continue
                changes = self.board.take(topic, [batch.body for batch in batches])
                if changes:
                    await self.tell(changes)
        finally:
            await reader.close()

    async def _sample(self, name: str) -> None:
        while True:
            await self._wanted[name].wait()
            await self._ask(name)
            await asyncio.sleep(self._samples[name].seconds)

    async def _ask(self, name: str) -> None:
        """Ask for a channel's one value; that nobody answers is logged once, and the value is unknown until then."""
        value = None
        try:
            async with asyncio.timeout(ASK_SECONDS):
                value = await self._samples[name].ask()
        except (Retryable, Refused, TimeoutError) as error:
            if name not in self._silent:
                self._silent.add(name)
                log.warning("socket_channel_silent", channel=name, reason=str(error) or "no answer in time")
        else:
            self._silent.discard(name)
        if self.board.sampled[name].set(value):
            await self.tell({name: None})

    async def _watch_forming(self) -> None:
        while True:
            await self._wanted[_FORMING].wait()
            listening: list[frozenset[str]] = [
                subscription.symbols or frozenset() for subscription in self._listening[_FORMING]
            ]
            watched: frozenset[str] = frozenset().union(*listening)
            await self._until_it_works("hot store", lambda watched=watched: self._look_at_forming(watched))  # type: ignore[misc]
            await asyncio.sleep(FORMING_SECONDS)

    async def _look_at_forming(self, symbols: Iterable[str]) -> None:
        hot = self._sources.hot
        stored = {symbol: await hot.get_hash(f"candle:current:{symbol}") for symbol in sorted(symbols)}
        await self.tell(self.board.form(stored))

    async def _follow_closes(self) -> None:
        """Fetch the previous closes whenever the data's day is another one."""
        day = None
        while True:
            if self.board.day != day and self.board.day is not None:
                day = self.board.day
                closes = await self._until_it_works("database", lambda day=day: self._sources.closes.of(day))  # type: ignore[misc]
                await self.tell(self.board.measure_against(closes))
            await asyncio.sleep(FIRST_WAIT_SECONDS)

    async def _recall_all(self) -> None:
        day = ist_day(self._sources.clock.now())
        known = await self._until_it_works("database", lambda: self._sources.market.instruments(day))
        keys = frozenset(str(instrument.key) for instrument in known)
        await self._until_it_works("hot store", lambda: self._recall(keys))

    async def _recall(self, symbols: frozenset[str]) -> None:
        """Take the last ticks that the hot store remembers of symbols we saw none of."""
        unseen = [symbol for symbol in sorted(symbols) if symbol not in self.board.prices]
        if unseen:
            stored = await self._sources.hot.get_many([f"tick:latest:{symbol}" for symbol in unseen])
            await self.tell(self.board.remember(stored))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = monotonic()
            for listener in list(self._clients):
                listener.end_if_stalled(now)
            self._count()

    def _count(self) -> None:
        for counts, metric in ((self._sent, metrics.SOCKET_FRAMES), (self._conflated, metrics.SOCKET_CONFLATED)):
            for name, count in counts.items():
                metric.labels(name or "replies").inc(count)
            counts.clear()

    async def _until_it_works(self, what: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Await an operation again and again while the world is away; the worker says what is waited for."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                result = await operation()
            except Retryable as error:
                self._away[what] = str(error)
                self._worker.waits(str(error))
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                continue
            if self._away.pop(what, None) is not None and not self._away:
                self._worker.runs()
            return result
