"""Whatever is wrong with a request: a 4xx in the envelope with a documented code, and nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from niftyflow.gateway.envelope import CODES
from niftyflow.model import Broken, Unavailable
from support.gateways import Gateway, gateway

JSON = {"Content-Type": "application/json"}
PRICES, CANDLES, KEYS, SESSION = "/api/v1/prices", "/api/v1/candles", "/api/v1/keys", "/api/v1/session"


def failed(response: Any) -> dict[str, Any]:
    """Return the error of an answer that has the envelope, its code's own status, and the request's id."""
    body = response.json()
    assert body["status"] == "error", body
    assert set(body) == {"status", "error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    assert response.status_code == CODES[error["code"]][0]
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    return error


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        (f"{PRICES}?symbols=NOSUCH", "unknown_instrument", "NSE:NOSUCH"),
        (f"{PRICES}?symbols=RELIANCE,NOSUCH", "unknown_instrument", "NSE:NOSUCH"),
        (f"{PRICES}?symbols=XXX:RELIANCE", "invalid_value", "XXX"),
        (f"{PRICES}?symbols=,", "invalid_value", "symbol"),
        (f"{PRICES}?symbols=", "invalid_value", "symbols"),
        (f"{PRICES}?symbols=NSE:", "invalid_value", "symbol"),
        (f"{PRICES}?symbols={'A' * 30_000}", "invalid_value", "20000"),
        (f"{PRICES}?symbols={','.join(f'A{n}' for n in range(501))}", "invalid_value", "500"),
        (f"/api/v1/quotes?symbols={','.join(f'A{n}' for n in range(101))}", "invalid_value", "100"),
        (f"{PRICES}?symbol=RELIANCE", "invalid_value", "it knows symbols"),
        (f"{CANDLES}", "invalid_value", "symbol"),
        (f"{CANDLES}?symbol=NOSUCH", "unknown_instrument", "NSE:NOSUCH"),
        (f"{CANDLES}?symbol=RELIANCE&interval=2m", "invalid_value", "interval"),
        (f"{CANDLES}?symbol=RELIANCE&limit=0", "invalid_value", "limit"),
        (f"{CANDLES}?symbol=RELIANCE&limit=5001", "invalid_value", "limit"),
        (f"{CANDLES}?symbol=RELIANCE&limit=ten", "invalid_value", "'ten'"),
        (f"{CANDLES}?symbol=RELIANCE&limit=1e2", "invalid_value", "limit"),
        (f"{CANDLES}?symbol=RELIANCE&since=-1", "invalid_value", "since"),
        (f"{CANDLES}?symbol=RELIANCE&until=99999999999999999999999", "invalid_value", "until"),
        (f"{CANDLES}?symbol=RELIANCE&since=5&until=5", "invalid_value", "since"),
        (f"{CANDLES}?symbol=RELIANCE&since=2026-01-06", "invalid_value", "since"),
        ("/api/v1/instruments?kind=bond", "invalid_value", "kind"),
        ("/api/v1/instruments?query=" + "x" * 100, "invalid_value", "query"),
        ("/api/v1/clock?now=1", "invalid_value", "it has none"),
        ("/api/v1/nothing", "not_found", "/api/v1/nothing"),
        ("/api/v1/prices/", "not_found", "/api/v1/prices/"),
        ("/api/v1/%00%ff", "not_found", "nothing at"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(served: Gateway, path: str, code: str, told: str):
    """The message names it."""
    error = failed(await served.client.get(path))
    assert error["code"] == code
    assert told in error["message"]


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (b"", "invalid_value", "body"),
        (b"{", "bad_json", "no JSON"),
        (b"\xff\xfe", "bad_json", "body"),
        (b"[" * 100_000, "bad_json", "body"),
        (b'{"name":' + b"9" * 5_000 + b"}", "bad_json", "body"),
        (b"[]", "invalid_value", "body"),
        (b"null", "invalid_value", "body"),
        (b"{}", "invalid_value", "name"),
        (b'{"name":"a"}', "invalid_value", "scopes"),
        (b'{"name":"a","scopes":[]}', "invalid_value", "scopes"),
        (b'{"name":"a","scopes":["root"]}', "invalid_value", "scopes"),
        (b'{"name":1,"scopes":["read"]}', "invalid_value", "name"),
        (b'{"name":"\\ud800","scopes":["read"]}', "invalid_value", "name"),
        (b'{"name":"a","scopes":["read"],"days":"5"}', "invalid_value", "days"),
        (b'{"name":"a","scopes":["read"],"days":0}', "invalid_value", "days"),
        (b'{"name":"a","scopes":["read"],"days":NaN}', "invalid_value", "days"),
        (b'{"name":"a","scopes":["read"],"days":true}', "invalid_value", "days"),
        (b'{"name":"a","scopes":["read"],"more":1}', "invalid_value", "more"),
        (b'{"name":"a","scopes":["read"],"\\ud800":1}', "invalid_value", "unicode"),
    ],
)
async def test_a_wrong_body_is_answered_with_what_is_wrong(served: Gateway, body: bytes, code: str, told: str):
    """And no key is made."""
    error = failed(await served.client.post(KEYS, content=body, headers=JSON))
    assert error["code"] == code
    assert told in error["message"]
    assert len(await served.keys.keys()) == 1


async def test_a_body_of_another_kind_is_answered_with_how_to_send_it(served: Gateway):
    """A form is no JSON."""
    error = failed(await served.client.post(KEYS, data={"name": "a"}))
    assert error["code"] == "invalid_value"
    assert "application/json" in error["message"]


@pytest.mark.parametrize(("method", "path"), [("POST", PRICES), ("PUT", KEYS), ("PATCH", SESSION), ("DELETE", CANDLES)])
async def test_a_wrong_method_says_which_are_possible(served: Gateway, method: str, path: str):
    """In the header of HTTP's own."""
    response = await served.client.request(method, path)
    assert failed(response)["code"] == "method_not_allowed"
    assert response.headers["allow"]


