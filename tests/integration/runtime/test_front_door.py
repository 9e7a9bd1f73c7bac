"""The port is there before the application: pages at once, 503 for the rest; then everything; then nothing."""

from __future__ import annotations

import asyncio
import stat

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from niftyflow.kit.clock import WallClock
from niftyflow.kit.health import State
from niftyflow.model import Misconfigured
from niftyflow.runtime.serving import Door, front_door, open_gateway
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import Process, engines
from niftyflow.runtime.workspace import Workspace

SETTINGS = AppSettings()


async def test_while_starting_the_api_says_so_and_the_process_lives():
    """Every route 503 with a code and when to ask again; a socket is sent away; liveness is true."""
    async with front_door(SETTINGS, 0) as door, httpx.AsyncClient(base_url=door.address) as client:
        for path in ("/api/v1/clock", "/health/ready", "/metrics", "/docs"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"]["code"] == "unavailable"
        assert (await client.get("/health/live")).status_code == 200
        with pytest.raises(InvalidStatus):
            async with connect(f"{door.address.replace('http', 'ws', 1)}/ws/market"):
                pass


async def test_pages_load_while_starting(tmp_path):
    """The page and its assets; what is not there is a 404 in the envelope."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>niftyflow</title>")
    (tmp_path / "assets" / "a.js").write_text("1")
    app = Door("http://here", tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        for path in ("/", "/orders"):
            answer = await client.get(path)
            assert "<title>niftyflow" in answer.text
            assert answer.headers["cache-control"] == "no-cache"
        assert "immutable" in (await client.get("/assets/a.js")).headers["cache-control"]
        assert (await client.get("/assets/b.js")).json()["error"]["code"] == "not_found"
        assert (await client.post("/")).status_code == 405


async def test_a_port_that_is_taken_is_refused_before_anything_else():
    """Naming it."""
    async with front_door(SETTINGS, 0) as door:
        port = int(door.address.rpartition(":")[2])
        with pytest.raises(Misconfigured, match=f"port {port} on 127.0.0.1 is taken"):
            async with front_door(SETTINGS, port):
                pass


async def test_the_first_start_makes_a_key_and_every_start_a_link(tmp_path):
    """The key is told once and kept for its owner alone; the link signs in once; afterwards it is starting again."""
    workspace = Workspace(tmp_path / "ws")
    async with (
        engines(workspace, SETTINGS) as on,
        front_door(SETTINGS, 0) as door,
        httpx.AsyncClient(base_url=door.address) as client,
    ):
        process = Process(workspace, SETTINGS, on)
        async with open_gateway(door, workspace, SETTINGS, on, process, WallClock()) as opened:
            assert opened.first_key is not None
            assert workspace.key_file.read_text().strip() == opened.first_key
            assert stat.S_IMODE(workspace.key_file.stat().st_mode) == 0o600
            assert on.health.worker("gateway").state is State.RUNNING
            assert (await client.get("/api/v1/clock")).status_code == 401
            told = await client.get("/api/v1/clock", headers={"X-API-KEY": opened.first_key})
            assert told.status_code == 200
            asked = await client.get("/api/v1/portfolio", headers={"X-API-KEY": opened.first_key})
            assert asked.json()["error"]["code"] == "unavailable"  # nobody trades here
            address, _, ticket = opened.link.partition("/#ticket=")
            assert address == door.address
            for status in (200, 401):
                assert (await client.post("/api/v1/session", json={"ticket": ticket})).status_code == status
        assert (await client.get("/api/v1/clock")).status_code == 503
        async with open_gateway(door, workspace, SETTINGS, on, process, WallClock()) as opened:
            assert opened.first_key is None


async def test_it_ends_at_once_though_a_client_holds_its_connection():
    """A request under way and an idle keep-alive do not hold Ctrl-C up."""
    ended = asyncio.Event()

    async def hold() -> None:
        async with front_door(SETTINGS, 0) as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(door.address.rpartition(":")[2]))
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in await reader.readline()
            writer.write(b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
            await writer.drain()
        writer.close()
        ended.set()

    await asyncio.wait_for(hold(), 60)
    assert ended.is_set()
