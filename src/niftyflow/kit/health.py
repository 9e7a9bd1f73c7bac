"""What every worker of a process says of itself: starting, running, waiting for the world, failed, or stopped."""

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
    FAILED = "failed"
    STOPPED = "stopped"


class Report(msgspec.Struct, frozen=True):
    """One worker's state and why; `restarts` counts how often it crashed and was begun again."""

    worker: str
    state: State
    reason: str
    restarts: int = 0


class Worker:
    """One worker's own view of its health."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = State.STARTING
        self.reason = ""
        self.restarts = 0
        self.has_run = False

    def runs(self, but: str = "") -> None:
        """Say that work goes on; `but` tells what it does without."""
        if self.state in {State.WAITING, State.FAILED}:
            log.info("worker_resumed", worker=self.name)
        self.state, self.reason, self.has_run = State.RUNNING, but, True
        metrics.STAGE_PAUSED.labels(self.name).set(0)

    def waits(self, reason: str) -> None:
        """Say that the worker waits for something outside it."""
        if self.state is not State.WAITING or self.reason != reason:
            log.warning("worker_waits", worker=self.name, reason=reason)
        self.state, self.reason = State.WAITING, reason
        metrics.STAGE_PAUSED.labels(self.name).set(1)

    def fails(self, reason: str) -> None:
        """Say that the worker has crashed and will be begun again."""
        self.state, self.reason = State.FAILED, reason
        metrics.STAGE_PAUSED.labels(self.name).set(1)

    def restarted(self) -> None:
        """Say that the worker begins again after a crash."""
        self.state, self.reason = State.STARTING, ""
        self.restarts += 1
        metrics.WORKER_RESTARTS.labels(self.name).inc()

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
        return [Report(worker.name, worker.state, worker.reason, worker.restarts) for worker in self._workers.values()]

    @property
    def is_healthy(self) -> bool:
        """Whether every worker runs."""
        return all(worker.state is State.RUNNING for worker in self._workers.values())
