"""The running graph as a picture: each layer's state, rates, lag and latency, the topics between them, the stores.

It looks at most once a second, whoever asks. It changes nothing, and reads no records but the dead letters that wait.
"""

from __future__ import annotations

import asyncio
import mmap
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from niftyflow.bus.topics import DEAD_LETTER_PREFIX
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, monotonic
from niftyflow.kit.health import Report, State
from niftyflow.kit.log import get_logger
from niftyflow.model import Retryable
from niftyflow.runtime.graph import GRAPH, TOPICS_SHOWN, Node, edges
from niftyflow.runtime.letters import LetterBox
from niftyflow.runtime.measured import Latencies, total
from niftyflow.storage.leases import FileLeases

if TYPE_CHECKING:
    from niftyflow.runtime.parts import Part
    from niftyflow.runtime.wiring import Engines
    from niftyflow.runtime.workspace import Workspace

log = get_logger(__name__)

LEAST_SECONDS: Final = 1.0
"""Between two looks."""
WINDOW_SECONDS: Final = 10.0
"""Over which rates are reckoned."""
STORE_SECONDS: Final = 5.0
"""Between two questions to the stores."""
PING_SECONDS: Final = 1.0
WORST: Final = (State.FAILED, State.WAITING, State.STARTING, State.STOPPED, State.RUNNING)
TAKEN_IN: Final = ("journaled", "refused")
"""What ingestion makes of a tick; processing counts the same ticks again."""
NO_ANSWER: Final = "it does not answer"
ON_ITS_SERVER: Final = "on its server"
NOT_HERE: Final = "this process does not run it"


class Sample(NamedTuple):
    """Counts at a moment (monotonic seconds): records of each topic, ticks taken in, candles stored."""

    at: float
    counts: Mapping[str, float]


class Rates:
    """Counts a second, over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take new counts; older ones than the window are dropped but for the last before it."""
        self._samples.append(sample)
        while len(self._samples) > 2 and self._samples[1].at <= sample.at - WINDOW_SECONDS:  # noqa: PLR2004 - two make a rate
            self._samples.popleft()

    def of(self, name: str) -> float:
        """Return how many came a second; 0 before there are two samples."""
        first, last = self._samples[0], self._samples[-1]
        seconds = last.at - first.at
        if seconds <= 0 or name not in first.counts or name not in last.counts:
            return 0.0
        return round(max(0.0, last.counts[name] - first.counts[name]) / seconds, 2)


