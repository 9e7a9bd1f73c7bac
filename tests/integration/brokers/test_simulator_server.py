"""The simulated exchange on a real socket: subscriptions, the desk, slow and returning clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import aiohttp
import pytest

from niftyflow.brokers.kite.wire import decode_packets
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.tape import MINUTE, SECOND
from niftyflow.model import Misconfigured
from support.simulator import OPENS, PATIENCE_SECONDS, SmallTape, Wire, desk, every


@contextlib.asynccontextmanager
async def serving(tape, **options):
    """Serve a tape in this process and yield the server."""
    server = SimulatorServer(Playback(tape), **options)
    await server.start()
    running = asyncio.ensure_future(server.run())
    try:
        yield server
    finally:
        server.request_stop()
        await asyncio.wait_for(running, PATIENCE_SECONDS)


def tokens(server: SimulatorServer) -> list[int]:
    """Return the tokens of the tape, in its order."""
    return [int(each.token) for each in server.playback.source.instruments]


def tape(**options) -> SmallTape:
    """Return two minutes of ten events a second, of two shares and an index."""
    return SmallTape(
        every(100, 1200, places=3), symbols=("INFY", "SBIN", "NIFTY 50"), indices=("NIFTY 50",), **options
    )  # fmt: skip


async def test_a_reader_gets_every_tick_once_each_second_closed_and_the_end():
    """At unlimited speed the playback waits for its first reader, so nothing is missed."""
    async with serving(tape(), speed=float("inf")) as server, Wire.connect(server.url) as wire:
        await asyncio.sleep(0.1)
        assert server.is_waiting
        await wire.full(tokens(server))
        end = await wire.until("end")
        packets = decode_packets(wire.frames).packets
        assert len(packets) == 1200
        assert set(packets["length"].tolist()) == {32, 184}
        assert sorted(packets["volume"][packets["length"] == 184].tolist()) == [e + 1 for e in range(1200) if e % 3 < 2]
        assert [each["data"]["time"] for each in wire.texts] == list(range(OPENS, OPENS + 2 * MINUTE + 1, SECOND))
        assert end["data"]["time"] == OPENS + 2 * MINUTE


async def test_a_second_is_closed_only_after_its_ticks():
    """The order on the socket is the order of the exchange."""
    async with serving(tape(), speed=float("inf")) as server, Wire.connect(server.url) as wire:
        await wire.full(tokens(server))
        await wire.until("end")
        reached = 0
        for heard in wire.heard:
            if isinstance(heard, bytes):
                full = decode_packets([heard]).packets
                stamps = full["timestamp"].astype("int64") * 1000
                assert (stamps >= reached).all()
                assert (stamps < reached + SECOND).all()
            elif heard["type"] == "clock":
                reached = heard["data"]["time"]


async def test_subscribe_alone_is_quote_mode_and_modes_are_by_token():
    """As Kite does; an index has its own packet lengths."""
    async with serving(tape(), speed=20, waits=False) as server, Wire.connect(server.url) as wire:
        infy, sbin, nifty = tokens(server)
        await asyncio.sleep(0.1)
        await wire.ask("subscribe", [infy, sbin, nifty])
        first = await wire.until_packets(3)
        assert sorted(first.packets["length"][:3].tolist()) == [28, 44, 44]
        await wire.ask("mode", ["ltp", [infy]])
        await wire.ask("mode", ["full", [sbin, nifty]])
        await asyncio.sleep(0.2)
        wire.frames.clear()
        await wire.until_packets(60)
        later = decode_packets(wire.frames).packets[-30:]
        assert {int(each["token"]): int(each["length"]) for each in later} == {infy: 8, sbin: 184, nifty: 32}
        await wire.ask("unsubscribe", [infy])
        await asyncio.sleep(0.2)
        wire.frames.clear()
        await wire.until_packets(60)
        assert {int(each["token"]) for each in decode_packets(wire.frames).packets[-30:]} == {sbin, nifty}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "cannot be read"),
        ('{"a":"dance","v":[1]}', "no such request"),
        ('{"a":"mode","v":["loud",[1]]}', "cannot be read"),
        ('{"a":"subscribe","v":[12345]}', "1 unknown instrument tokens, the first is 12345"),
        ('{"a":"subscribe","v":[-1]}', "unknown instrument tokens"),
        ('{"a":"subscribe","v":"all"}', "cannot be read"),
    ],
)
async def test_a_bad_request_is_answered_with_an_error_and_the_socket_lives(text, says):
    """Kite's error message, and the next request works."""
    async with serving(tape(), speed=1, waits=True) as server, Wire.connect(server.url) as wire:
        await wire.socket.send_str(text)
        error = await wire.until("error")
        assert says in error["data"]
        await wire.ask("mode", ["full", tokens(server)[:1]])
        assert "not subscribed" in (await wire.until("error"))["data"]
        await wire.ask("subscribe", tokens(server))
        await wire.until("clock")


