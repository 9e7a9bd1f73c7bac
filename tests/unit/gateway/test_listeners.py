"""A client's side of the hub, on a wire of memory: pacing, replies, a wire that is full, and the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec

from niftyflow.gateway import listener as listening
from niftyflow.gateway.latest_values import LatestChannel
from niftyflow.gateway.listener import MOST_REPLIES, Listener
from niftyflow.gateway.subscription import Subscription
from niftyflow.kit.clock import monotonic
from support.waiting import until

A = "NSE:A"


class MemoryWire:
    """Keeps what is written; it is full when a test says so."""

    def __init__(self) -> None:
        self.on_clear: Callable[[], None] | None = None
        self.is_aborted = False
        self.is_clear = True
        self.written: list[tuple[float, bytes]] = []
        self.closed: tuple[int, str] | None = None

    def write(self, text: bytes) -> None:
        self.written.append((monotonic(), text))

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def abort(self) -> None:
        self.is_aborted = True

    def data(self) -> list[object]:
        """Return the data of the frames."""
        return [msgspec.json.decode(text)["data"] for _, text in self.written]

    def clears(self) -> None:
        """Be no longer full."""
        self.is_clear = True
        if self.on_clear is not None:
            self.on_clear()


class Client:
    """A listener to one channel of prices, with its counts."""

    def __init__(self) -> None:
        self.wire = MemoryWire()
        self.sent: Counter[str] = Counter()
        self.ends: list[str] = []
        self.channel = LatestChannel("prices", epoch="e")
        self.listener = Listener(self.wire, self.sent, self.ends.append)
        self.subscription = Subscription(self.channel, None)
        self.listener.subscriptions["prices"] = self.subscription

    def change(self, value: int) -> None:
        """Change the price, and have the client told."""
        self.channel.put({A: value})
        if self.subscription.owe(frozenset({A})):
            self.listener.flush()


async def test_changes_in_a_hurry_become_one_frame_at_the_channels_rate():
    """The first at once; the last of the others a tenth of a second later, without being asked."""
    client = Client()
    client.listener.flush()
    await asyncio.sleep(0.15)
    for value in range(1, 6):
        client.change(value)
    assert client.wire.data() == [{}, {A: 1}]
    await until(lambda: len(client.wire.written) == 3)
    assert client.wire.data()[2] == {A: 5}
    assert client.wire.written[2][0] - client.wire.written[1][0] >= 0.099
    assert client.sent == {"prices": 3}


async def test_nothing_is_written_to_a_full_wire_and_all_of_it_when_it_clears():
    """Not a queue of frames, but the newest values."""
    client = Client()
    client.wire.is_clear = False
    for value in range(100):
        client.change(value)
    client.listener.say(b'{"data":"pong"}')
    assert client.wire.written == []
    client.wire.clears()
    assert client.wire.data() == ["pong", {A: 99}]


async def test_a_client_that_stays_full_is_cut_off():
    """After five seconds, not before, and once."""
    client = Client()
    client.wire.is_clear = False
    client.listener.flush()
    client.listener.end_if_stalled(monotonic() + listening.STALLED_SECONDS - 1)
    assert not client.wire.is_aborted
    client.listener.end_if_stalled(monotonic() + listening.STALLED_SECONDS)
    client.listener.end_if_stalled(monotonic() + listening.STALLED_SECONDS)
    assert client.wire.is_aborted
    assert client.wire.closed is None
    assert client.ends == ["stalled"]


async def test_a_client_that_reads_now_and_then_is_not_cut_off():
    """Its time begins anew whenever its wire clears."""
    client = Client()
    client.wire.is_clear = False
    client.listener.flush()
    client.wire.clears()
    client.listener.end_if_stalled(monotonic() + 2 * listening.STALLED_SECONDS)
    assert not client.wire.is_aborted


async def test_replies_that_are_not_read_end_the_client():
    """There is a bound to what is kept for it."""
    client = Client()
    client.wire.is_clear = False
    for _ in range(MOST_REPLIES):
        client.listener.say(b"{}")
    assert client.wire.closed is None
    client.listener.say(b"{}")
    assert client.wire.closed == (1013, "too many replies were not read")
    assert client.ends == ["queue_full"]


async def test_after_the_end_nothing_is_written():
    """Neither what was owed, nor what comes, nor a second close."""
    client = Client()
    client.subscription.seconds = 30.0
    client.listener.flush()
    client.change(1)  # waits for the rate
    client.listener.end(1012, "stopping", "stopping")
    client.change(2)
    client.listener.say(b"{}")
    client.listener.end(1008, "other", "other")
    await asyncio.sleep(0.15)
    assert client.wire.data() == [{}]
    assert client.wire.closed == (1012, "stopping")
    assert client.ends == ["stopping"]


async def test_a_nearer_frame_is_not_kept_waiting_by_a_farther_one():
    """Channels have rates of their own."""
    client = Client()
    slow = LatestChannel("slow", epoch="e")
    client.listener.subscriptions["slow"] = slowly = Subscription(slow, None, seconds=30.0)
    client.listener.flush()
    slow.put({A: 1})
    slowly.owe(None)
    client.listener.flush()
    client.change(7)
    await until(lambda: {A: 7} in client.wire.data())
    assert len(client.wire.written) == 3
    client.listener.leave()