async def test_a_huge_body_is_refused_before_it_is_read(tmp_path: Path):
    """By what it says of itself, and by what comes when it says nothing."""
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b"x" * 1000

    async with gateway(tmp_path, body_limit_bytes=10_000) as served:
        assert failed(await served.client.post(KEYS, content=b"x" * 10_001, headers=JSON))["code"] == "body_too_large"
        assert failed(await served.client.post(KEYS, content=pieces(), headers=JSON))["code"] == "body_too_large"


async def test_secrets_are_never_repeated(served: Gateway):
    """Not even wrong ones: an answer may end in a log."""
    response = await served.client.post(SESSION, json={"key": "not really!a secret"})
    assert failed(response)["code"] == "invalid_value"
    assert "really" not in response.text


async def test_what_fails_by_our_fault_is_500_and_tells_nothing_of_it(served: Gateway):
    """The log has it under the request's id; the next request is served."""

    @served.app.get("/api/v1/broken")
    async def broken() -> Response:
        raise ZeroDivisionError("a secret of ours")

    @served.app.get("/api/v1/misread")
    async def misread() -> Response:
        raise Broken("a record of ours")

    for path in ("broken", "misread"):
        response = await served.client.get(f"/api/v1/{path}")
        assert failed(response)["code"] == "internal"
        assert "ours" not in response.text.replace("a fault of ours", "")
    assert (await served.client.get(PRICES)).status_code == 200


async def test_what_is_away_is_503_and_says_when_to_come_back(served: Gateway):
    """Here the hot store."""

    @served.app.get("/api/v1/away")
    async def away() -> Response:
        raise Unavailable("hot store", "it is not open")

    response = await served.client.get("/api/v1/away")
    assert failed(response)["code"] == "unavailable"
    assert response.headers["retry-after"] == "1"


async def test_what_takes_too_long_is_504(tmp_path: Path):
    """A query has its limit, and another one is served meanwhile."""
    async with gateway(tmp_path, query_limit_seconds=0.05) as served:

        @served.app.get("/api/v1/slow")
        async def slow() -> Response:
            await asyncio.sleep(60)
            return PlainTextResponse("never")

        @served.app.get("/api/v1/impatient")
        async def impatient() -> Response:
            raise TimeoutError("one of its own")

        assert failed(await served.client.get("/api/v1/slow"))["code"] == "timeout"
        assert failed(await served.client.get("/api/v1/impatient"))["code"] == "internal"


async def test_an_answer_that_breaks_off_is_not_continued_as_another(served: Gateway):
    """The connection ends, so that nobody takes half of it for the whole."""

    @served.app.get("/api/v1/half")
    async def half(request: Request) -> Response:
        async def send_half(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise ZeroDivisionError

        response = Response()
        response.__class__ = type("Half", (Response,), {"__call__": lambda _, *given: send_half(*given)})
        return response

    with pytest.raises(ConnectionAbortedError):
        await served.client.get("/api/v1/half")


@pytest.mark.parametrize(
    ("given", "kept"), [("mine-1:a.b", True), ("a" * 64, True), ("a" * 65, False), ("with space", False), ("ü", False)]
)
async def test_a_request_keeps_the_id_it_came_with_when_that_is_one(served: Gateway, given: str, kept):
    """Else it gets one."""
    response = await served.client.get(PRICES, headers={"X-Request-ID": given.encode()})
    assert (response.headers["x-request-id"] == given) is kept
    assert response.headers["x-request-id"]
