"""When a crashed worker is begun again, and when its crash ends the process."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from niftyflow.kit.health import State, Worker
from niftyflow.model import LeaseHeld, Misconfigured, Unavailable
from niftyflow.runtime.supervisor import PATIENCE, Patience, Unit, keep, until_stopped
from niftyflow.storage.book_ports import LeaseLost
from support.waiting import until


class Patient:
    """Something that crashes so many times; it says when it was begun."""

    def __init__(self, worker: Worker, *errors: Exception) -> None:
        self.worker = worker
        self.errors = list(errors)
        self.begun = 0

    async def run(self) -> None:
        """Run, or crash."""
        self.begun += 1
        self.worker.runs()
        if self.errors:
            raise self.errors.pop(0)


SOON = Patience(first_wait_seconds=0.01, longest_wait_seconds=0.04, away_seconds=0.01)
"""Nobody waits a second in a test."""


async def kept(patient: Patient, stopping: asyncio.Event | None = None, patience: Patience = SOON) -> None:
    """Keep it."""
    run = patient.run
    await keep("patient", [patient.worker], run, run, stopping or asyncio.Event(), patience=patience)


async def test_it_is_begun_again_until_it_ends_by_itself():
    """Each restart is counted; what it died of stands in its health meanwhile."""
    worker = Worker("patient")
    patient = Patient(worker, *[RuntimeError(str(number)) for number in range(5)])
    await kept(patient)
    assert (patient.begun, worker.restarts) == (6, 5)


async def test_the_waits_grow_from_one_second_to_five_minutes():
    """As the issue says, and a day of crashes is no more than 300 of them."""
    assert Patience(1.0, 300.0, 300.0) == PATIENCE
    worker, stopping = Worker("patient"), asyncio.Event()
    patient = Patient(worker, RuntimeError("boom"), RuntimeError("boom"))
    running = asyncio.create_task(kept(patient, stopping, PATIENCE))
    await until(lambda: worker.state is State.FAILED)
    assert worker.reason == "RuntimeError: boom (begun again in 1 s)"
    await until(lambda: worker.restarts == 1 and worker.state is State.FAILED)
    assert worker.reason == "RuntimeError: boom (begun again in 2 s)"
    stopping.set()
    await asyncio.wait_for(running, 60)
    assert worker.restarts == 1


class Noting(Worker):
    """A worker that remembers what it died of."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.reasons: list[str] = []

    def fails(self, reason: str) -> None:
        """Note it."""
        self.reasons.append(reason)
        super().fails(reason)


@pytest.mark.parametrize(("well", "seconds"), [(0.0, [0.01, 0.01, 0.01]), (3600.0, [0.01, 0.02, 0.04])])
async def test_after_running_well_it_begins_with_the_first_wait_again(well, seconds):
    """One that lives for hours between two crashes is not punished for the old one."""
    worker = Noting("patient")
    await kept(Patient(worker, *[RuntimeError("x")] * 3), patience=replace(SOON, well_seconds=well))
    assert worker.reasons == [f"RuntimeError: x (begun again in {each:g} s)" for each in seconds]


@pytest.mark.parametrize("error", [Misconfigured("no"), LeaseHeld("it", "another")])
async def test_before_it_has_run_what_the_surroundings_refuse_ends_the_process(error):
    """Somebody has to look at it: one clear line."""
    worker = Worker("patient")

    async def run() -> None:
        raise ExceptionGroup("in a group", [error])

    with pytest.raises(type(error)) as refused:
        await keep("patient", [worker], run, run, asyncio.Event())
    assert refused.value is error


async def test_once_it_has_run_the_same_is_waited_for_but_a_lost_lease_is_not():
    """A lease may be free again in a moment; one that a newer owner took never is."""
    worker = Worker("patient")
    patient = Patient(worker, LeaseHeld("it", "another"), Misconfigured("no"))
    await kept(patient)
    assert patient.begun == 3
    with pytest.raises(LeaseLost):
        await kept(Patient(worker, LeaseLost("gone")))