class SystemPicture:
    """What a process is and does now. `parts` gives what runs, which changes when a worker is begun anew."""

    def __init__(self, on: Engines, clock: Clock, workspace: Workspace, parts: Callable[[], Sequence[Part]]) -> None:
        self._on = on
        self._clock = clock
        self._parts = parts
        self._files = _files_of(on, workspace)
        self._began = monotonic()
        self._turn = asyncio.Lock()
        self._looked = -LEAST_SECONDS
        self._picture: dict[str, Any] = {}
        self._rates = Rates()
        self._latencies = Latencies()
        self._stores: list[dict[str, str]] = []
        self._asked_stores = -STORE_SECONDS
        self._letters: dict[str, tuple[int, int]] = {}

    async def look(self) -> dict[str, Any]:
        """Return the picture; one that is younger than a second is given again."""
        async with self._turn:
            if monotonic() - self._looked >= LEAST_SECONDS:
                self._picture = await self._drawn()
                self._looked = monotonic()
            return self._picture

    async def _drawn(self) -> dict[str, Any]:
        ends = await asyncio.gather(*map(self._end, TOPICS_SHOWN))
        records = dict(zip(TOPICS_SHOWN, ends, strict=True))
        counts: dict[str, float] = {topic: end for topic, end in records.items() if end is not None}
        counts["ticks"], counts["candles"] = total(metrics.TICKS, TAKEN_IN), total(metrics.CANDLES)
        self._rates.add(Sample(monotonic(), counts))
        self._latencies.look()
        if monotonic() - self._asked_stores >= STORE_SECONDS:
            self._stores, self._asked_stores = await self._look_at_stores(), monotonic()
        lags = await self._lags()
        letters = await asyncio.gather(*map(self._dead_letters, TOPICS_SHOWN))
        reports = {report.worker: report for report in self._on.health.report()}
        return {
            "time": self._clock.now(),
            "uptime_seconds": round(monotonic() - self._began, 1),
            "memory_bytes": await asyncio.to_thread(_memory),
            "is_healthy": self._on.health.is_healthy,
            "layers": [self._layer(node, reports, lags) for node in GRAPH],
            "edges": [
                {"from": edge.writer, "to": edge.reader, "topic": edge.topic, "rate": self._rates.of(edge.topic)}
                for edge in edges()
            ],
            "topics": [
                {"topic": topic, "records": end or 0, "rate": self._rates.of(topic),
                 "dead_letters": waiting}
                for (topic, end), waiting in zip(records.items(), letters, strict=True)
            ],
            "stores": self._stores,
        }  # fmt: skip

    # -- layers ----------------------------------------------------------------------------------------------------

    def _layer(self, node: Node, reports: Mapping[str, Report], lags: Mapping[str, int]) -> dict[str, Any]:
        state, reason = self._state(node, reports)
        return {
            "name": node.name,
            "layer": node.layer,
            "title": node.title,
            "state": state.value,
            "reason": reason,
            "rates": self._rates_of(node),
            "lag": sum(lags.get(worker, 0) for worker in node.workers),
            "latency_ms": self._latencies.median_ms(node.name),
            "restarts": sum(reports[worker].restarts for worker in node.workers if worker in reports),
        }

    def _state(self, node: Node, reports: Mapping[str, Report]) -> tuple[State, str]:
        """Return the worst state of a node's workers; a node without one is as whoever it runs in."""
        if node.name == "storage":
            away = next((store for store in self._stores if store["state"] != State.RUNNING), None)
            return (State.RUNNING, "") if away is None else (State.WAITING, f"{away['name']}: {away['detail']}")
        if node.name == "ai":
            return self._state(_node("analysis"), reports)
        if node.name in {"gateway", "presentation"} and "gateway" not in reports:
            return State.RUNNING, ""  # it asked
        workers = node.workers or _node("gateway").workers
        found = [reports[worker] for worker in workers if worker in reports]
        if not found:
            return State.STOPPED, NOT_HERE
        worst = min(found, key=lambda report: WORST.index(report.state))
        return worst.state, worst.reason

    def _rates_of(self, node: Node) -> dict[str, float]:
        inward = [reading.topic for reading in node.reads]
        outward = [topic for topic in node.writes if not topic.startswith(DEAD_LETTER_PREFIX)]
        match node.name:
            case "ingestion":
                inward = ["ticks"]
            case "storage":
                inward = ["candles"]
            case "ai":
                inward, outward = ["predictions"], ["predictions"]
            case "presentation":
                inward = [reading.topic for reading in _node("gateway").reads]
        return {
            name: round(sum(map(self._rates.of, topics), 0.0), 2) for name, topics in (("in", inward), ("out", outward))
        }

    async def _lags(self) -> dict[str, int]:
        lags: dict[str, int] = {}
        for part in self._parts():
            try:
                async with asyncio.timeout(PING_SECONDS):
                    behind = sum((await part.reader.lag()).values())
            except (Retryable, TimeoutError) as error:
                log.warning("lag_unknown", stage=part.shell.stage.name, reason=str(error) or NO_ANSWER)
                continue
            lags[part.shell.stage.name] = behind
        return lags

    # -- topics and stores -----------------------------------------------------------------------------------------

    async def _end(self, topic: str) -> int | None:
        try:
            async with asyncio.timeout(PING_SECONDS):
                return sum((await self._on.bus.end(topic)).values())
        except (Retryable, TimeoutError) as error:
            log.warning("end_unknown", topic=topic, reason=str(error) or NO_ANSWER)
            return None

    async def _dead_letters(self, topic: str) -> int:
        """Return how many wait, read again only when the topic of the dead letters has grown."""
        end = await self._end(DEAD_LETTER_PREFIX + topic)
        known = self._letters.get(topic, (0, 0))
        if end is None or end == known[0]:
            return known[1]
        try:
            waiting = len(await LetterBox(self._on.bus).waiting(topic))
        except Retryable as error:
            log.warning("dead_letters_unknown", topic=topic, reason=str(error))
            return known[1]
        self._letters[topic] = (end, waiting)
        return waiting

    async def _look_at_stores(self) -> list[dict[str, str]]:
        asked: dict[str, Callable[[], Any]] = {
            "market": self._on.market.ping, "book": self._on.book.ping, "hot": self._on.hot.ping,
            "bus": lambda: self._on.bus.end(TOPICS_SHOWN[0]),
        }  # fmt: skip
        return [await self._store(name, ping) for name, ping in asked.items()]

    async def _store(self, name: str, ping: Callable[[], Any]) -> dict[str, str]:
        state, files = State.RUNNING, self._files.get(name)
        try:
            async with asyncio.timeout(PING_SECONDS):
                await ping()
        except (Retryable, TimeoutError) as error:
            return {"name": name, "state": State.WAITING.value, "detail": str(error) or NO_ANSWER}
        if files is None:
            return {"name": name, "state": state.value, "detail": ON_ITS_SERVER}
        size = await asyncio.to_thread(_size, files)
        return {"name": name, "state": state.value, "detail": _megabytes(size) if files else "in memory"}


def _node(name: str) -> Node:
    return next(node for node in GRAPH if node.name == name)


def _files_of(on: Engines, workspace: Workspace) -> dict[str, list[Path]]:
    """Return the files of each store and of the bus, none for memory; what a server holds is left out."""
    files: dict[str, list[Path]] = {}
    if isinstance(on.leases, FileLeases):
        files |= {"market": [workspace.market_db], "book": [workspace.book_db]}
    if not on.hot.is_shared:
        files["hot"] = []
    if on.bus is on.journal:
        files["bus"] = [workspace.log]
    return files


def _size(paths: Sequence[Path]) -> int:
    """Return the bytes of files and of the files of folders; one that went meanwhile counts nothing."""
    total = 0
    for path in paths:
        for file in path.iterdir() if path.is_dir() else [path]:
            try:
                total += file.stat().st_size
            except FileNotFoundError:
                continue
    return total


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB"


def _memory() -> int:
    """Return the bytes of memory the process holds; its greatest so far where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        import resource  # noqa: PLC0415 - not on every system

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * mmap.PAGESIZE