async def test_an_idle_socket_hears_a_heartbeat_each_second():
    """One byte, which Kite's clients ignore; also while paused."""
    async with serving(tape(), speed=1, waits=True) as server, Wire.connect(server.url) as wire:
        while not wire.heartbeats:
            await wire.hear()
        assert not wire.frames


async def test_the_desk_pauses_resumes_seeks_and_changes_speed():
    """Each answer tells where the session stands."""
    async with serving(tape(), speed=1, waits=False) as server, Wire.connect(server.url) as wire:
        await wire.full(tokens(server))
        paused = (await desk(server.url, "/sim/pause"))["data"]
        assert paused["paused"]
        await asyncio.sleep(0.2)
        assert (await desk(server.url, "/sim/status", post=False))["data"]["time"] == paused["time"]
        sought = (await desk(server.url, "/sim/seek", {"time": OPENS + 60_000}))["data"]
        assert sought["time"] == OPENS + 60_000
        back = (await desk(server.url, "/sim/seek", {"time": "09:15:30"}))["data"]
        assert back["time"] == OPENS + 30_000
        wire.texts.clear()
        await desk(server.url, "/sim/speed", {"speed": "50x"})
        running = (await desk(server.url, "/sim/resume"))["data"]
        assert (running["speed"], running["paused"]) == (50, False)
        clock = await wire.until("clock")
        assert OPENS + 30_000 <= clock["data"]["time"] <= OPENS + 40_000
        await desk(server.url, "/sim/speed", {"speed": 0})
        assert (await wire.until("end"))["data"]["time"] == OPENS + 2 * MINUTE
        status = (await desk(server.url, "/sim/status", post=False))["data"]
        assert (status["finished"], status["clients"], status["subscriptions"]) == (True, 1, [3])
        await desk(server.url, "/sim/seek", {"time": OPENS + 100_000})
        await wire.until("end")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sim/seek", {"time": "soon"}),
        ("/sim/seek", {}),
        ("/sim/seek", {"time": 1, "more": 2}),
        ("/sim/speed", {"speed": 0.01}),
        ("/sim/speed", {"speed": "fast"}),
        ("/sim/speed", [1]),
    ],
)
async def test_what_the_desk_does_not_understand_changes_nothing(path, body):
    """Answered as Kite answers bad input."""
    async with serving(tape(), speed=1, waits=True) as server:
        before = await desk(server.url, "/sim/status", post=False)
        answer = await desk(server.url, path, body)
        assert (answer["status"], answer["error_type"]) == ("error", "InputException")
        assert await desk(server.url, "/sim/status", post=False) == before


async def test_the_instruments_file_and_a_hint_for_lost_visitors():
    """The file is as Kite's REST serves it; any other path without an upgrade says where to go."""
    async with serving(tape(), speed=1, waits=True) as server, aiohttp.ClientSession() as http:
        base = server.url.replace("ws://", "http://")
        async with http.get(f"{base}/instruments") as answer:
            lines = (await answer.text()).splitlines()
        assert len(lines) == 4
        async with http.get(f"{base}/instruments/BSE") as answer:
            assert len((await answer.text()).splitlines()) == 1
        async with http.get(f"{base}/instruments/MOON") as answer:
            assert answer.status == 404
        async with http.get(f"{base}/") as answer:
            assert answer.status == 404
            assert "/sim/status" in await answer.text()


