"""The Kite feed over a real socket: how it connects, watches, gives up and comes back."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from niftyflow.brokers.connection import Address, ConnectionSettings, SupervisedConnection, is_login_needed
from niftyflow.brokers.inbox import Inbox
from niftyflow.brokers.kite.feed import KiteFeed
from niftyflow.brokers.port import FeedDown, FeedUp
from niftyflow.kit import metrics
from niftyflow.kit.clock import WallClock
from niftyflow.model import Misconfigured, Refused, TickBatch, Unavailable
from support.kite_feeds import SECRET, TOKENS, feeding, has, kinds, prices, read_until, shares, short_settings
from support.kite_server import KiteServer, Peer


async def serve(peer: Peer) -> None:
    """Send one tick when the first token is subscribed and stay."""
    await peer.subscribed(1)
    await peer.ticks(TOKENS[0], ltp=10_000 + peer.number)
    await peer.until_left()


async def cut_after_a_tick(peer: Peer) -> None:
    """Send one tick and cut the line."""
    await peer.subscribed(1)
    await peer.ticks(TOKENS[0], ltp=10_000 + peer.number)
    peer.cut()


async def test_it_subscribes_in_chunks_in_full_mode_with_its_credentials() -> None:
    """Each chunk is subscribed and set to full; key, token and version go where Kite wants them."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(5)
        await peer.ticks(*TOKENS)
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server, *TOKENS, subscribe_chunk=2) as feed:
        events = await read_until(feed, has(TickBatch))
        (peer,) = server.peers
    assert kinds(events) == ["FeedUp", "TickBatch"]
    assert [(each.action, list(each.tokens)) for each in peer.requests] == [
        (action, chunk) for chunk in (TOKENS[:2], TOKENS[2:4], TOKENS[4:]) for action in ("subscribe", "mode")
    ]
    assert dict(peer.http.query) == {"api_key": "key", "access_token": SECRET}
    assert peer.http.headers["X-Kite-Version"] == "3"


async def test_it_is_up_only_with_the_first_data_and_not_with_heartbeats() -> None:
    """A connect, a subscription and heartbeats are not data."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        for _ in range(3):
            await peer.socket.send_bytes(b"\0")
        await peer.socket.send_str('{"type":"order","data":{}}')
        await peer.ticks(TOKENS[0])
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server) as feed:
        events = await read_until(feed, has(TickBatch))
    assert kinds(events) == ["FeedText", "FeedUp", "TickBatch"]


async def test_a_silent_socket_is_given_up_and_made_again() -> None:
    """Pongs alone do not count: without any frame the socket is closed and a new one is subscribed."""
    async with KiteServer(serve) as server, feeding(server, stale_after_seconds=0.15) as feed:
        events = await read_until(feed, has(TickBatch, 2))
        assert len(server.peers) == 2
        assert [each.action for each in server.peers[1].requests] == ["subscribe", "mode"]
    assert kinds(events) == ["FeedUp", "TickBatch", "FeedDown", "FeedUp", "TickBatch"]
    assert events[2].reason.startswith("silent")
    assert prices(events) == [100.0, 100.01]


async def test_heartbeats_keep_a_quiet_socket() -> None:
    """A market without trades still beats: the socket stays."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        for _ in range(8):
            await asyncio.sleep(0.05)
            await peer.socket.send_bytes(b"\0")
        await peer.ticks(TOKENS[0])
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server, stale_after_seconds=0.3) as feed:
        events = await read_until(feed, has(TickBatch))
        assert server.attempts == 1
    assert kinds(events) == ["FeedUp", "TickBatch"]


async def test_a_half_open_socket_is_found_by_its_missing_pong() -> None:
    """A server that neither reads nor answers is left after the pong's time-out."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        await peer.ticks(TOKENS[0])
        await server.hang()

    async with KiteServer(script, serve) as server, feeding(server, pong_timeout_seconds=0.15) as feed:
        events = await read_until(feed, has(TickBatch, 2))
    assert kinds(events) == ["FeedUp", "TickBatch", "FeedDown", "FeedUp", "TickBatch"]
    assert events[2].reason.startswith("no_pong")


async def test_a_server_that_stops_reading_is_left_when_a_message_is_stuck() -> None:
    """Sending has a time-out too."""

    async def script(peer: Peer) -> None:
        await server.hang()

    async with (
        KiteServer(script) as server,
        feeding(
            server, *range(256, 256 * 3001, 256), send_timeout_seconds=0.1, resubscribe_after_seconds=0.0001
        ) as feed,
    ):
        events = await read_until(feed, has(FeedDown))
    assert events[0].reason.startswith("send_stuck")


async def test_a_cut_line_is_one_gap_from_the_last_frame_to_the_first_new_one() -> None:
    """The gap's times are those of our clock at the last frame before and the first data after."""
    times = iter(range(100, 10_000, 100))

    class Counting:
        def now(self) -> int:
            return next(times)

    async with KiteServer(cut_after_a_tick, serve) as server, feeding(server, clock=Counting()) as feed:
        events = await read_until(feed, has(TickBatch, 2))
    up, first, down, up_again, second = events
    assert up.at == first.received[0] == down.at
    assert down.at < up_again.at == second.received[0]
    assert down.reason.startswith("closed")


