"""The Kite feed over a real socket: what it makes of frames, texts, clocks, pressure and several sockets."""

from __future__ import annotations

import asyncio
import itertools

from niftyflow.brokers.kite.text import clock_message, end_message
from niftyflow.brokers.port import FeedClock, FeedEnd, FeedText, FeedUp, Malformed
from niftyflow.kit import metrics
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import TickBatch
from support.kite_feeds import TOKENS, feeding, has, kinds, prices, read_until
from support.kite_server import KiteServer, Peer, ticks_frame


def counted(outcome: str) -> float:
    """Return how often the outcome was counted so far."""
    return metrics.TICKS.labels("kite", outcome)._value.get()


async def test_malformed_frames_in_between_cost_only_themselves() -> None:
    """Cut, joined and lying frames are told with their bytes; every whole packet arrives and the socket lives."""
    frame = ticks_frame(TOKENS[0], TOKENS[0], ltp=20_000)
    harmed = [frame[:-1], frame + frame, b"\xff\xff" + b"\x07" * 5000]
    before = counted("malformed_frame")

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        for bad in harmed:
            await peer.ticks(TOKENS[0])
            await peer.socket.send_bytes(bad)
        await peer.ticks(TOKENS[0], ltp=30_000)
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server) as feed:
        events = await read_until(feed, lambda events: 300.0 in prices(events) and has(Malformed, 3)(events))
        assert server.attempts == 1
    assert prices(events) == [100.0, 200.0, 100.0, 200.0, 200.0, 100.0, 300.0]
    told = [event for event in events if isinstance(event, Malformed)]
    assert [event.data for event in told] == [bad[:1024] for bad in harmed]
    assert [event.size for event in told] == [len(bad) for bad in harmed]
    assert ["inside a packet" in told[0].reason, "follow" in told[1].reason] == [True, True]
    assert counted("malformed_frame") == before + 3


async def test_packets_that_are_no_ticks_are_counted_and_not_delivered() -> None:
    """Quotes before the mode has taken effect and strangers' packets make no tick, but they are counted."""
    before = [counted("no_trade_time"), counted("unknown_token")]
    packets_before = metrics.PACKETS.labels("kite")._value.get()

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        await peer.socket.send_bytes(b"\0\1\0\x2c" + TOKENS[0].to_bytes(4, "big") + bytes(40))
        await peer.ticks(TOKENS[1])
        await peer.ticks(TOKENS[0])
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server) as feed:
        events = await read_until(feed, has(TickBatch))
    assert prices(events) == [100.0]
    assert [counted("no_trade_time"), counted("unknown_token")] == [before[0] + 1, before[1] + 1]
    assert metrics.PACKETS.labels("kite")._value.get() == packets_before + 3


async def test_texts_are_handed_on_and_bad_ones_are_malformed() -> None:
    """Orders, errors and unknown types are handed on in order; what is no JSON is malformed; ticks go on."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        for text in ('{"type":"order","data":{"order_id":"7"}}', '{"type":"error","data":"bad token"}', "?" * 2000,
                     '{"type":"instruments_meta","data":{"count":3}}'):  # fmt: skip
            await peer.socket.send_str(text)
        await peer.ticks(TOKENS[0])
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server) as feed:
        events = await read_until(feed, has(TickBatch))
    texts = [(event.type, event.data) for event in events if isinstance(event, FeedText)]
    assert texts == [("order", b'{"order_id":"7"}'), ("error", b"bad token"), ("instruments_meta", b'{"count":3}')]
    (malformed,) = [event for event in events if isinstance(event, Malformed)]
    assert (malformed.data, malformed.size) == (b"?" * 1024, 2000)


async def test_a_session_with_its_own_clock_is_told_in_its_own_time() -> None:
    """Clock messages cut the batches, move the virtual clock and stamp what follows; the end ends the feed."""
    clock = VirtualClock()

    async def script(peer: Peer) -> None:
        await peer.socket.send_str(clock_message(1000))
        await peer.subscribed(1)
        for second in (2000, 3000):
            await peer.ticks(TOKENS[0])
            await peer.ticks(TOKENS[0])
            await peer.socket.send_str(clock_message(second))
        await peer.ticks(TOKENS[0])
        await peer.socket.send_str(end_message(3600))
        await peer.socket.close()

    async with KiteServer(script) as server, feeding(server, clock=clock) as feed:
        events = await read_until(feed, has(FeedEnd))
        assert await feed.read() == []
        await asyncio.sleep(0.1)
        assert server.attempts == 1
    joined = [list(group) for _, group in itertools.groupby(events, lambda event: isinstance(event, TickBatch))]
    merged = [
        [time for batch in group for time in batch.received.tolist()] if isinstance(group[0], TickBatch) else group
        for group in joined
    ]
    assert merged == [
        [FeedClock(1000), FeedUp(1000, "data flows")],
        [1000, 1000],
        [FeedClock(2000)],
        [2000, 2000],
        [FeedClock(3000)],
        [3000],
        [FeedEnd(3600)],
    ]
    assert clock.now() == 3000


async def test_neighbouring_frames_come_as_one_batch() -> None:
    """What waited is read in one batch, each tick with the time its own frame came."""

    async def script(peer: Peer) -> None:
        await peer.subscribed(1)
        for number in range(50):
            await peer.ticks(TOKENS[0], ltp=10_000 + number)
        await peer.socket.send_str('{"type":"order","data":{}}')
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server) as feed:
        await asyncio.sleep(0.1)
        events = await feed.read()
    assert kinds(events) == ["FeedUp", "TickBatch", "FeedText"]
    assert prices(events) == [100 + number / 100 for number in range(50)]
    received = events[1].received.tolist()
    assert received == sorted(received)


async def test_a_reader_that_stays_away_stops_the_socket_and_loses_nothing() -> None:
    """At the buffer's limit the socket is left unread, and kept; after reading, everything has come, in order."""
    before = metrics.BACKPRESSURE.labels("kite")._value.get()
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.subscribed(1)
        for sent in range(1, 201):
            await peer.socket.send_bytes(ticks_frame(*TOKENS[:1] * 300, ltp=sent))
        await peer.until_left()

    async with (
        KiteServer(script) as server,
        feeding(server, buffer_bytes=1 << 20, stale_after_seconds=0.2, pong_timeout_seconds=0.2) as feed,
    ):
        await asyncio.sleep(0.5)
        assert feed._inbox._bytes < (1 << 20) + 60_000
        assert server.attempts == 1
        events = await read_until(feed, lambda events: 2.0 in prices(events))
        assert server.attempts == 1
    assert sent == 200
    assert prices(events) == [frame / 100 for frame in range(1, 201) for _ in range(300)]
    assert metrics.BACKPRESSURE.labels("kite")._value.get() > before


async def test_several_sockets_are_one_feed() -> None:
    """Instruments are spread over the sockets; the feed is up with the last, down with the first."""
    seen: list[list[int]] = []

    async def script(peer: Peer) -> None:
        tokens = await peer.subscribed(2)
        seen.append(tokens)
        await peer.ticks(*tokens)
        await peer.until_left()

    async with KiteServer(script) as server, feeding(server, *TOKENS[:4], instruments_per_connection=2) as feed:
        events = await read_until(feed, lambda events: len(prices(events)) == 4)
        assert sorted(token for tokens in seen for token in tokens) == sorted(TOKENS[:4])
        server.peers[0].cut()
        events += await read_until(feed, has(TickBatch))
    assert [kind for kind in kinds(events) if kind != "TickBatch"] == ["FeedUp", "FeedDown", "FeedUp"]
    assert len(server.peers) == 3
