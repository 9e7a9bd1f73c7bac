"""What every worker of a process says of itself: starting, running, waiting for the world, or stopped."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from niftyflow.kit import metrics
from niftyflow.kit.log import get_logger

log = get_logger(__name__)


class State(StrEnum):
    """A worker's state."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPED = "stopped"


class Report(msgspec.Struct, frozen=True):
    """One worker's state and why."""

    worker: str
    state: State
    reason: str


class Worker:
    """One worker's own view of its health."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = State.STARTING
        self.reason = ""

    def runs(self) -> None:
        """Say that work goes on."""
        if self.state is State.WAITING:
            log.info("worker_resumed", worker=self.name)
        self.state, self.reason = State.RUNNING, ""
        metrics.STAGE_PAUSED.labels(self.name).set(0)

    def waits(self, reason: str) -> None:
        """Say that the worker waits for something outside it."""
        if self.state is not State.WAITING or self.reason != reason:
            log.warning("worker_waits", worker=self.name, reason=reason)
        self.state, self.reason = State.WAITING, reason
        metrics.STAGE_PAUSED.labels(self.name).set(1)

    def stops(self, reason: str = "") -> None:
        """Say that the worker is done."""
        self.state, self.reason = State.STOPPED, reason


class Health:
    """All workers of the process."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def worker(self, name: str) -> Worker:
        """Return the worker of that name, made when new."""
        return self._workers.setdefault(name, Worker(name))

    def report(self) -> list[Report]:
        """Return every worker's state."""
        return [Report(worker.name, worker.state, worker.reason) for worker in self._workers.values()]

    @property
    def is_healthy(self) -> bool:
        """Whether every worker runs."""
        return all(worker.state is State.RUNNING for worker in self._workers.values())