async def test_a_new_socket_is_not_blamed_for_the_outage_before_it() -> None:
    """Silence is counted from the new connection, however long the outage was."""

    async def slow_start(peer: Peer) -> None:
        await peer.subscribed(1)
        await asyncio.sleep(0.1)
        await peer.ticks(TOKENS[0])
        await peer.until_left()

    async with (
        KiteServer(cut_after_a_tick, slow_start) as server,
        feeding(server, stale_after_seconds=0.25, retry_first_seconds=0.6, retry_longest_seconds=0.6) as feed,
    ):
        events = await read_until(feed, has(TickBatch, 2))
        assert server.attempts == 2
    assert kinds(events) == ["FeedUp", "TickBatch", "FeedDown", "FeedUp", "TickBatch"]


async def test_tries_go_on_while_the_broker_is_away_and_tell_it_once() -> None:
    """One FeedDown for the outage, however many tries fail, and one FeedUp when it is over."""
    async with KiteServer(cut_after_a_tick, serve) as server, feeding(server) as feed:
        server.statuses = [500, 502, 503, 302]
        with capture_logs() as logs:
            events = await read_until(feed, has(TickBatch, 1))
    assert server.attempts == 5
    assert kinds(events) == ["FeedDown", "FeedUp", "TickBatch"]
    assert events[0].reason == "handshake_refused: HTTP 500"
    assert [entry["reason"] for entry in logs if entry["event"] == "feed_lost"][3].endswith("elsewhere")


async def test_refused_credentials_are_named_and_tried_slowly_until_a_new_token_comes() -> None:
    """HTTP 403 is told as such even within an outage; the next try asks for the token of that moment."""
    tokens = iter(["old", "old", "new", "new"])

    async def credentials() -> SecretStr:
        return SecretStr(next(tokens))

    async with KiteServer(cut_after_a_tick, serve) as server, feeding(server, credentials=credentials) as feed:
        await read_until(feed, has(TickBatch))
        server.statuses = [403]
        started = time.monotonic()
        events = await read_until(feed, has(TickBatch))
        waited = time.monotonic() - started
        assert server.peers[-1].http.query["access_token"] == "new"
    downs = [event for event in events if isinstance(event, FeedDown)]
    assert [is_login_needed(down.reason) for down in downs] == [False, True]
    assert downs[0].at == downs[1].at
    assert waited >= 0.1


async def test_credentials_that_cannot_be_had_now_are_waited_for() -> None:
    """A login service that is away is an outage, not an end."""
    answers = iter([Unavailable("login", "it restarts"), SecretStr("t")])

    async def credentials() -> SecretStr:
        answer = next(answers)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async with KiteServer(serve) as server, feeding(server, credentials=credentials) as feed:
        events = await read_until(feed, has(TickBatch))
    assert kinds(events) == ["FeedDown", "FeedUp", "TickBatch"]
    assert "it restarts" in events[0].reason


async def test_an_unreachable_broker_is_told_and_the_secret_never() -> None:
    """No log line, reason or error of a failing connection holds the access token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    feed = KiteFeed(short_settings(f"ws://127.0.0.1:{port}"), WallClock())
    with capture_logs() as logs:
        await feed.start(shares(TOKENS[0]))
        events = await read_until(feed, has(FeedDown))
        await feed.stop()
        async with KiteServer(serve) as server, feeding(server) as feed:
            server.statuses = [403]
            events += await read_until(feed, has(FeedDown))
    assert events[0].reason.startswith("unreachable")
    assert SECRET not in repr(logs) + repr(events) + repr(short_settings("wss://ws.kite.trade"))


async def test_a_mute_broker_is_asked_again_on_the_same_socket() -> None:
    """A subscription taken before the broker was ready is repeated; the socket stays."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        await peer.subscribed(1)
        await peer.ticks(TOKENS[0])
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server, resubscribe_after_seconds=0.05) as feed:
        events = await read_until(feed, has(TickBatch))
        assert server.attempts == 1
    assert kinds(events) == ["FeedUp", "TickBatch"]


