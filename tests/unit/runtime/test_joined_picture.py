"""The picture of a cluster: what each process says of the layers it runs, in one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.caller import CALL_SECONDS, LocalCaller
from niftyflow.kit.health import Health
from niftyflow.model import Unavailable
from niftyflow.runtime.graph import GRAPH
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.joined_picture import joined, joined_system
from niftyflow.runtime.processes import PICTURE_SECONDS, ask_all, process_caller
from niftyflow.runtime.questions import QUESTIONS
from niftyflow.runtime.system import NOT_HERE
from support.callers import hangs, misbehaving


def picture(*, healthy: bool = True, **layers: dict[str, Any]) -> dict[str, Any]:
    """Return a process's picture, with the layers it runs."""
    known = {"state": "running", "reason": "", "lag": 0, "latency_ms": None, "restarts": 0}
    drawn = []
    for node in GRAPH:
        other = {"state": "stopped", "reason": NOT_HERE} if node.name not in {"gateway", "presentation"} else {}
        drawn.append({"name": node.name} | known | layers.get(node.name, other))
    return {"memory_bytes": 100, "is_healthy": healthy, "layers": drawn, "topics": ["ours"]}


def layer(drawn: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one layer of a picture."""
    return next(each for each in drawn["layers"] if each["name"] == name)


def test_a_layer_of_several_processes_is_as_its_worst_and_lags_as_all():
    """Latency is the slowest's; memory that of all."""
    drawn = joined(
        picture(),
        [
            picture(processing={"lag": 3, "latency_ms": 2.0, "restarts": 1}),
            picture(processing={"lag": 4, "latency_ms": 5.0, "state": "waiting", "reason": "the database"}),
        ],
    )
    found = layer(drawn, "processing")
    assert (found["state"], found["reason"]) == ("waiting", "the database")
    assert (found["lag"], found["latency_ms"], found["restarts"]) == (7, 5.0, 1)
    assert drawn["memory_bytes"] == 300
    assert drawn["topics"] == ["ours"]


def test_one_that_stands_by_does_not_spoil_the_one_that_works():
    """Until it is the only one."""
    waiting = picture(signals={"state": "waiting", "reason": "stands by: signals is held"})
    assert layer(joined(picture(), [picture(signals={}), waiting]), "signals")["state"] == "running"
    assert layer(joined(picture(), [waiting]), "signals")["state"] == "waiting"


def test_what_nobody_runs_is_stopped_and_one_unhealthy_process_makes_all_so():
    """A layer without a process is seen."""
    drawn = joined(picture(), [picture(healthy=False)])
    assert layer(drawn, "trading")["state"] == "stopped"
    assert layer(drawn, "gateway")["state"] == "running"
    assert not drawn["is_healthy"]


def test_a_process_at_two_addresses_is_counted_once():
    """The gateway's own address may be among those of all processes, under any name."""
    ours = picture(processing={"lag": 3}) | {"process": "a"}
    other = picture(processing={"lag": 4}) | {"process": "b"}
    drawn = joined(ours, [dict(ours), other, dict(other)])
    assert layer(drawn, "processing")["lag"] == 7
    assert drawn["memory_bytes"] == 200
    assert "process" not in drawn


async def test_processes_that_have_two_addresses_are_told_of_once():
    """Under the name that comes first; another process with the same answers is another one."""
    settings = InternalSettings(port=0)
    async with (
        internal_http(settings, Health(), QUESTIONS) as one,
        internal_http(settings, Health(), QUESTIONS) as two,
    ):
        for each in (one, two):
            each.opens({}, LocalCaller({"system": partial(_drawn, picture())}))
        named = one.address.replace("127.0.0.1", "localhost")
        asked = {"gateway": one.address, "signals": two.address, "localhost": named}
        for question in ("ready", "system"):
            told = await ask_all(question, asked, settings)
            assert [(each.name, each.trouble) for each in told] == [("gateway", ""), ("signals", "")]
        own = partial(_drawn, await one.system())
        drawn = await joined_system(own, [partial(_drawn, each.answer) for each in told])()
    assert drawn["memory_bytes"] == 200


async def _drawn(known: dict[str, Any]) -> dict[str, Any]:
    return known


async def test_a_process_that_is_away_is_left_out():
    """The picture of the others is drawn."""

    async def own() -> dict[str, Any]:
        return picture()

    async def away() -> dict[str, Any]:
        raise Unavailable("processing", "no answer")

    async def there() -> dict[str, Any]:
        return picture(analysis={"lag": 9})

    drawn = await joined_system(own, [away, there])()
    assert layer(drawn, "analysis")["lag"] == 9
    assert layer(drawn, "processing")["state"] == "stopped"


async def test_processes_that_hang_cost_a_second_all_together():
    """One after the other, or with the time of a question, the picture would come too late for whoever asked."""

    async def own() -> dict[str, Any]:
        return picture()

    async with misbehaving(hangs) as server, AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(
                process_caller("system", server.address, InternalSettings(), PICTURE_SECONDS, "the process")
            )
            for _ in range(8)
        ]
        async with asyncio.timeout(CALL_SECONDS):
            drawn = await joined_system(own, [partial(each.call, "system") for each in callers])()
        assert server.requests == 8
    assert layer(drawn, "trading")["state"] == "stopped"
