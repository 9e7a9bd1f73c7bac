"""Order updates of an account from a real socket, from postbacks and from the polled book, as one stream."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from niftyflow.brokers.connection import ConnectionSettings
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.kite.updates import KiteOrderUpdates
from niftyflow.brokers.order_book import BrokerOrder
from niftyflow.model import DecodeError, Misconfigured, OrderState
from support.kite_rest import SECRET, TOKEN, account_at, failure, scripted_kite, success
from support.waiting import until

WATCHED = ConnectionSettings(retry_first_seconds=0.01, retry_longest_seconds=0.01)


def reply(order_id: str = "1", **changes: Any) -> dict[str, Any]:
    """Return an order in Kite's fields."""
    return {
        "order_id": order_id, "status": "OPEN", "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY",
        "quantity": 10, "order_type": "LIMIT", "product": "CNC", "price": 100.05, "filled_quantity": 0,
        "order_timestamp": "2023-11-15 12:00:00", "exchange_update_timestamp": "2023-11-15 12:00:00", "tag": "nf1",
    } | changes  # fmt: skip


FILLED = {"status": "COMPLETE", "filled_quantity": 10, "average_price": 100.0}


class PushingKite:
    """A WebSocket server that pushes texts to whoever is connected, and can cut them off."""

    def __init__(self) -> None:
        self.root = ""
        self.sockets: list[web.WebSocketResponse] = []
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Keep a socket open with a heartbeat now and then."""
        self.asked.append(request.query_string)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_bytes(b"\x00")
        self.sockets.append(socket)
        async for message in socket:
            assert message.type is not WSMsgType.TEXT, "an order socket subscribes to nothing"
        self.sockets.remove(socket)
        return socket

    async def push(self, message: object) -> None:
        """Send a text to every socket."""
        for socket in self.sockets:
            await socket.send_str(msgspec.json.encode(message).decode())


@asynccontextmanager
async def pushing_kite() -> AsyncIterator[PushingKite]:
    """Serve the socket on a free port of this machine."""
    kite = PushingKite()
    app = web.Application()
    app.router.add_get("/", kite.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kite.root = site.name.replace("http", "ws")
    try:
        yield kite
    finally:
        for socket in list(kite.sockets):
            await socket.close()
        await runner.cleanup()


async def next_of(updates: KiteOrderUpdates) -> list[BrokerOrder]:
    """Return what comes next."""
    async with asyncio.timeout(60):
        return await updates.read()


async def test_the_book_the_socket_and_a_postback_are_one_stream() -> None:
    """First seen in the book, filled in part by a push, completed by a postback; each is told once."""
    async with scripted_kite() as kite, pushing_kite() as socket:
        kite.on("GET", "/orders", success([reply()]))
        async with account_at(kite, socket_root=socket.root, socket=WATCHED) as broker:
            updates = broker.order_updates
            (first,) = await next_of(updates)
            assert (first.state, first.client_order_id) == (OrderState.OPEN, "nf1")
            await until(lambda: bool(socket.sockets))
            await socket.push({"type": "order", "data": reply(status="UPDATE", filled_quantity=4, average_price=100)})
            (second,) = await next_of(updates)
            assert (second.state, second.filled) == (OrderState.PART_FILLED, 4)
            await socket.push({"type": "error", "data": "words"})
            await socket.push({"type": "order", "data": reply()})
            whole = reply(**FILLED)
            whole["checksum"] = hashlib.sha256(f"1{whole['order_timestamp']}{SECRET}".encode()).hexdigest()
            updates.postback(msgspec.json.encode(whole))
            (third,) = await next_of(updates)
            assert (third.state, third.filled) == (OrderState.FILLED, 10)
    assert socket.asked[0].endswith(f"access_token={TOKEN}")


async def test_what_a_lost_socket_did_not_push_is_found_in_the_book() -> None:
    """The socket comes back by itself; meanwhile the polled book tells."""
    async with scripted_kite() as kite, pushing_kite() as socket:
        kite.on("GET", "/orders", success([reply()]))
        changes = {"socket_root": socket.root, "socket": WATCHED, "poll_seconds": 0.05}
        async with account_at(kite, **changes) as broker:
            await next_of(broker.order_updates)
            await until(lambda: bool(socket.sockets))
            await socket.sockets[0].close()
            kite.on("GET", "/orders", success([reply(**FILLED)]))
            (told,) = await next_of(broker.order_updates)
            await until(lambda: len(socket.asked) > 1)
    assert told.state is OrderState.FILLED


async def test_a_reader_that_was_away_gets_the_latest_of_each_order() -> None:
    """What waits is bounded by the orders: later statements stand for earlier ones, in the order of what happened."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        updates = broker.order_updates
        for data in (reply("1"), reply("2"), reply("1", filled_quantity=3), reply("1", **FILLED)):
            updates.hear(msgspec.json.encode(data), at=1)
        told = await next_of(updates)
    assert [(order.broker_order_id, order.filled) for order in told] == [("2", 0), ("1", 10)]


