"""The simulated broker beyond one client: limits, arrivals, postbacks, sockets that need a login, several days."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import date
from decimal import Decimal

import aiohttp
import pytest
import requests
from aiohttp import web
from kiteconnect import exceptions

from niftyflow.brokers.matching import MatchingSettings
from niftyflow.brokers.simulator.accounts import Account, Accounts
from niftyflow.brokers.simulator.broker import Broker
from niftyflow.brokers.simulator.order_parameters import parse_order
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.synthetic_days import SyntheticDays
from niftyflow.brokers.simulator.tape import DAY, MINUTE
from support.simulated_broker import (
    ACCOUNT,
    PATIENCE_SECONDS,
    SECRET,
    ask,
    buy,
    official_client,
    order_in,
    root_of,
    serving,
)
from support.simulator import OPENS, Wire, desk, sim_process

SYMBOL = "HDFCBANK"
OTHER = Account(user_id="CD5678", api_key="key2", api_secret=SECRET)


async def test_a_call_over_the_limit_is_answered_with_429_and_other_accounts_are_not():
    """One quote a second for each account."""
    async with (
        serving(accounts=[ACCOUNT, OTHER], has_rate_limits=True) as server,
        official_client(server) as kite,
        official_client(server, OTHER) as other,
    ):
        key = f"NSE:{SYMBOL}"
        refusals: list[int] = []
        for _ in range(4):
            try:
                await ask(kite.ltp, key)
            except exceptions.NetworkException as refused:
                refusals.append(refused.code)
        assert refusals
        assert set(refusals) == {429}
        assert key in await ask(other.ltp, key)


async def test_the_arrival_log_names_every_call_its_order_and_its_outcome(tmp_path):
    """In memory, at the desk and in a file; the desk's own routes are not in it."""
    file = tmp_path / "arrivals.jsonl"
    async with serving(arrivals_file=file) as server, official_client(server) as kite:
        order_id = await buy(kite, SYMBOL, tag="mine")
        with pytest.raises(exceptions.InputException):
            await ask(kite.cancel_order, "regular", "1")
        told = (await desk(server.url, "/sim/arrivals", post=False))["data"]
        lines = told["arrivals"]
        assert told["arrived"] == len(lines)
        assert [each["number"] for each in lines] == list(range(1, len(lines) + 1))
        placed = next(each for each in lines if each["route"] == "/orders/regular")
        assert (placed["account"], placed["method"], placed["group"]) == ("AB1234", "POST", "orders")
        assert (placed["order_id"], placed["tag"], placed["status"]) == (order_id, "mine", 200)
        assert OPENS < placed["session_at"] < OPENS + 30 * MINUTE
        assert (lines[-1]["status"], lines[-1]["outcome"].split(":")[0]) == (400, "InputException")
        newer = (await desk(server.url, f"/sim/arrivals?since={placed['number']}&account=AB1234", post=False))["data"]
        assert [each["number"] for each in newer["arrivals"]] == [placed["number"] + 1]
        written = [json.loads(line) for line in file.read_text().splitlines()]
        assert [each["number"] for each in written] == [each["number"] for each in lines]


async def test_updates_are_posted_back_signed_and_in_order():
    """An order that fills, and one that is cancelled: the checksum is that of Kite's documentation."""
    came: list[dict[str, object]] = []

    async def take(request: web.Request) -> web.Response:
        came.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/postback", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/postback"
    account = Account(user_id="AB1234", api_key="key1", api_secret=SECRET, postback_url=url)
    try:
        async with serving(accounts=[account]) as server, official_client(server, account) as kite:
            filled = await buy(kite, SYMBOL)
            await order_in(kite, filled, "COMPLETE")
            waiting = await buy(kite, SYMBOL, factor=0.9)
            await order_in(kite, waiting, "OPEN")
            await ask(kite.cancel_order, "regular", waiting)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(came) < 2 or came[-1]["status"] != "CANCELLED":  # noqa: ASYNC110  another server takes them
                    await asyncio.sleep(0.02)
    finally:
        await runner.cleanup()
    assert {(each["order_id"], each["status"]) for each in came} >= {(filled, "COMPLETE"), (waiting, "CANCELLED")}
    for each in came:
        signed = f"{each['order_id']}{each['order_timestamp']}{SECRET}"
        assert each["checksum"] == hashlib.sha256(signed.encode()).hexdigest()


async def test_order_updates_reach_their_own_account_only():
    """Another account's socket hears ticks, and nothing of the order."""
    async with (
        serving(accounts=[ACCOUNT, OTHER]) as server,
        official_client(server) as kite,
        official_client(server, OTHER) as other,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{server.url}/?api_key=key1&access_token={kite.access_token}") as own_socket,
        http.ws_connect(f"{server.url}/?api_key=key2&access_token={other.access_token}") as other_socket,
    ):
        own, stranger = Wire(http, own_socket), Wire(http, other_socket)
        for each in (own, stranger):
            await each.full([int(one.token) for one in server.playback.source.instruments])
            await each.until_packets(1)
        order_id = await buy(kite, SYMBOL)
        update = await own.until("order")
        assert (update["data"]["order_id"], update["data"]["user_id"]) == (order_id, "AB1234")
        await order_in(kite, order_id, "COMPLETE")
        for _ in range(3):
            await stranger.until("clock")
        assert not [each for each in stranger.texts if each["type"] == "order"]
        assert await ask(other.orders) == []
        with pytest.raises(exceptions.InputException):
            await ask(other.order_history, order_id)


