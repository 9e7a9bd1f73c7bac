"""Every operation of the schema under requests made from it, right and wrong: no 5xx, and answers as described.

The gateway stands over a process that trades, on a real server. `NIFTYFLOW_LONG=1` tries many more, other each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from niftyflow.kit.addresses import listening
from support.trading_gateways import played_session, trading_gateway
from support.waiting import until
from tools.openapi import document

__all__ = ["played_session"]

IS_LONG = os.environ.get("NIFTYFLOW_LONG") == "1"
EXAMPLES = 300 if IS_LONG else 6
LEFT_OUT = ("/health/ready",)
"""It answers 503 when something is not well, which is what it is for."""
BAD_REQUEST, NO_HTTP = 400, "Invalid HTTP request received."
"""What the server itself says of an address beyond 64 kB, before the application sees it."""
DESCRIBED = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
load_all_checks()
OPERATIONS: dict[str, APIOperation] = {
    found.ok().label: found.ok() for found in schemathesis.openapi.from_dict(document()).get_all_operations()
}


@dataclass
class Server:
    """Where the gateway is, and its owner's key."""

    address: str
    session: requests.Session


@pytest.fixture(scope="module")
def server(played_session: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a gateway from a loop on a thread of its own, for all operations."""
    folder = Path(shutil.copytree(played_session, tmp_path_factory.mktemp("fuzzed") / "ws"))
    socket, stopping, ready = listening("127.0.0.1", 0), threading.Event(), threading.Event()

    async def serve() -> None:
        async with trading_gateway(folder) as running:
            config = uvicorn.Config(running.app, http="httptools", ws="none", lifespan="off", log_config=None)
            http = uvicorn.Server(config)
            http.capture_signals = contextlib.nullcontext  # type: ignore[method-assign] - a thread has none
            serving = asyncio.create_task(http.serve(sockets=[socket]))
            await until(lambda: http.started)
            ready.set()
            while not stopping.is_set():  # noqa: ASYNC110 - it is set by another thread
                await asyncio.sleep(0.05)
            http.should_exit = True
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(120)
        with requests.Session() as session:
            session.headers["X-API-KEY"] = (folder / "api-key").read_text().strip()
            yield Server(f"http://127.0.0.1:{socket.getsockname()[1]}", session)
    finally:
        stopping.set()
        thread.join(120)


@pytest.mark.timeout(3600 if IS_LONG else 300)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", sorted(label for label in OPERATIONS if not label.endswith(LEFT_OUT)))
def test_whatever_is_asked_is_answered_as_described(server: Server, label: str, mode: GenerationMode):
    """And what is wrong is refused."""
    operation = OPERATIONS[label]
    expected = [*DESCRIBED, checks.negative_data_rejection] if mode is GenerationMode.NEGATIVE else DESCRIBED
    answered = 0

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=not IS_LONG, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        nonlocal answered
        response = case.call(server.address, server.session, timeout=60)
        answered += 1
        if response.status_code != BAD_REQUEST or response.text != NO_HTTP:
            case.validate_response(response, expected)

    if mode is GenerationMode.POSITIVE:
        ask()
        assert answered > 0
    else:
        with contextlib.suppress(Unsatisfiable):  # nothing about it can be wrong: it has no parameters
            ask()


def test_the_schema_has_every_operation_of_the_application():
    """So that none is left out of these tests."""
    assert len(OPERATIONS) >= 38
    assert all(name in {label.split(" ", 1)[1] for label in OPERATIONS} for name in LEFT_OUT)
