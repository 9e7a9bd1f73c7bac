"""From arrivals to events, without sockets: several connections, their clocks, ends and outages."""

from __future__ import annotations

from niftyflow.brokers.inbox import BinaryFrame, LinkDown, LinkUp, TextFrame
from niftyflow.brokers.kite.stream import HELD_FRAMES, KiteStream
from niftyflow.brokers.kite.text import clock_message, end_message
from niftyflow.brokers.kite.wire import TokenIndex
from niftyflow.brokers.port import FeedClock, FeedDown, FeedEnd, FeedUp
from niftyflow.kit.clock import VirtualClock, WallClock
from support.kite_feeds import TOKENS, kinds, shares
from support.kite_server import ticks_frame


def stream(connections: int, clock=None) -> KiteStream:
    """Return a stream of the test's instruments over so many connections."""
    return KiteStream(TokenIndex(shares(*TOKENS), "kite"), clock or WallClock(), connections)


def clock_of(connection: int, time: int) -> TextFrame:
    """Return a clock message as it arrives."""
    return TextFrame(connection, 1, clock_message(time).encode())


def end_of(connection: int, time: int) -> TextFrame:
    """Return an end message as it arrives."""
    return TextFrame(connection, 1, end_message(time).encode())


def test_the_feed_is_up_with_its_last_connection_and_down_with_its_first() -> None:
    """One outage of the feed, whatever its connections do within it."""
    feed = stream(2)
    assert feed.events_of([LinkUp(0, 10, "data flows")]) == []
    assert feed.events_of([LinkUp(1, 11, "data flows")]) == [FeedUp(11, "data flows")]
    assert feed.events_of([LinkDown(1, 20, "silent: x"), LinkDown(0, 21, "closed: y")]) == [FeedDown(20, "silent: x")]
    assert feed.events_of([LinkUp(0, 30, "data flows")]) == []
    assert feed.events_of([LinkUp(1, 31, "data flows")]) == [FeedUp(31, "data flows")]
    assert feed.events_of([LinkDown(1, 40, "closed: z")]) == [FeedDown(40, "closed: z")]


def test_that_a_login_is_needed_is_told_even_while_the_feed_is_down() -> None:
    """The reason an operator has to act on is not hidden behind an earlier one."""
    feed = stream(1)
    refused = LinkDown(0, 5, "credentials_refused: HTTP 403")
    assert feed.events_of([LinkDown(0, 5, "closed: x"), refused]) == [
        FeedDown(5, "closed: x"),
        FeedDown(5, "credentials_refused: HTTP 403"),
    ]


def test_the_feeds_clock_is_its_slowest_connections() -> None:
    """Everything before the feed's clock has been sent on every connection; a clock never goes back."""
    clock = VirtualClock(0)
    feed = stream(2, clock)
    assert feed.events_of([clock_of(0, 1000)]) == []
    assert feed.events_of([clock_of(1, 3000), clock_of(0, 2000)]) == [FeedClock(1000), FeedClock(2000)]
    assert feed.events_of([clock_of(0, 1500)]) == []
    assert clock.now() == 2000


def test_ticks_carry_the_time_their_own_connection_has_reached() -> None:
    """A connection ahead of the slowest one stamps its own session time."""
    feed = stream(2, VirtualClock(0))
    frame = ticks_frame(TOKENS[0])
    batch = feed.events_of([clock_of(0, 1000), clock_of(1, 3000), BinaryFrame(0, 9, frame), BinaryFrame(1, 9, frame)])
    assert kinds(batch) == ["FeedClock", "TickBatch"]
    assert batch[1].received.tolist() == [1000, 3000]


def test_the_session_ends_when_it_has_ended_everywhere_and_is_no_outage() -> None:
    """A connection that was told the end may close; the feed ends with the last."""
    feed = stream(2)
    feed.events_of([LinkUp(0, 1, "data flows"), LinkUp(1, 1, "data flows")])
    assert feed.events_of([end_of(0, 500), LinkDown(0, 2, "closed: end")]) == []
    assert not feed.has_ended
    assert feed.events_of([end_of(1, 700), LinkDown(1, 2, "closed: end")]) == [FeedEnd(700)]
    assert feed.has_ended


def test_frames_on_both_sides_of_a_text_are_not_merged() -> None:
    """The order of ticks and other events is the order of arrival."""
    feed = stream(1)
    frame, order = BinaryFrame(0, 9, ticks_frame(TOKENS[0])), TextFrame(0, 9, b'{"type":"order","data":{}}')
    assert kinds(feed.events_of([frame, frame, order, frame])) == ["TickBatch", "FeedText", "TickBatch"]


def test_a_new_sockets_first_data_waits_for_its_clock() -> None:
    """What a session sends before its clock is told, snapshots above all, carries the time after the gap."""
    clock = VirtualClock(0)
    feed = stream(1, clock)
    frame = BinaryFrame(0, 9, ticks_frame(TOKENS[0]))
    assert feed.events_of([LinkUp(0, 1, "data flows"), frame]) == []
    first = feed.events_of([frame, clock_of(0, 1000), frame])
    assert kinds(first) == ["FeedUp", "TickBatch", "FeedClock", "TickBatch"]
    assert first[0] == FeedUp(1000, "data flows")
    assert first[1].received.tolist() == [1000, 1000]
    again = feed.events_of([LinkDown(0, 2, "closed: x"), LinkUp(0, 3, "data flows"), frame, clock_of(0, 61_000)])
    assert kinds(again) == ["FeedDown", "FeedUp", "TickBatch", "FeedClock"]
    assert [again[0].at, again[1].at, *again[2].received.tolist(), again[3].time] == [1000, 61_000, 61_000, 61_000]


def test_what_waits_for_a_clock_is_never_lost() -> None:
    """A socket that is cut, ends, or never tells the time hands on what waited."""
    frame = BinaryFrame(0, 9, ticks_frame(TOKENS[0]))
    cut = stream(1, VirtualClock(5)).events_of([LinkUp(0, 1, "data flows"), frame, LinkDown(0, 2, "closed: x")])
    assert kinds(cut) == ["FeedUp", "TickBatch", "FeedDown"]
    ended = stream(1, VirtualClock(5)).events_of([LinkUp(0, 1, "data flows"), frame, end_of(0, 900)])
    assert kinds(ended) == ["FeedUp", "TickBatch", "FeedEnd"]
    assert ended[1].received.tolist() == [900]
    untimed = stream(1, VirtualClock(5)).events_of([frame] * (HELD_FRAMES + 5))
    assert [len(batch) for batch in untimed] == [HELD_FRAMES + 5]