async def test_a_socket_needs_a_login_only_when_that_is_set():
    """Kite refuses the handshake with 403."""
    async with (
        serving(socket_needs_login=True) as server,
        official_client(server) as kite,
        aiohttp.ClientSession() as http,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{server.url}/?api_key=key1&access_token=stranger")
        assert refused.value.status == 403
        async with http.ws_connect(f"{server.url}/?api_key=key1&access_token={kite.access_token}") as socket:
            assert not socket.closed
    async with serving() as server, Wire.connect(server.url) as wire:
        assert not wire.socket.closed


async def test_the_login_page_goes_to_the_redirect_url_with_the_token():
    """What the client passed on comes back too, and a wrong key is refused."""
    account = Account(
        user_id="AB1234", api_key="key1", api_secret=SECRET, redirect_url="http://127.0.0.1:1/callback?mine=1"
    )  # fmt: skip
    async with serving(accounts=[account]) as server:
        page = f"{root_of(server)}/connect/login?v=3&api_key="

        def read(key: str) -> requests.Response:
            return requests.get(page + key, allow_redirects=False, timeout=PATIENCE_SECONDS)

        answer = await ask(read, "key1&redirect_params=state%3D7")
        assert answer.status_code == 302
        target = answer.headers["Location"]
        assert target.startswith("http://127.0.0.1:1/callback?mine=1&action=login")
        assert "request_token=" in target
        assert target.endswith("state=7")
        assert (await ask(read, "stranger")).status_code == 400


async def test_unknown_routes_and_unreadable_bodies_are_refused_in_kites_envelope():
    """Never a page of HTML."""
    async with serving() as server, official_client(server) as kite:
        answer = await ask(kite.reqsession.post, root_of(server) + "/nothing")
        assert (answer.status_code, answer.json()["error_type"]) == (404, "GeneralException")
        headers = {"Content-Type": "application/json", "Authorization": f"token {kite.api_key}:{kite.access_token}"}
        for body in (b"{", b'["\xff"]'):
            answer = await ask(kite.reqsession.post, root_of(server) + "/margins/orders", data=body, headers=headers)
            assert (answer.status_code, answer.json()["error_type"]) == (400, "InputException")


async def test_the_program_prints_its_accounts_and_takes_options(tmp_path):
    """An account, a fault and a file of arrivals, given on the command line."""
    file = tmp_path / "arrivals.jsonl"
    arguments = ("--account", f"user=ZZ0001,key=zkey,secret={SECRET},cash=5000", "--fault", "rate-storm:count=1")
    async with sim_process("--symbols", "2", "--no-rate-limits", "--arrivals", str(file), *arguments) as (url, process):
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode()
        assert line.strip() == f"account ZZ0001: api_key zkey, api_secret {SECRET}"
        accounts = (await desk(url, "/sim/accounts", post=False))["data"]
        assert [each["user_id"] for each in accounts] == ["ZZ0001"]
        login = url.replace("ws://", "http://") + "/connect/login?v=3&api_key=zkey"
        statuses = [(await ask(requests.get, login, timeout=PATIENCE_SECONDS)).status_code for _ in range(2)]
        assert statuses == [429, 200]
        assert len(file.read_text().splitlines()) == 2


def test_a_delivery_becomes_a_holding_the_next_day_and_the_order_book_is_empty():
    """Without a socket: the broker told the steps of two days."""
    parts = [
        (date(2026, 1, 5), [(OPENS, OPENS + 5 * MINUTE)]),
        (date(2026, 1, 6), [(OPENS + DAY, OPENS + DAY + MINUTE)]),
    ]
    playback = Playback(SyntheticDays(parts, seed=1))
    broker = Broker(playback.source, Accounts([ACCOUNT]), matching=MatchingSettings(latency_ms=0))
    playback.seek(OPENS + MINUTE)
    broker.wake(playback.everything(), playback.position)
    price = broker.price_of(f"NSE:{SYMBOL}") / 10_000 * 1.01
    form = {
        "exchange": "NSE", "tradingsymbol": SYMBOL, "transaction_type": "BUY", "quantity": "10", "product": "CNC",
        "order_type": "LIMIT", "price": str(round(round(price / 0.05) * 0.05, 2)),
    }  # fmt: skip
    record = broker.place(parse_order(form, "regular", "AB1234", broker.listings))
    assert record.status == "COMPLETE", record.last
    while playback.position < OPENS + DAY:
        step = playback.advance_block(500)
        broker.step(step.events, int(step.marks[-1]))
    step = playback.advance_block(500)
    broker.step(step.events, int(step.marks[-1]))
    ledger = broker.states["AB1234"].ledger
    (held,) = ledger.holdings.values()
    assert (held.quantity, held.unsettled) == (10, 10)
    assert ledger.opening_cash == 1_000_000 * 10_000 - held.value
    assert broker.orders.of_account("AB1234") == []
    assert broker.day == date(2026, 1, 6)
    sale = {**form, "transaction_type": "SELL", "price": str(round(round(price * 0.98 / 0.05) * 0.05, 2))}
    sold = broker.place(parse_order(sale, "regular", "AB1234", broker.listings))
    assert sold.status == "COMPLETE", sold.last
    assert held.used == 10
    assert Decimal(sold.order.order_id[:6]) == Decimal(260106)
