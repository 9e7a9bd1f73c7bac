"""`niftyflow up` as a process: it waits for the simulator, refuses a second one, ends when told to, and cleanly."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.candle_csv import minute_rows, write_csv
from support.command_line import Niftyflow, niftyflow
from support.commands import end, simulator, start

__all__ = ["niftyflow"]

PATIENCE_SECONDS = 60


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A file of twenty minutes of TCS."""
    return write_csv(tmp_path / "TCS.csv", list(minute_rows(20)))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start commands; whatever still runs in the end is ended."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        started.append(start(*map(str, arguments), log=tmp_path / f"said-{len(started)}.txt"))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            end(process)
        process.communicate()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def said(tmp_path: Path, number: int = 0) -> str:
    """Return what the command started as that number said on standard error."""
    return (tmp_path / f"said-{number}.txt").read_text()


def until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so, or fail when the process ends or patience does."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)


def interrupted(process: subprocess.Popen[str]) -> int:
    """Press Ctrl-C and return the exit code; how soon it ends is measured by `bench_demo`."""
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=60)


def test_it_waits_for_the_simulator_and_what_it_took_in_can_be_replayed(run, tape, tmp_path, niftyflow: Niftyflow):
    """Started first, it connects when somebody is there and ends with the session; the day it recorded plays again."""
    port, live, again = free_port(), tmp_path / "ws", tmp_path / "again"
    up = run("--workspace", live, "up", "--url", f"ws://127.0.0.1:{port}")
    until(lambda: "worker_waits" in said(tmp_path), up)
    run("sim", tape, "--speed", "max", "--port", port)
    assert up.wait(timeout=PATIENCE_SECONDS) == 0
    assert "taking in 1 instruments" in up.stdout.read()
    assert "Traceback" not in said(tmp_path)
    replay = run("--workspace", live, "replay", "2016-08-16", "--into", again)
    output, _ = replay.communicate(timeout=PATIENCE_SECONDS)
    assert (replay.returncode, said(tmp_path, 2)) == (0, "")
    assert "0 gaps, 0 dead letters" in output
    taken = niftyflow("--workspace", live, "replay", "2016-08-16", "--into", again)
    assert taken.code == 5
    assert "complete" in taken.said

    told = [niftyflow("--workspace", place, "candles", "TCS", "--last", "99", "--json") for place in (live, again)]
    first, second = (json.loads(ran.out) for ran in told)
    fields = ("time", "open", "high", "low", "close", "volume", "incomplete")
    assert [[each[name] for name in fields] for each in first] == [[each[name] for name in fields] for each in second]
    made = [[each[name] for name in ("open", "high", "low", "close", "volume")] for each in first[:20]]
    assert made == [[100 + minute, 102 + minute, 99 + minute, 101 + minute, 100] for minute in range(20)]


def test_a_second_one_in_the_same_workspace_is_told_who_holds_it(run, tape, tmp_path):
    """2 and one line; the first goes on, and Ctrl-C ends it with 0 and no traceback."""
    with simulator(str(tape), "--speed", "20", log=tmp_path / "sim.txt") as url:
        first = run("--workspace", tmp_path / "ws", "up", "--url", url)
        until(lambda: "feed_observed" in said(tmp_path), first)
        second = run("--workspace", tmp_path / "ws", "up", "--url", url)
        assert second.wait(timeout=PATIENCE_SECONDS) == 2
        (line,) = [line for line in said(tmp_path, 1).splitlines() if line.startswith("niftyflow: ")]
        assert f"held by process {first.pid}" in line
        assert first.poll() is None
        assert interrupted(first) == 0
    assert "Traceback" not in said(tmp_path) + said(tmp_path, 1)


def test_ctrl_c_while_it_waits_for_the_simulator_ends_it_at_once(run, tmp_path):
    """0 and no traceback."""
    up = run("--workspace", tmp_path / "ws", "up", "--url", f"ws://127.0.0.1:{free_port()}")
    until(lambda: "worker_waits" in said(tmp_path), up)
    assert interrupted(up) == 0
    assert "Traceback" not in said(tmp_path)


def test_a_port_that_is_taken_is_one_line(run, tmp_path):
    """5, naming the port and what to do."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        sim = run("sim", "--symbols", "2", "--port", port)
        assert sim.wait(timeout=PATIENCE_SECONDS) == 5
    assert said(tmp_path).splitlines() == [
        f"niftyflow: port {port} on 127.0.0.1 is taken; stop what holds it, or choose another (0: any free one)"
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--date", "tomorrow"), "--date is 'tomorrow': write a day"),
        (("--date", "2016-08-17"), "no session on 2016-08-17"),
        (("--speed", "0.01"), "0.1"),
        (("--speed", "fast"), "fast"),
    ],
)
def test_a_replay_that_cannot_be_is_refused(tape, tmp_path, niftyflow: Niftyflow, arguments, says):
    """One line; no traceback."""
    ran = niftyflow("--workspace", tmp_path / "ws", "replay", tape, *arguments)
    assert ran.code in {2, 5}
    assert says in ran.said
    assert len(ran.said.splitlines()) == 1
