"""Subscriptions: the first change at once, then a rate; resumes; gaps; and, for any interleaving, no lost change."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.gateway.channels import EventChannel
from niftyflow.gateway.latest_values import LatestChannel, Symbols, Watchlist
from niftyflow.gateway.subscription import FRAME_SECONDS, Subscription
from support.told_clients import ToldClient

A, B, C = "NSE:A", "NSE:B", "NSE:C"
SYMBOLS = (A, B, C)


def prices() -> LatestChannel:
    """Return a channel on which two symbols stand."""
    channel = LatestChannel("prices", epoch="e1")
    channel.put({A: 1, B: 1})
    return channel


def change(channel: LatestChannel, subscription: Subscription, **values: int) -> bool:
    """Put values and have the subscription note it, as the hub does."""
    changed = {f"NSE:{name}": value for name, value in values.items()}
    channel.put(changed)
    return subscription.owe(frozenset(changed))


def test_a_subscription_begins_with_a_snapshot():
    """The snapshot is owed at once, before any change."""
    subscription = Subscription(prices(), Watchlist({A}))
    client = ToldClient()
    client.take(*subscription.frames(0.0))
    assert client.kinds == ["snapshot"]
    assert client.values == {A: 1}
    assert subscription.frames(1.0) == []


def test_the_first_change_goes_at_once_and_the_next_ones_together():
    """After a frame, the next waits for the rate and then holds all that came."""
    channel = prices()
    subscription = Subscription(channel, None)
    subscription.frames(0.0)
    change(channel, subscription, A=2)
    assert len(subscription.frames(10.0)) == 1
    change(channel, subscription, A=3)
    change(channel, subscription, B=3)
    assert subscription.frames(10.0 + FRAME_SECONDS / 2) == []
    assert subscription.is_owed
    assert subscription.due == 10.0 + FRAME_SECONDS
    (text,) = subscription.frames(subscription.due)
    assert msgspec.json.decode(text)["data"] == {A: 3, B: 3}


def test_a_change_of_other_symbols_is_not_owed():
    """And does not use up the rate."""
    channel = prices()
    subscription = Subscription(channel, Watchlist({A}))
    subscription.frames(0.0)
    assert not change(channel, subscription, B=5)
    assert subscription.frames(10.0) == []
    assert change(channel, subscription, A=5)
    assert len(subscription.frames(10.0)) == 1


def test_other_symbols_events_that_fill_the_ring_make_no_gap():
    """Whoever was told everything has no gap because of what did not concern it."""
    channel = EventChannel("signals", epoch="e1", limit=2)
    subscription = Subscription(channel, Watchlist({A}))
    subscription.frames(0.0)
    client = ToldClient(has_events=True)
    for _ in range(10):
        channel.extend([B], lambda _: b'{"number":0}')
        subscription.owe(frozenset({B}))
    channel.extend([A], lambda _: b'{"number":11}')
    subscription.owe(frozenset({A}))
    client.take(*subscription.frames(1.0))
    assert client.kinds == ["delta"]
    assert client.events == [11]


def test_a_resume_is_answered_even_when_nothing_came():
    """The client learns that it is up to date."""
    channel = prices()
    subscription = Subscription(channel, None)
    subscription.resume(Watchlist({A}), 1, "e1")
    (text,) = subscription.frames(0.0)
    assert msgspec.json.decode(text) == {"type": "delta", "channel": "prices", "seq": 1, "epoch": "e1", "data": {}}


def test_a_resume_of_another_epoch_is_a_gap_and_a_snapshot():
    """A restarted server says so, once."""
    subscription = Subscription(prices(), None)
    subscription.resume(None, 900, "e0")
    client = ToldClient()
    frames = subscription.frames(0.0)
    client.take(*frames)
    assert client.kinds == ["gap", "snapshot"]
    assert msgspec.json.decode(frames[0])["data"] == {"after": 900, "reason": "restarted"}
    assert client.values == {A: 1, B: 1}


def test_a_resume_from_beyond_what_there_is_is_a_gap():
    """A number that was never given is not trusted."""
    subscription = Subscription(prices(), None)
    subscription.resume(None, 900, "e1")
    client = ToldClient()
    client.take(*subscription.frames(0.0))
    assert client.kinds == ["gap", "snapshot"]


def test_a_channel_that_begins_anew_tells_its_listeners_of_the_gap():
    """Also those that stayed connected."""
    channel = EventChannel("signals", epoch="e1")
    subscription = Subscription(channel, None)
    subscription.frames(0.0)
    channel.forget()
    channel.epoch = "e2"
    subscription.owe(None)
    client = ToldClient(has_events=True)
    client.take(*subscription.frames(1.0))
    assert client.kinds == ["gap", "snapshot"]
    assert client.epoch == "e2"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sets(st.sampled_from(SYMBOLS), min_size=1)),
        st.tuples(st.just("flush"), st.floats(0.001, 0.3)),
        st.tuples(st.just("reconnect"), st.booleans()),
        st.tuples(st.just("choose"), st.sets(st.sampled_from(SYMBOLS), min_size=1)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=60,
)

WATCHLISTS = st.builds(Watchlist, st.frozensets(st.sampled_from(SYMBOLS), min_size=1))


class Page:
    """A channel, and one client of it that goes through everything a page may."""

    def __init__(self, symbols: Symbols) -> None:
        self.channel = LatestChannel("prices", epoch="0")
        self.symbols = symbols
        self.client = ToldClient()
        self.subscription = Subscription(self.channel, symbols)
        self.now = 0.0
        self._number = 0

    def put(self, symbols: set[str]) -> None:
        """Change some symbols."""
        self._number += 1
        self.channel.put(dict.fromkeys(sorted(symbols), self._number))
        self.subscription.owe(frozenset(symbols))

    def flush(self, seconds: float) -> None:
        """Let time pass and take what is due."""
        self.now += seconds
        self.client.take(*self.subscription.frames(self.now))

    def reconnect(self, resumes: bool) -> None:  # noqa: FBT001 - drawn
        """Lose the connection, and come back with or without a resume."""
        self.subscription = Subscription(self.channel, self.symbols)
        if resumes and self.client.seq >= 0:
            self.subscription.resume(self.symbols, self.client.seq, self.client.epoch)

    def choose(self, symbols: set[str]) -> None:
        """Watch others."""
        self.symbols = Watchlist(symbols)
        self.subscription.begin(self.symbols)

    def restart(self, _: None) -> None:
        """Have the server restarted."""
        self.channel = LatestChannel("prices", epoch=f"{self.channel.epoch}+")
        self.reconnect(resumes=True)


@given(steps=STEPS, first=st.one_of(st.none(), WATCHLISTS))
def test_a_client_that_applies_frames_holds_what_the_channel_holds(steps, first):
    """Whatever the order of changes, flushes, resumes and restarts."""
    page = Page(first)
    for step, argument in steps:
        getattr(page, step)(argument)
    page.flush(1.0)
    standing = msgspec.json.decode(page.channel.snapshot(page.symbols))
    mine = page.client.values
    assert {symbol: mine[symbol] for symbol in mine if page.symbols is None or symbol in page.symbols} == standing


EVENT_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=5)),
        st.tuples(st.just("flush"), st.floats(0.001, 0.3)),
        st.tuples(st.just("reconnect"), st.none()),
        st.tuples(st.just("anew"), st.none()),
    ),
    max_size=60,
)


@given(steps=EVENT_STEPS, chosen=st.one_of(st.none(), WATCHLISTS))
def test_events_come_once_and_in_order_or_a_gap_is_told(steps, chosen):
    """Whatever the order of events, flushes, resumes and restarts, with a ring of six."""
    channel = EventChannel("signals", epoch="0", limit=6)
    subscription, client = Subscription(channel, chosen), ToldClient(has_events=True)
    happened: list[tuple[int, str]] = []
    now, epoch = 0.0, 0
    for step, argument in steps:
        match step:
            case "add":
                first = len(happened)
                happened += [(first + place, symbol) for place, symbol in enumerate(argument)]
                channel.extend(argument, lambda row, first=first: msgspec.json.encode({"number": first + row}))
                subscription.owe(frozenset(argument))
            case "flush":
                now += argument
                client.take(*subscription.frames(now))
            case "reconnect":
                if client.seq >= 0:
                    subscription = Subscription(channel, chosen)
                    subscription.resume(chosen, client.seq, client.epoch)
            case "anew":
                epoch += 1
                channel.forget()
                channel.epoch = str(epoch)
                subscription.owe(None)
    client.take(*subscription.frames(now + 1))
    mine = [number for number, symbol in happened if chosen is None or symbol in chosen]
    if epoch == 0:
        assert client.events == mine[len(mine) - len(client.events) :]  # a run without a hole, up to the newest
    assert client.events == sorted(set(client.events))
    assert client.kinds.count("snapshot") == client.gaps + 1  # nothing is begun anew without a word
