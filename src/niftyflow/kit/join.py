"""Several topics as one stream of steps of time: what each partition holds between two of its watermarks, put together.

The order of what comes out is a function of the logs alone: not of arrival, batching or restarts. It keeps what waits
for the slowest partition, so whoever feeds it must not let the others run far ahead; it does no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from niftyflow.model import Watermark, rows_of

Place = tuple[str, int]
"""(topic, partition)."""


class Input(NamedTuple):
    """A topic to join. Its watermarks come once in `period_ms`: of a moment only its period's beginning is asked."""

    topic: str
    period_ms: int = 1


class Segment(NamedTuple):
    """Data records of one partition inside a step, in log order; a watermark is none."""

    topic: str
    partition: int
    body: Any


class Step(NamedTuple):
    """Everything between the watermarks before and those of `time` (ms UTC).

    Segments come by topic as declared, then partition, then log order.

    `is_healthy` is false when some of that time was not observed; `position` is where each partition goes on.
    """

    time: int
    is_healthy: bool
    segments: tuple[Segment, ...]
    position: Mapping[Place, int]


class _Stretch(NamedTuple):
    time: int
    is_healthy: bool
    bodies: list[Any]
    end: int


@dataclass(slots=True)
class _Lane:
    """One partition: the records since its last watermark, and the whole stretches that wait for other lanes."""

    period_ms: int
    position: int
    time: int = -1
    read_to: int = 0
    records: int = 0
    is_healthy: bool = True
    open: list[Any] = field(default_factory=list)
    whole: deque[_Stretch] = field(default_factory=deque)

    def covers(self, time: int) -> bool:
        return self.time >= time - time % self.period_ms


class Join:
    """Joins the partitions of several topics by their watermarks."""

    def __init__(self, inputs: Sequence[Input], after: Mapping[Place, int] | None = None) -> None:
        """Join `inputs`; records before the positions `after` were taken already and are dropped."""
        self._inputs = {each.topic: (rank, each.period_ms) for rank, each in enumerate(inputs)}
        self._after = dict(after or {})
        self._lanes: dict[Place, _Lane] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._lanes

    @property
    def topics(self) -> list[str]:
        """The topics joined, in rank."""
        return list(self._inputs)

    def assign(self, topic: str, partition: int, offset: int) -> None:
        """Begin a partition, whose reading begins at `offset`."""
        place = (topic, partition)
        start = max(offset, self._after.get(place, 0))
        lane = _Lane(self._inputs[topic][1], start, read_to=offset)
        self._lanes[place] = lane
        self._lanes = dict(sorted(self._lanes.items(), key=lambda item: (self._inputs[item[0][0]][0], item[0][1])))

    def revoke(self, topic: str, partition: int) -> None:
        """Forget a partition and what waits of it."""
        self._lanes.pop((topic, partition), None)

    def add(self, topic: str, partition: int, offset: int, end: int, body: Any) -> None:
        """Take in consecutive records of a partition, `offset` to `end` (exclusive)."""
        lane = self._lanes[topic, partition]
        lane.read_to = end
        after = self._after.get((topic, partition), 0)
        if end <= after:
            if isinstance(body, Watermark):
                lane.time = max(lane.time, body.time)
            return
        if isinstance(body, Watermark):
            lane.is_healthy &= body.healthy
            if body.time > lane.time:
                lane.whole.append(_Stretch(body.time, lane.is_healthy, lane.open, end))
                lane.time, lane.open, lane.is_healthy = body.time, [], True
            return
        if offset < after:
            body = rows_of(body, slice(after - offset, None))
        lane.open.append(body)
        lane.records += len(body)

    def lose(self, topic: str, partition: int, end: int) -> None:
        """Pass records, up to `end` (exclusive), that cannot be read: the step they were of is not healthy."""
        lane = self._lanes[topic, partition]
        lane.read_to = end
        if end > self._after.get((topic, partition), 0):
            lane.is_healthy = False

    def steps(self) -> list[Step]:
        """Return the steps that are whole now, oldest first."""
        found: list[Step] = []
        while (time := self._next()) is not None:
            found.append(self._release(time))
        return found

    def has_read(self, ends: Mapping[Place, int]) -> bool:
        """Whether everything before these offsets has come in, or is lost."""
        return all(place in self._lanes and self._lanes[place].read_to >= end for place, end in ends.items())

    def waiting(self, topic: str) -> int:
        """Return how many data records of a topic wait for other lanes."""
        return sum(lane.records for (of, _), lane in self._lanes.items() if of == topic)

    def is_behind(self, topic: str) -> bool:
        """Whether some lane of a topic keeps steps from being whole, so that it must be read on."""
        return any(not lane.whole for (of, _), lane in self._lanes.items() if of == topic)

    def _next(self) -> int | None:
        pending = [lane.whole[0].time for lane in self._lanes.values() if lane.whole]
        if not pending or len({topic for topic, _ in self._lanes}) < len(self._inputs):
            return None
        time = min(pending)
        return time if all(lane.covers(time) for lane in self._lanes.values()) else None

    def _release(self, time: int) -> Step:
        segments: list[Segment] = []
        is_healthy = True
        for (topic, partition), lane in self._lanes.items():
            if not lane.whole or lane.whole[0].time != time:
                continue
            stretch = lane.whole.popleft()
            is_healthy &= stretch.is_healthy
            lane.position = stretch.end
            lane.records -= sum(map(len, stretch.bodies))
            segments += [Segment(topic, partition, body) for body in stretch.bodies]
        return Step(time, is_healthy, tuple(segments), {place: lane.position for place, lane in self._lanes.items()})