async def test_an_unknown_outcome_is_looked_up_at_once() -> None:
    """The next look is an hour away; asked for, it comes now."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        await until(lambda: broker.order_updates.polled_at > 0)
        kite.on("GET", "/orders", success([reply()]))
        broker.order_updates.look_now()
        (told,) = await next_of(broker.order_updates)
    assert told.broker_order_id == "1"


async def test_polling_goes_on_through_failures() -> None:
    """A dead token, a 5xx and nonsense are waited through."""
    async with scripted_kite() as kite:
        kite.on("GET", "/orders", failure("TokenException", "dead", 403))
        async with account_at(kite, poll_seconds=0.01) as broker:
            for answer in (failure("DataException", "?", 502), success([{"order_id": 1}]), success("?")):
                seen = len(kite.arrived)
                kite.on("GET", "/orders", answer)
                await until(lambda seen=seen: len(kite.arrived) > seen + 1)
            assert broker.order_updates.polled_at == 0
            kite.on("GET", "/orders", success([reply()]))
            (told,) = await next_of(broker.order_updates)
    assert told.broker_order_id == "1"


@pytest.mark.parametrize(
    "damage",
    [{"checksum": "0" * 64}, {"checksum": ""}, {"checksum": "é"}, {"order_id": "2"},
     {"order_timestamp": "2023-11-15 12:00:01"}],
)  # fmt: skip
async def test_a_forged_postback_changes_nothing(damage: dict[str, str]) -> None:
    """Only who knows the secret can say what became of an order."""
    genuine = reply(**FILLED)
    genuine["checksum"] = hashlib.sha256(f"1{genuine['order_timestamp']}{SECRET}".encode()).hexdigest()
    async with scripted_kite() as kite, account_at(kite) as broker:
        updates = broker.order_updates
        with pytest.raises(InputRefused, match="checksum is wrong"):
            updates.postback(msgspec.json.encode(genuine | damage))
        assert updates.postback(msgspec.json.encode(genuine)).state is OrderState.FILLED
        assert [order.filled for order in await next_of(updates)] == [10]


async def test_without_a_secret_no_postback_is_believed() -> None:
    """The checksum of an empty secret is one that anybody can make."""
    body = reply()
    body["checksum"] = hashlib.sha256(f"1{body['order_timestamp']}".encode()).hexdigest()
    async with scripted_kite() as kite, account_at(kite, api_secret="") as broker:
        with pytest.raises(InputRefused, match="checksum is wrong"):
            broker.order_updates.postback(msgspec.json.encode(body))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"order_id":"1"}', b"[" * 100_000])
async def test_damaged_messages_are_told_as_damage(body: bytes) -> None:
    """Neither a push nor a postback that cannot be read goes further."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        with pytest.raises(DecodeError):
            broker.order_updates.postback(body)
        with pytest.raises(DecodeError):
            broker.order_updates.hear(body, at=1)


async def test_a_damaged_push_makes_us_look_into_the_book() -> None:
    """What the socket could not tell, the book does."""
    async with (
        scripted_kite() as kite,
        pushing_kite() as socket,
        account_at(kite, socket_root=socket.root, socket=WATCHED) as broker,
    ):
        await until(lambda: bool(socket.sockets) and broker.order_updates.polled_at > 0)
        kite.on("GET", "/orders", success([reply()]))
        await socket.push({"type": "order", "data": {"order_id": 5}})
        (told,) = await next_of(broker.order_updates)
    assert told.broker_order_id == "1"


async def test_stopping_lets_the_reader_go() -> None:
    """A reader that waits gets an empty list when the updates stop."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        reading = asyncio.create_task(next_of(broker.order_updates))
        await asyncio.sleep(0)
        await broker.close()
        assert await reading == []


async def test_a_failure_that_cannot_be_waited_for_reaches_the_reader() -> None:
    """A session file that others may read is told to whoever reads."""
    async with scripted_kite() as kite, account_at(kite) as broker:

        async def refuse() -> list[BrokerOrder]:
            raise Misconfigured("chmod 600 it")

        updates = KiteOrderUpdates(broker._settings, broker._market._clock, broker.session.credentials, refuse)
        await updates.start()
        with pytest.raises(Misconfigured, match="chmod 600"):
            await next_of(updates)
        await updates.stop()
