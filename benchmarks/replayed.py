"""One day played through the whole path, decisions included, in a process of its own: prints what it took as JSON.

`FILE WORKSPACE` plays a file as `niftyflow replay FILE` does, without its table on the screen. `FILE WORKSPACE split`
also says which stage the event loop worked for.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import uvloop

from niftyflow.kit.log import configure

MINUTE_MS = 60_000


def main(file: Path, folder: Path, *, is_split: bool) -> dict[str, Any]:
    """Play the file into the folder and return what was measured."""
    configure(json=False, level="error")
    split = Split() if is_split else None
    began = time.perf_counter()
    found = uvloop.run(_play(file, folder, split))
    found["seconds"] = found.pop("ended") - began
    if split is not None:
        others = time.process_time() - time.thread_time()
        found["split"] = dict(split.seconds.most_common()) | {"threads (disks, storing)": others}
    return found


async def _play(file: Path, folder: Path, split: Split | None) -> dict[str, Any]:
    from niftyflow.brokers.simulator.files import open_source
    from niftyflow.brokers.simulator.playback import Playback
    from niftyflow.brokers.simulator.replay import ReplayFeed
    from niftyflow.kit.clock import VirtualClock
    from niftyflow.model import Interval
    from niftyflow.runtime.settings import load
    from niftyflow.runtime.wiring import Process, engines
    from niftyflow.runtime.workspace import Workspace

    if split is not None:
        asyncio.get_running_loop().set_task_factory(split.task)
    tape = open_source(file)
    workspace = Workspace(folder)
    settings = load(folder / "none.toml", {"bus.engine": "embedded"})
    clock = VirtualClock()
    playback = Playback(tape)
    async with engines(workspace, settings) as on:
        await Process(workspace, settings, on).run(ReplayFeed(playback, clock), list(tape.instruments), clock)
        ended = time.perf_counter()
        minutes = sum(each.end - each.opens for each in tape.sessions) / MINUTE_MS
        candles = await on.market.count_candles(Interval.M1, 0, 1 << 60)
        return {
            "ended": ended, "symbols": len(tape.instruments), "session_minutes": min(minutes, 375.0),
            "ticks": playback.delivered, "candles": sum(candles.values()),
            "signals": len(await on.decisions.signals(0, 1 << 60)),
            "orders": len(await on.book.orders()), "fills": len(await on.book.fills()),
        }  # fmt: skip


class Split:
    """Counts the processor time of the loop's thread by the name of the task that had it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task whose turns are timed; a loop's task factory."""
        return asyncio.Task(Timed(work, self.seconds), loop=loop, **options)


class Timed(Coroutine[Any, Any, Any]):
    """A coroutine that notes how long each of its turns takes."""

    def __init__(self, work: Coroutine[Any, Any, Any], seconds: Counter[str]) -> None:
        self._work = work
        self._seconds = seconds

    def send(self, value: Any) -> Any:
        """Have a turn."""
        return self._timed(self._work.send, value)

    def throw(self, *error: Any) -> Any:
        """Have a turn that begins with an error."""
        return self._timed(self._work.throw, *error)

    def close(self) -> None:
        """End the work."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._work.__await__())

    def _timed(self, turn: Any, *arguments: Any) -> Any:
        task = asyncio.current_task()
        began = time.thread_time()
        try:
            return turn(*arguments)
        finally:
            name = task.get_name() if task is not None else ""
            self._seconds["others" if name.startswith("Task-") else name] += time.thread_time() - began


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), is_split="split" in sys.argv[3:])))
