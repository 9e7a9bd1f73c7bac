"""Health, metrics, OpenAPI, and all of it over a real server."""

from __future__ import annotations

import asyncio
import re

import httpx
import uvicorn

from niftyflow.gateway.envelope import CODES
from niftyflow.gateway.front import scope_of
from niftyflow.kit.addresses import listening
from support.gateways import Gateway
from support.waiting import until


async def test_readiness_names_every_worker_and_dependency(served: Gateway):
    """Ready when all run."""
    served.sources.health.worker("processing").runs()
    body = (await served.client.get("/health/ready")).json()["data"]
    assert body["is_ready"] is True
    assert [part["name"] for part in body["workers"]] == ["processing"]
    assert {part["name"]: part["state"] for part in body["dependencies"]} == {
        "market store": "running", "book": "running", "hot store": "running", "bus": "running",
    }  # fmt: skip


async def test_one_that_waits_or_is_away_makes_it_503_with_all_the_states(served: Gateway):
    """The reason stands with its part."""
    served.sources.health.worker("processing").waits("the broker is away")
    await served.sources.hot.close()
    response = await served.client.get("/health/ready")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (503, "unavailable")
    assert error["message"] == "not ready: processing, hot store"
    assert error["details"]["workers"][0]["reason"] == "the broker is away"
    (hot,) = [part for part in error["details"]["dependencies"] if part["name"] == "hot store"]
    assert "not open" in hot["reason"]
    assert (await served.client.get("/health/live")).status_code == 200


async def test_requests_are_counted_by_route_and_not_by_what_was_asked(served: Gateway):
    """Names that clients choose would grow without bound."""
    await served.client.get("/api/v1/prices?symbols=TCS")
    await served.client.get("/api/v1/surely-not-a-route")
    await served.client.delete("/api/v1/keys/none")
    text = (await served.client.get("/metrics")).text
    assert re.search(r'http_requests_total\{route="/api/v1/prices",status="200"\} \d', text)
    assert re.search(r'http_requests_total\{route="none",status="404"\} \d', text)
    assert re.search(r'http_requests_total\{route="/api/v1/keys/\{key_id\}",status="404"\} \d', text)
    assert "surely-not-a-route" not in text
    assert "http_request_duration_seconds_bucket" in text


async def test_every_operation_is_described_whole(served: Gateway):
    """A name, a summary, tags, its scope, and every error it may answer, with examples."""
    schema = (await served.client.get("/openapi.json")).json()
    names = []
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            assert operation["summary"], path
            assert operation["tags"], path
            needed = scope_of(method.upper(), path)
            assert operation.get("x-scope") == (None if needed is None else needed.value), path
            assert bool(operation["security"]) is (needed is not None), path
            assert {"422", "429", "500", "503", "504"} - {"422"} <= set(operation["responses"]), path
            for status, answer in operation["responses"].items():
                _check_answer(path, int(status), answer)
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)


def _check_answer(path: str, status: int, answer: dict) -> None:
    content = answer["content"].get("application/json")
    if status >= 400:
        for code in content["examples"]:
            assert CODES[code][0] == status, (path, code)
    elif content is not None:
        assert content["schema"]["$ref"].startswith("#/components/schemas/Envelope"), path


async def test_long_answers_are_packed_for_who_takes_it(served: Gateway):
    """The client unpacks; what is small goes as it is."""
    long = await served.client.get("/api/v1/candles?symbol=TCS")
    short = await served.client.get("/api/v1/prices?symbols=TCS")
    assert long.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in short.headers
    assert long.json()["data"]["symbol"] == "NSE:TCS"


async def test_answers_are_kept_by_no_cache_and_shown_in_no_frame(served: Gateway):
    """A page of another site cannot lay ours under its own."""
    headers = (await served.client.get("/api/v1/clock")).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "frame-ancestors 'none'"


async def test_a_real_server_serves_it_over_connections_that_are_kept(served: Gateway):
    """Requests one after another and side by side, a body in pieces, and one that is too long."""
    socket = listening("127.0.0.1", 0)
    config = uvicorn.Config(served.app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[socket]))
    base = f"http://127.0.0.1:{socket.getsockname()[1]}"
    try:
        await until(lambda: server.started)
        async with httpx.AsyncClient(base_url=base, headers={"X-API-KEY": served.secret}, timeout=60) as client:
            found = await asyncio.gather(*(client.get("/api/v1/prices?symbols=TCS") for _ in range(50)))
            assert {each.json()["data"][0]["ltp"] for each in found} == {3880.0}
            assert (await client.get("/api/v1/candles?symbol=TCS")).headers["content-encoding"] == "gzip"

            async def pieces():
                yield b'{"name":"real",'
                yield b'"scopes":["read"]}'

            headers = {"Content-Type": "application/json"}
            assert (await client.post("/api/v1/keys", content=pieces(), headers=headers)).status_code == 201
            response = await client.post("/api/v1/keys", content=b"x" * (11 * 1024 * 1024), headers=headers)
            assert response.status_code == 413
            assert (await client.get("/health/live")).status_code == 200
    finally:
        server.should_exit = True
        await running