async def test_an_enormous_frame_is_refused_by_its_claim_and_the_feed_comes_back() -> None:
    """A frame that claims a terabyte is never waited for: malformed, reconnect, ticks."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        await peer.ticks(TOKENS[0])
        peer.raw(b"\x82\x7f" + (1 << 40).to_bytes(8, "big") + b"x" * 1000)
        await peer.until_left()

    async with KiteServer(script, serve) as server, feeding(server) as feed:
        events = await read_until(feed, has(TickBatch, 2))
    assert kinds(events) == ["FeedUp", "TickBatch", "Malformed", "FeedDown", "FeedUp", "TickBatch"]
    assert events[3].reason.startswith("malformed")


async def test_rubbish_below_the_websocket_layer_is_survived() -> None:
    """Bytes that are no WebSocket frame, and text that is no UTF-8, cost the socket but not the feed."""

    async def rubbish(peer: Peer) -> None:
        await peer.subscribed(1)
        peer.raw(b"\xff\xff\xff\xff rubbish")
        await peer.until_left()

    async def no_text(peer: Peer) -> None:
        await peer.subscribed(1)
        peer.raw(b"\x81\x02\xff\xfe")
        await peer.until_left()

    async with KiteServer(rubbish, no_text, serve) as server, feeding(server) as feed:
        events = await read_until(feed, has(TickBatch))
    assert kinds(events) == ["Malformed", "FeedDown", "Malformed", "FeedUp", "TickBatch"]


async def test_a_process_that_was_stopped_does_not_blame_the_broker() -> None:
    """After a pause of our own, longer than every limit, what waits in the socket is read and nothing is given up."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        await peer.ticks(TOKENS[0])
        await peer.until_left()

    async with (
        KiteServer(script) as server,
        feeding(server, stale_after_seconds=0.25, pong_timeout_seconds=0.25) as feed,
    ):
        await read_until(feed, has(TickBatch))
        time.sleep(0.6)  # noqa: ASYNC251 - the stop of the whole process is the test
        await asyncio.sleep(0.05)
        await server.peers[0].ticks(TOKENS[0], ltp=20_000)
        events = await read_until(feed, has(TickBatch))
        assert server.attempts == 1
    assert kinds(events) == ["TickBatch"]


async def test_a_clock_that_steps_back_disturbs_no_waiting() -> None:
    """Silence is found and mended by the monotonic clock while the wall clock jumps about."""

    class Jumping:
        times = iter([5_000, 9_000_000, 10, 8_000, 20, 7_000] * 100)

        def now(self) -> int:
            return next(self.times)

    async with KiteServer(serve) as server, feeding(server, stale_after_seconds=0.15, clock=Jumping()) as feed:
        events = await read_until(feed, has(TickBatch, 2))
    assert kinds(events) == ["FeedUp", "TickBatch", "FeedDown", "FeedUp", "TickBatch"]


async def test_the_brokers_own_ping_is_answered() -> None:
    """A server that pings gets its payload back."""
    answered = asyncio.Event()

    async def ping(peer: Peer) -> None:
        await peer.subscribed(1)
        await peer.socket.ping(b"hi")
        await peer.ticks(TOKENS[0])
        peer.socket._autoping = False
        while (message := await peer.socket.receive()).type.name != "PONG":
            pass
        assert message.data == b"hi"
        answered.set()
        await peer.until_left()

    async with KiteServer(ping) as server, feeding(server, ping_seconds=60):
        await asyncio.wait_for(answered.wait(), 60)
    assert answered.is_set()


async def test_stop_ends_a_waiting_read_and_leaves_no_task() -> None:
    """A reader is let go with an empty list; the server sees a goodbye."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        await peer.until_left()

    async with KiteServer(script) as server:
        async with feeding(server) as feed:
            reading = asyncio.create_task(feed.read())
            async with asyncio.timeout(60):
                while not (server.peers and len(server.peers[0].requests) == 2):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await feed.stop()
            assert await reading == []
            assert await feed.read() == []
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("kite-")]


async def test_a_feed_refuses_what_kite_would_refuse() -> None:
    """Too many instruments, none, a second start and a read before the start are told with the numbers."""
    feed = KiteFeed(short_settings("ws://127.0.0.1:9"), WallClock())
    with pytest.raises(Refused, match="start the feed"):
        await feed.read()
    with pytest.raises(Refused, match=r"9001 .* 1 to 9000: 3000 on each of 3"):
        await feed.start(shares(*range(1, 9002)))
    with pytest.raises(Refused, match="0 instruments"):
        await feed.start([])
    await feed.start(shares(TOKENS[0]))
    with pytest.raises(Refused, match="before"):
        await feed.start(shares(TOKENS[0]))
    await feed.stop()


async def test_an_address_in_the_open_ends_the_connection_with_a_reason() -> None:
    """A dialect that names plain ws:// to another machine is refused before anything is sent."""

    class Careless:
        source = "careless"

        async def address(self) -> Address:
            return Address("ws://example.com/?token=1", {})

        def opening(self) -> list[str]:
            return []

        def is_heartbeat(self, frame: bytes) -> bool:
            return not frame

        def proves_flow(self, frame: bytes) -> bool:
            return bool(frame)

    inbox = Inbox(1 << 20)
    with pytest.raises(Misconfigured, match="wss://"):
        await SupervisedConnection(0, Careless(), ConnectionSettings(), WallClock(), inbox).run()


async def test_up_and_down_are_counted_as_connections() -> None:
    """What FeedUp and FeedDown say, the gauge says."""
    before = metrics.CONNECTIONS._value.get()
    async with KiteServer(serve) as server, feeding(server) as feed:
        await read_until(feed, has(FeedUp))
        assert metrics.CONNECTIONS._value.get() == before + 1
    assert metrics.CONNECTIONS._value.get() == before
