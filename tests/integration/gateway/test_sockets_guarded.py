"""Sockets on a real server: who is let in, bad frames, and clients that do not read."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from niftyflow.gateway import listener, sockets
from niftyflow.gateway.limits import Rate
from niftyflow.model import TickBatch
from support.records import a_tick
from support.socket_servers import ACCOUNT, Served, send, serving, sign_in, told
from support.waiting import until

PLAIN = {"ws": "websockets-sansio", "ws_per_message_deflate": False}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A running gateway."""
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture(params=["ours", "plain"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """Our wire, and ASGI alone as on any server."""
    options: dict[str, Any] = {} if request.param == "ours" else {"server": PLAIN}
    async with serving(tmp_path, **options) as running:
        yield running


async def closed_with(client: Any) -> tuple[list[dict[str, Any]], int]:
    """Return the frames up to the close, and its code."""
    frames = []
    async with asyncio.timeout(60):
        try:
            while True:
                frames.append(msgspec.json.decode(await client.recv()))
        except ConnectionClosed as closed:
            return frames, closed.rcvd.code if closed.rcvd is not None else 1006


async def refused_with(served: Served, path: str = "/ws/market", **options: Any) -> tuple[int, str]:
    """Return the status and the code with which a socket is not opened."""
    with pytest.raises(InvalidStatus) as refused:
        async with served.connect(path, **options):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"{}").get("error", {}).get("code", "")


async def test_a_key_may_come_in_the_first_frame(either: Served):
    """A page of another origin can send no header."""
    async with either.connect(headers={}) as client:
        await send(client, op="auth", key=either.key)
        assert (await told(client))["type"] == "pong"
        await send(client, op="subscribe", channel="prices")
        assert (await told(client))["type"] == "snapshot"


@pytest.mark.parametrize(
    ("key", "first"),
    [
        ("nfk_unknown", None),
        ("", None),
        (None, {"op": "subscribe", "channel": "prices"}),
        (None, {"op": "auth", "key": "nfk_unknown"}),
    ],
)
async def test_without_a_key_nothing_is_told(either: Served, key: str | None, first: dict[str, Any] | None):
    """An error that says so, and the socket is closed."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with either.connect(headers=headers) as client:
        if first is not None:
            await send(client, **first)
        frames, code = await closed_with(client)
        assert [frame["data"]["code"] for frame in frames] == ["unauthenticated"]
        assert code == 1008


async def test_a_client_that_never_says_who_it_is_is_closed(served: Served, monkeypatch: pytest.MonkeyPatch):
    """It is not waited for for ever."""
    monkeypatch.setattr(sockets, "FIRST_FRAME_SECONDS", 0.05)
    async with served.connect(headers={}) as client:
        frames, code = await closed_with(client)
        assert (frames[0]["data"]["code"], code) == ("unauthenticated", 1008)


async def test_a_key_without_the_scope_to_read_is_turned_away(served: Served):
    """Known, and still not allowed."""
    async with served.connect(key=served.powerless) as client:
        frames, code = await closed_with(client)
        assert (frames[0]["data"]["code"], code) == ("forbidden", 1008)


async def test_a_key_that_is_revoked_ends_its_sockets(served: Served, monkeypatch: pytest.MonkeyPatch):
    """Not at the next start: soon."""
    monkeypatch.setattr(sockets, "IDENTITY_SECONDS", 0.05)
    async with served.connect() as client:
        await send(client, op="ping")
        assert (await told(client))["type"] == "pong"
        assert await served.app.state.keyring.revoke(served.key_id)
        frames, code = await closed_with(client)
        assert (frames[-1]["data"]["code"], code) == ("unauthenticated", 1008)


async def test_a_browser_of_our_own_page_is_let_in_by_its_cookie(served: Served):
    """With the Origin of the host it came to."""
    headers = await sign_in(served)
    async with served.connect(headers=headers, origin=f"http://{served.address}") as client:
        await send(client, op="subscribe", channel="prices")
        assert (await told(client))["type"] == "snapshot"


async def test_a_cookie_is_no_use_to_another_sites_page(served: Served):
    """The handshake is refused, and so is one that hides its Origin."""
    headers = await sign_in(served)
    assert await refused_with(served, headers=headers, origin="http://evil.example") == (403, "forbidden")
    assert await refused_with(served, headers=headers) == (403, "forbidden")


async def test_another_account_is_not_there(served: Served):
    """Nor is a socket nobody made."""
    assert await refused_with(served, "/ws/orders/somebody") == (404, "not_found")
    assert await refused_with(served, "/ws/positions/somebody") == (404, "not_found")
    async with served.connect(f"/ws/positions/{ACCOUNT}") as client:
        await send(client, op="subscribe", channel="orders")
        assert (await told(client))["type"] == "error"
        await send(client, op="subscribe", channel="account")
        assert (await told(client))["type"] == "snapshot"


async def test_an_address_has_a_number_of_sockets(tmp_path: Path):
    """One more is refused, and let in when another has left."""
    async with serving(tmp_path, sockets_per_address=2) as served:
        async with served.connect(), served.connect():
            assert await refused_with(served) == (429, "too_many_requests")
        await until(lambda: not served.hub._clients)
        async with served.connect() as client:
            await send(client, op="ping")
            assert (await told(client))["type"] == "pong"


async def test_a_gateway_without_a_hub_says_that_it_is_starting(served: Served):
    """The page tries again."""
    served.app.state.hub = None
    assert await refused_with(served) == (503, "unavailable")


BAD_FRAMES: tuple[tuple[str | bytes, str], ...] = (
    ("no json", "bad_json"),
    ("[]", "invalid_value"),
    ("{}", "invalid_value"),
    ('{"op":"dance"}', "invalid_value"),
    ('{"op":"ping","more":1}', "invalid_value"),
    ('{"op":"subscribe","channel":"no"}', "invalid_value"),
    ('{"op":"subscribe","channel":"orders"}', "invalid_value"),
    ('{"op":"subscribe","channel":"prices","symbols":[]}', "invalid_value"),
    ('{"op":"subscribe","channel":"prices","symbols":["MOON:X"]}', "invalid_value"),
    ('{"op":"subscribe","channel":"prices","symbols":[1]}', "invalid_value"),
    ('{"op":"subscribe","channel":"candles"}', "invalid_value"),
    ('{"op":"subscribe","channel":"candles","symbols":["*"]}', "invalid_value"),
    ('{"op":"resume","channel":"prices"}', "invalid_value"),
    ('{"op":"resume","channel":"prices","after":-1}', "invalid_value"),
    ('{"op":"resume","channel":"prices","after":"x"}', "invalid_value"),
    ('{"op":"resume","channel":"prices","after":1e400}', "invalid_value"),
    ('{"op":"subscribe","channel":"\\ud800"}', "bad_json"),
    (b'{"op":"ping"}', "invalid_value"),
)


async def test_a_bad_frame_is_answered_and_the_socket_goes_on(served: Served):
    """The error says what was wrong, and the next frame is answered as ever."""
    for text, code in BAD_FRAMES:
        async with served.connect() as client:
            await client.send(text)
            error = await told(client)
            assert (text, error["type"], error["data"]["code"]) == (text, "error", code)
            assert error["data"]["message"]
            await send(client, op="ping", channel="prices")
            pong = await told(client)
            assert (pong["type"], pong["channel"]) == ("pong", "prices")


async def test_whatever_a_client_sends_the_socket_goes_on(served: Served, monkeypatch: pytest.MonkeyPatch):
    """Two thousand frames drawn from pieces that may be right or wrong, and the answer to a ping after all of them."""
    monkeypatch.setattr(sockets, "BAD_FRAMES", Rate(1e9, 10**9))
    draw = random.Random(20260105)
    pieces: dict[str, tuple[Any, ...]] = {
        "op": ("subscribe", "unsubscribe", "resume", "ping", "auth?", "", None, 7, {}),
        "channel": ("prices", "candles", "signals", "clock", "market-view", "orders", "", "\ud800", None, []),
        "symbols": (["RELIANCE"], ["*"], ["NSE:INFY", "*"], ["NSE:"], [], [None], "RELIANCE", ["x" * 100], None, 3),
        "after": (0, 1, 2**63, 2**70, -1, 1.5, "1", None),
        "epoch": (served.hub.board.prices.epoch, "", "other", 5, None),
    }
    async with served.connect() as client:
        for turn in range(2_000):
            names = draw.sample(sorted(pieces), draw.randint(1, len(pieces)))
            text = json.dumps({name: draw.choice(pieces[name]) for name in names})
            await client.send(text if draw.random() < 0.9 else text[: draw.randrange(len(text))])
            if turn % 20 == 0:  # read what came, as a client would
                await send(client, op="ping", channel=f"turn {turn}")
                while (await told(client))["channel"] != f"turn {turn}":
                    pass
    await until(lambda: not served.hub._clients)
    assert not any(served.hub._listening.values())


async def test_too_many_symbols_are_refused(served: Served):
    """Of one channel, however they are asked for."""
    async with served.connect() as client:
        await send(client, op="subscribe", channel="candles", symbols=[f"A{number}" for number in range(200)])
        assert (await told(client))["type"] == "snapshot"
        await send(client, op="subscribe", channel="candles", symbols=["B"])
        assert (await told(client))["data"]["code"] == "invalid_value"


async def test_a_client_that_goes_on_with_bad_frames_is_closed(either: Served):
    """Three a second are forgiven."""
    async with either.connect() as client:
        for _ in range(5):
            await client.send("no json")
        frames, code = await closed_with(client)
        assert [frame["data"]["code"] for frame in frames] == ["bad_json"] * 4  # the fourth is one too many
        assert code == 1008


async def test_a_frame_that_is_too_large_ends_the_socket(either: Served):
    """Nobody has that much to ask."""
    async with either.connect() as client:
        await client.send("x" * 65_537)
        _, code = await closed_with(client)
        assert code == 1009


async def test_a_client_that_stops_reading_is_ended_alone(either: Served, monkeypatch: pytest.MonkeyPatch):
    """Its memory is bounded meanwhile, and the others are told as before."""
    monkeypatch.setattr(listener, "STALLED_SECONDS", 0.5)
    symbols = [f"SYM{number}" for number in range(2_000)]
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = either.address.split(":")
    await asyncio.to_thread(silent.connect, (host, int(port)))
    async with either.connect() as reading, either.connect(sock=silent, max_queue=1) as stalled:
        await send(reading, op="subscribe", channel="prices")
        assert (await told(reading))["type"] == "snapshot"
        stalled.transport.pause_reading()
        await send(stalled, op="subscribe", channel="prices")
        await until(lambda: len(either.hub._listening["prices"]) == 2)
        price, most = 100.0, 0
        async with asyncio.timeout(60):
            while len(either.hub._clients) == 2:
                price += 1
                batch = TickBatch.from_records([a_tick(symbol=symbol, ltp=price) for symbol in symbols])
                await either.sources.bus.publish("raw-ticks", [batch])
                while (await told(reading))["data"]["NSE:SYM0"]["ltp"] != price:
                    pass
                most = max(most, either.buffered())
        assert most < 2_000_000
        await either.sources.bus.publish("raw-ticks", [TickBatch.from_records([a_tick(ltp=1.0)])])
        assert (await told(reading))["data"]["NSE:RELIANCE"]["ltp"] == 1.0
        stalled.transport.abort()


async def test_a_client_that_asks_and_does_not_read_is_ended(served: Served):
    """Replies do not pile up."""
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = served.address.split(":")
    await asyncio.to_thread(silent.connect, (host, int(port)))
    async with served.connect(sock=silent, max_queue=1) as client:
        client.transport.pause_reading()
        try:
            while served.hub._clients:
                await client.send('{"op":"ping","channel":"' + "x" * 70 + '"}')
        except ConnectionClosed:
            pass
        await until(lambda: not served.hub._clients)
        assert served.hub.listeners == ()
        client.transport.abort()


async def test_a_server_that_stops_tells_its_clients(tmp_path: Path):
    """They know to come back."""
    async with serving(tmp_path) as served:
        client = await served.connect()
        await send(client, op="ping")
        await told(client)
    _, code = await closed_with(client)
    assert code == 1012
