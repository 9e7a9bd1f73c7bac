"""A question to another process over loopback: calls a second and p99, beside a function call and bare aiohttp.

The question is `analyze`, the answer a whole scorecard. One process asks, another answers, on two cores; the peer is
aiohttp's own client and server passing the same bytes, with no token, no types, no breaker, no limits.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import uvloop
from aiohttp import web

from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.health import Health
from niftyflow.kit.http_caller import HttpCaller
from niftyflow.kit.log import configure
from niftyflow.model import Interval, Name, NameTable, Scorecard, ScorecardBatch
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.questions import QUESTIONS

BUDGET = Budget("a question to another process: p99", "ms", 5.0, higher_is_better=False)
SETTINGS = InternalSettings(port=0, token="a-token-for-benchmarks")
QUESTION: dict[str, Any] = {"symbol": "NSE:RELIANCE", "at": None}
ONE_BY_ONE, SIDE_BY_SIDE, AT_ONCE, WARM = 5_000, 10_000, 16, 500
LOCAL = 100_000
ROOT = Path(__file__).parents[1]

Ask = Callable[[], Awaitable[Any]]


def card() -> Scorecard:
    """Return a scorecard in which every number is known."""
    names = NameTable()
    columns = {field: np.ones(1, dtype) for field, dtype in ScorecardBatch.COLUMNS.items()}
    columns["name"][0] = names.intern(Name("NSE:RELIANCE", "", "v2"))
    return ScorecardBatch(names, Interval.M1, **columns).to_records()[0]


async def analyze(symbol: str, at: int | None = None) -> Scorecard:  # noqa: ARG001 - as the question has them
    """Answer with what is at hand."""
    return CARD


CARD = card()


async def serve() -> None:
    """Answer as a process does, and beside it as bare aiohttp does, until the process ends."""
    message = QUESTIONS["analyze"].encode_answer(CARD)

    async def bare(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=message)

    app = web.Application()
    app.router.add_post("/call/analyze", bare)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    caller = LocalCaller({"analyze": analyze})
    async with internal_http(SETTINGS, Health(), QUESTIONS) as internal:
        internal.opens({}, caller)
        print(json.dumps({"ours": internal.address, "bare": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
        await asyncio.Event().wait()


def run() -> list[Measurement]:
    """Measure calls to another process, calls inside one, and bare aiohttp."""
    with server() as addresses:
        return uvloop.run(measured(addresses))


async def measured(addresses: dict[str, str]) -> list[Measurement]:
    """Ask each in turn, warm."""
    async with HttpCaller({"analyze": [addresses["ours"]]}, QUESTIONS, SETTINGS) as caller:
        ours = await asked("niftyflow: analyze, asked of another process", lambda: caller.call("analyze", **QUESTION))
    async with aiohttp.ClientSession() as session:
        message = QUESTIONS["analyze"].encode(QUESTION)

        async def bare() -> bytes:
            async with session.post(f"{addresses['bare']}/call/analyze", data=message) as response:
                return await response.read()

        peer = await asked("aiohttp, client and server: the same bytes", bare, is_peer=True)
    local = LocalCaller({"analyze": analyze})
    inside = await asked(
        "niftyflow: analyze, asked in one process", lambda: local.call("analyze", **QUESTION), times=LOCAL
    )
    return [ours, peer, inside]


async def asked(label: str, ask: Ask, times: int = ONE_BY_ONE, *, is_peer: bool = False) -> Measurement:
    """Return the 99th percentile of calls one by one; beside it how many a second go side by side."""
    for _ in range(WARM):
        await ask()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        taken.append(1000 * (time.perf_counter() - began))

    async def some() -> None:
        for _ in range(SIDE_BY_SIDE // AT_ONCE):
            await ask()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    lasted = time.perf_counter() - began
    return Measurement(
        label, quantile(taken, 0.99), "ms", is_peer=is_peer,
        details={
            "p50_ms": round(quantile(taken, 0.5), 4), "max_ms": round(max(taken), 2),
            "calls_per_second_one_by_one": round(1000 * len(taken) / sum(taken)),
            f"calls_per_second_{AT_ONCE}_at_once": round(SIDE_BY_SIDE // AT_ONCE * AT_ONCE / lasted),
        },
    )  # fmt: skip


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """Run the answering process for the time of a `with`; gives its addresses."""
    command = [sys.executable, "-m", "benchmarks.bench_calls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    configure(json=False, level="warning")
    uvloop.run(serve())
