"""Layers in a process of their own, as `niftyflow run` has them: what it answers from its first moment on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from niftyflow.runtime.running import run_process
from niftyflow.runtime.serving import Door
from niftyflow.runtime.settings import load
from niftyflow.runtime.wiring import Does
from niftyflow.runtime.workspace import Workspace
from support.waiting import until


@asynccontextmanager
async def running(
    folder: Path, does: Does, door: Door | None = None, **settings: str
) -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """Run a process; gives a client of its internal port, and the lines it told."""
    workspace, stopping, told = Workspace(folder, "one"), asyncio.Event(), []
    loaded = load(workspace.settings_file, {"internal.port": 0} | {k.replace("_", "."): v for k, v in settings.items()})
    ran = asyncio.create_task(
        run_process(workspace, loaded, does, stopping, told.append, takes_in=False, door=door), name="run"
    )
    try:
        await until(lambda: ran.done() or "one" in workspace.addresses())
        async with httpx.AsyncClient(base_url=workspace.addresses()["one"], timeout=60) as client:
            yield client, told
    finally:
        stopping.set()
        await ran
    assert workspace.addresses() == {}


async def ready(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return what the process says of its readiness."""
    answer = (await client.get("/health/ready")).json()
    return answer["data"] if "data" in answer else answer["error"]["details"]


async def test_while_a_server_is_away_it_lives_and_says_what_it_waits_for(tmp_path):
    """Its port is open from the start; metrics too."""
    nobody = "postgresql://somebody:secret@127.0.0.1:1/nothing"
    async with running(tmp_path, Does.PROCESSING, database_url=nobody) as (client, told):
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        await until(lambda: bool(told))

        async def says_why() -> bool:
            answer = await client.get("/health/ready")
            (start,) = answer.json()["error"]["details"]["dependencies"]
            return answer.status_code == 503 and "127.0.0.1:1" in start["reason"]

        await until(says_why)
    assert all(line.startswith("one waits for ") for line in told)


async def test_one_without_the_gateway_answers_nothing_but_of_itself(tmp_path):
    """It follows no topic for questions that nobody asks it, and has no worker for them."""
    async with running(tmp_path, Does.PROCESSING) as (client, told):
        await until(lambda: any("health and metrics at" in line for line in told))
        await until(lambda: _runs(client))
        assert [each["name"] for each in (await ready(client))["workers"]] == ["processing"]
        assert (await client.post("/call/scorecards", content=b"\x80")).status_code == 503
        assert (await client.post("/call/account", content=b"\x80")).status_code == 503
        assert (await client.post("/call/system", content=b"\x80")).status_code == 200
        assert (await client.post("/call/ready", content=b"\x80")).status_code == 200


async def _runs(client: httpx.AsyncClient) -> bool:
    return bool((await ready(client))["is_ready"])