async def test_a_client_that_returns_is_not_rewound_and_gets_the_last_state():
    """The session went on without it; its old subscriptions are gone."""
    async with serving(tape(), speed=30, waits=False) as server:
        async with Wire.connect(server.url) as wire:
            await wire.full(tokens(server))
            await wire.until_packets(90)
        left_at = server.playback.position
        await asyncio.sleep(0.5)
        assert server.playback.position > left_at + 10 * SECOND
        await desk(server.url, "/sim/pause")
        async with Wire.connect(server.url) as wire:
            await wire.full(tokens(server))
            snapshots = (await wire.until_packets(6)).packets
            assert snapshots["length"].tolist() == [44, 44, 28, 184, 184, 32]
            assert snapshots["token"].tolist() == tokens(server) * 2
            assert snapshots["volume"].max() > (left_at - OPENS) / 100
            await desk(server.url, "/sim/seek", {"time": OPENS + 110_000})
            sought = (await wire.until_packets(9)).packets[6:]
            assert sought["volume"].max() == 1100
            await desk(server.url, "/sim/resume")
            clock = await wire.until("clock")
            assert clock["data"]["time"] > left_at + 10 * SECOND


async def test_two_clients_hear_the_same_session():
    """One that wants less hears less, at the same time."""
    async with (
        serving(tape(), speed=40, waits=True) as server,
        Wire.connect(server.url) as one,
        Wire.connect(server.url) as two,
    ):
        await one.full(tokens(server))
        await two.full(tokens(server)[:1])
        await asyncio.gather(one.until("end"), two.until("end"))
        mine = [
            int(each["volume"]) for each in decode_packets(one.frames).packets if each["token"] == tokens(server)[0]
        ]
        theirs = decode_packets(two.frames).packets
        assert theirs["volume"].tolist() == mine
        assert len(mine) == 400


async def test_a_client_that_does_not_read_is_disconnected_and_the_others_stay():
    """At a limited speed nobody waits for it: past the bound of unsent bytes it is told why and cut."""
    session = SyntheticSession(((OPENS, OPENS + 30 * MINUTE),), symbols=50)
    async with (
        serving(session, speed=600, waits=True, send_buffer_bytes=1 << 20) as server,
        Wire.connect(server.url) as reader,
    ):
        sleeper, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), limit=1024)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        await sleeper.readuntil(b"\r\n\r\n")
        for message in (f'{{"a":"{action}","v":{value}}}' for action, value in (
            ("subscribe", tokens(server)), ("mode", f'["full",{tokens(server)}]'),
        )):  # fmt: skip
            data = message.encode()
            writer.write(bytes((0x81, 0x80 | 126)) + len(data).to_bytes(2, "big") + bytes(4) + data)
        await reader.full(tokens(server)[:2])
        await reader.until("end")
        assert len(server.clients) == 1
        assert len(decode_packets(reader.frames).packets) > 2000
        writer.transport.abort()


async def test_a_taken_port_is_one_line_that_says_what_to_do():
    """So is an address that is not this machine's."""
    async with serving(tape(), speed=1, waits=True) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(Misconfigured, match=f"port {port} on 127.0.0.1 is taken; .*0: any free one"):
            await SimulatorServer(Playback(tape()), port=port).start()
    with pytest.raises(Misconfigured, match="choose an address of this machine"):
        await SimulatorServer(Playback(tape()), host="203.0.113.1").start()


async def test_shutdown_says_goodbye():
    """The close code tells a client that the server goes, not that it did wrong."""
    async with serving(tape(), speed=1, waits=True) as server, Wire.connect(server.url) as wire:
        await desk(server.url, "/sim/shutdown")
        while await wire.hear():
            pass
        assert wire.socket.close_code == 1001