async def test_a_stop_ends_the_wait_and_a_preparation():
    """Nobody waits five minutes for Ctrl-C."""
    stopping = asyncio.Event()
    waiting = asyncio.create_task(until_stopped(asyncio.sleep(3600), stopping))
    await asyncio.sleep(0)
    stopping.set()
    assert await asyncio.wait_for(waiting, 60) is None

    async def fails() -> None:
        raise Misconfigured("no")

    with pytest.raises(Misconfigured):
        await until_stopped(fails(), asyncio.Event())


async def test_a_cancelled_one_is_not_begun_again():
    """The end of the process is no crash."""
    worker = Worker("patient")
    running = asyncio.create_task(keep("p", [worker], _for_ever, _for_ever, asyncio.Event()))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert worker.restarts == 0


async def _for_ever() -> None:
    await asyncio.sleep(3600)


async def test_who_stands_by_waits_again_when_it_lost_its_lease():
    """Another process has the work by then: ours is begun again, and waits for that one to end."""
    worker = Worker("patient")
    patient = Patient(worker, LeaseLost("taken over"))
    await keep("patient", [worker], patient.run, patient.run, asyncio.Event(), stands_by=True, patience=SOON)
    assert (patient.begun, worker.restarts) == (2, 1)


async def test_who_cannot_go_on_because_the_world_is_away_waits_and_has_not_crashed():
    """It is tried again in the same time however long that lasts, and says for what it waits."""
    worker, away = Noting("patient"), ExceptionGroup("both", [Unavailable("PostgreSQL", "refused")] * 2)
    said: list[tuple[State, str]] = []

    class Looking(Patient):
        async def run(self) -> None:
            said.append((worker.state, worker.reason))
            await super().run()

    async with asyncio.timeout(60):  # doubled ten times, these waits would be a quarter of an hour
        await kept(Looking(worker, *[away] * 10), patience=Patience(away_seconds=0.01))
    assert said[1:] == [(State.WAITING, "PostgreSQL is unavailable: refused")] * 10
    assert (worker.restarts, worker.reasons) == (0, [])


class Losable:
    """A lease that can be lost, to another owner or because nobody can be asked."""

    name = "signals"

    def __init__(self, *, is_taken: bool = True) -> None:
        self.gone = asyncio.Event()
        self.is_taken = is_taken

    async def lost(self) -> None:
        """Wait until it is lost."""
        await self.gone.wait()


class Endless:
    """A part that runs until it is stopped."""

    def __init__(self) -> None:
        self.shell = self.stage = self.reader = self
        self.name = "endless"
        self.is_running = False
        self._stopping = asyncio.Event()

    async def run(self, _reader: object) -> None:
        """Run."""
        self.is_running = True
        try:
            await self._stopping.wait()
        finally:
            self.is_running = False

    def stop(self) -> None:
        """End."""
        self._stopping.set()


@pytest.mark.parametrize(("is_taken", "error"), [(True, LeaseLost), (False, Unavailable)])
async def test_parts_end_at_once_when_the_lease_they_need_is_lost(is_taken, error):
    """Before another owner and they do the same work for long; not renewed in time it may be theirs again soon."""
    lease, part = Losable(is_taken=is_taken), Endless()

    async def make(unit: Unit, _stack: object) -> list[Endless]:
        unit.leases.append(lease)
        return [part]

    unit = Unit("signals", [Worker("signals")], make)
    await unit.open()
    running = asyncio.create_task(unit.run())
    await until(lambda: part.is_running)
    lease.gone.set()
    with pytest.raises(ExceptionGroup) as ended:
        await running
    assert ended.group_contains(error, match="the lease signals")
    assert not part.is_running


async def test_parts_that_end_by_themselves_end_the_unit():
    """Whoever watches their lease does not keep it alive."""
    lease, part = Losable(), Endless()

    async def make(unit: Unit, _stack: object) -> list[Endless]:
        unit.leases.append(lease)
        return [part]

    unit = Unit("signals", [Worker("signals")], make)
    await unit.open()
    running = asyncio.create_task(unit.run())
    await until(lambda: part.is_running)
    unit.stop()
    await asyncio.wait_for(running, 60)
    assert not part.is_running
