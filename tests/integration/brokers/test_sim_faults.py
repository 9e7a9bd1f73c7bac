"""Each fault of the simulated exchange, asked for by its name in mid-run, and what a client sees of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import requests
from kiteconnect import exceptions

from niftyflow.brokers.kite.wire import decode_packets
from niftyflow.brokers.simulator.faults import MEANINGS, FaultName, parse_fault
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.model import InvalidValue
from support.simulated_broker import ACCOUNT, PATIENCE_SECONDS, ask, buy, official_client, order_in, serving, until
from support.simulator import Wire, desk

SYMBOL = "HDFCBANK"


async def bring(server: SimulatorServer, fault: str) -> None:
    """Ask for a fault, and see to it that it has reached the sockets."""
    told = await desk(server.url, "/sim/faults", {"fault": fault})
    assert told["status"] == "success", told
    server.service.carry_out_faults()


async def over(server: SimulatorServer) -> None:
    """End every fault."""
    for each in server.front.faults:
        server.front.faults.end(each.number)
    server.service.carry_out_faults()


@contextlib.asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[SimulatorServer, Wire]]:
    """Yield a server and a client that hears every instrument."""
    async with serving(**options) as server, Wire.connect(server.url) as wire:
        await wire.full([int(each.token) for each in server.playback.source.instruments])
        await wire.until_packets(5)
        yield server, wire


async def heard_for(wire: Wire, seconds: float) -> int:
    """Return how many messages come in this time."""
    count = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                message = await wire.socket.receive()
                count += 1
                assert not message.type.name.startswith("CLOS")
    return count


def test_every_fault_has_a_meaning_and_can_be_written():
    """The desk lists what each name means."""
    assert set(MEANINGS) == set(FaultName)
    for name in FaultName:
        spec = parse_fault(f"{name}:seconds=5,count=3,size=2,after=1,account=AB1234,route=/orders")
        assert (spec.name, spec.seconds, spec.count, spec.route) == (name, 5, 3, "/orders")
    for wrong in ("earthquake", "cut:when=now", "slow-answers:seconds=soon", "rate-storm:count=-1"):
        with pytest.raises(InvalidValue):
            parse_fault(wrong)


async def test_a_silent_socket_sends_nothing_and_answers_pings():
    """Not even a heartbeat; when the fault is over, ticks go on."""
    async with listening() as (server, wire):
        await bring(server, "silent-socket")
        await heard_for(wire, 0.2)
        assert await heard_for(wire, 1.5) == 0
        await wire.socket.ping()
        await over(server)
        assert await wire.hear()


async def test_a_half_open_socket_reads_nothing_either():
    """A subscription sent into it is not seen until it is over."""
    async with listening() as (server, wire):
        await bring(server, "half-open")
        (client,) = server.clients
        await heard_for(wire, 0.2)
        await wire.ask("unsubscribe", [int(each.token) for each in server.playback.source.instruments])
        assert await heard_for(wire, 1.2) == 0
        assert client.modes.any()
        await over(server)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while client.modes.any():  # noqa: ASYNC110  the server takes it when it reads again
                await asyncio.sleep(0.02)


async def test_a_cut_ends_every_socket_without_a_goodbye_once():
    """A client that connects again is served."""
    async with listening() as (server, wire):
        await desk(server.url, "/sim/faults", {"fault": "cut"})
        while await wire.hear():
            pass
        assert wire.socket.close_code == 1006
        async with Wire.connect(server.url) as again:
            await again.full([int(server.playback.source.instruments[0].token)])
            await again.until_packets(2)


async def damage_of(fault: str) -> tuple[list[bytes], SimulatorServer]:
    """Return the frames that come while a fault is in force."""
    async with listening(speed=20) as (server, wire):
        await bring(server, fault)
        await heard_for(wire, 0.2)
        wire.frames.clear()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(wire.frames) < 80:
                await wire.hear()
        return wire.frames, server


async def test_joined_frames_hold_bytes_after_the_last_packet():
    """Two messages in one: the count at the front is that of the first only."""
    frames, _ = await damage_of("joined-frames")
    assert all(decode_packets([frame]).damage for frame in frames)


async def test_truncated_frames_end_within_a_packet():
    """The decoder says so, and takes what is whole."""
    frames, _ = await damage_of("truncated-frames")
    assert all(decode_packets([frame]).damage for frame in frames)


async def test_duplicated_ticks_come_twice():
    """Byte for byte the same frame again."""
    frames, _ = await damage_of("duplicated-ticks")
    pairs = [one == other for one, other in pairwise(frames)]
    assert sum(pairs) >= len(frames) // 2 - 1


async def test_reordered_ticks_step_back_in_volume_or_time():
    """Each two frames have changed places."""
    frames, _ = await damage_of("reordered-ticks:count=1000")
    packets = decode_packets(frames).packets
    assert not decode_packets(frames).damage
    has_stepped_back = False
    for token in set(packets["token"].tolist()):
        stamps = packets["timestamp"][packets["token"] == token].astype("int64")
        has_stepped_back |= bool((stamps[1:] < stamps[:-1]).any())
    arrival = packets["timestamp"].astype("int64")
    assert has_stepped_back or bool((arrival[1:] < arrival[:-1]).any())


async def test_token_expiry_ends_the_session_and_a_new_login_works():
    """The next call is a TokenException."""
    async with serving() as server, official_client(server) as kite:
        await bring(server, "token-expiry")
        with pytest.raises(exceptions.TokenException):
            await ask(kite.profile)
        async with official_client(server) as again:
            assert (await ask(again.profile))["user_id"] == ACCOUNT.user_id


async def test_a_rate_storm_answers_429_so_often_as_asked():
    """Three calls are refused though no limit is passed, the fourth is answered."""
    async with serving() as server, official_client(server) as kite:
        await bring(server, "rate-storm:count=3")
        for _ in range(3):
            with pytest.raises(exceptions.NetworkException) as refused:
                await ask(kite.profile)
            assert refused.value.code == 429
        assert (await ask(kite.profile))["user_id"] == ACCOUNT.user_id


async def test_an_error_after_an_order_leaves_the_order_in_the_book():
    """The client is told 502, and only the book knows that the order is there, by its tag."""
    async with serving() as server, official_client(server) as kite:
        await bring(server, "error-after-order:count=1")
        with pytest.raises(exceptions.DataException) as refused:
            await buy(kite, SYMBOL, tag="lost")
        assert refused.value.code == 502
        orders = await until(kite.orders, lambda all_: all_ and all_[0]["status"] == "COMPLETE", "filled")
        assert [each["tag"] for each in orders] == ["lost"]


async def test_a_cut_after_an_order_leaves_the_order_in_the_book():
    """No answer at all comes back; the arrival log knows why."""
    async with serving() as server, official_client(server) as kite:
        await bring(server, "cut-after-order:count=1")
        with pytest.raises(requests.ConnectionError):
            await buy(kite, SYMBOL, tag="cut")
        (order,) = await ask(kite.orders)
        assert order["tag"] == "cut"
        (line,) = [each for each in server.front.arrivals if each.fault]
        assert (line.fault, line.tag, line.order_id) == ("cut-after-order", "cut", order["order_id"])


async def test_an_error_before_an_order_leaves_none():
    """The client is told 503, and may send it again."""
    async with serving() as server, official_client(server) as kite:
        await bring(server, "error-before-order:count=1")
        with pytest.raises(exceptions.NetworkException) as refused:
            await buy(kite, SYMBOL)
        assert refused.value.code == 503
        assert await ask(kite.orders) == []
        await order_in(kite, await buy(kite, SYMBOL), "COMPLETE")


async def test_slow_answers_come_late_on_the_route_asked_for():
    """Half a second, for margins only."""
    async with serving() as server, official_client(server) as kite:
        await bring(server, "slow-answers:size=0.5,route=/user/margins")
        await ask(kite.margins)
        await ask(kite.profile)
        took = {each.route: each.took_ms for each in server.front.arrivals}
        assert took["/user/margins"] >= 500
        faults = {each.route: each.fault for each in server.front.arrivals}
        assert (faults["/user/margins"], faults["/user/profile"]) == ("slow-answers", "")


async def test_an_exchange_halt_rejects_orders_and_sends_no_ticks():
    """What stands stays; when it is over, orders are taken and ticks go on."""
    async with listening() as (server, wire), official_client(server) as kite:
        await bring(server, "exchange-halt")
        order_id = await buy(kite, SYMBOL)
        assert (await order_in(kite, order_id, "REJECTED"))["status_message"]
        await heard_for(wire, 0.2)
        wire.frames.clear()
        for _ in range(3):
            await wire.until("clock")
        assert not wire.frames
        await over(server)
        await order_in(kite, await buy(kite, SYMBOL), "COMPLETE")
        wire.frames.clear()
        await wire.until_packets(2)


async def test_a_wrong_clock_shows_in_orders_and_quotes():
    """An hour ahead; the session itself is where it was."""
    async with serving() as server, official_client(server) as kite:
        await bring(server, "wrong-clock:size=3600")
        order_id = await buy(kite, SYMBOL)
        order = await order_in(kite, order_id, "COMPLETE")
        assert order["order_timestamp"].hour == 10
        assert (await ask(kite.quote, f"NSE:{SYMBOL}"))[f"NSE:{SYMBOL}"]["timestamp"].hour == 10
        await over(server)
        assert (await ask(kite.orders))[0]["order_timestamp"].hour == 9


async def test_faults_are_listed_and_ended_by_number_and_wrong_ones_refused():
    """The desk says what stands and what can be asked for."""
    async with serving() as server:
        await bring(server, "rate-storm:seconds=100")
        told = (await desk(server.url, "/sim/faults", post=False))["data"]
        assert [each["fault"] for each in told["standing"]] == ["rate-storm"]
        assert set(told["known"]) == set(FaultName)
        assert (await desk(server.url, "/sim/faults", {"fault": "earthquake"}))["status"] == "error"
        assert (await desk(server.url, "/sim/faults", {"name": "cut"}))["status"] == "error"
        number = told["standing"][0]["number"]
        address = server.url.replace("ws://", "http://") + f"/sim/faults/{number}"
        answer = await asyncio.to_thread(requests.delete, address, timeout=PATIENCE_SECONDS)
        assert answer.json()["data"]["standing"] == []
