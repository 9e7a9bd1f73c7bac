"""The rules of the supervised connection that need no socket: addresses, waiting times, the inbox."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from niftyflow.brokers.connection import ConnectionSettings, Reason, SupervisedConnection, _Lost
from niftyflow.brokers.inbox import BinaryFrame, Inbox, LinkUp
from niftyflow.brokers.kite.feed import KiteDialect
from niftyflow.brokers.kite.settings import KiteFeedSettings, KiteRestSettings
from niftyflow.brokers.kite.updates import KiteOrderDialect
from niftyflow.brokers.safe_addresses import refuse_unsafe
from niftyflow.kit.clock import WallClock
from niftyflow.model import Misconfigured
from support.kite_feeds import short_settings


@pytest.mark.parametrize(
    "url", ["wss://ws.kite.trade", "ws://127.0.0.1:8001", "ws://127.9.9.9/x", "ws://[::1]:5", "ws://localhost:9"]
)
def test_safe_addresses_are_taken(url: str) -> None:
    """TLS to anywhere, plain only to this machine."""
    refuse_unsafe(url)
    assert KiteFeedSettings(root=url + "/", api_key="k", access_token="t").root == url


@pytest.mark.parametrize(
    "url",
    [
        "ws://ws.kite.trade",
        "ws://10.0.0.1",
        "http://127.0.0.1",
        "ws://localhost.example.com",
        "",
        "wss://",
        "ws://[::2]",
    ],
)
def test_addresses_in_the_open_are_refused(url: str) -> None:
    """Plain sockets to other machines, and what is no WebSocket address, stop the start."""
    with pytest.raises(Misconfigured):
        refuse_unsafe(url)
    with pytest.raises(ValidationError, match="refused"):
        KiteFeedSettings(root=url, api_key="k", access_token="t")


def test_settings_refuse_unknown_fields_and_describe_every_known_one() -> None:
    """A misspelt setting stops the start; the reference page has a sentence for each field."""
    with pytest.raises(ValidationError, match="ping_second"):
        short_settings("wss://ws.kite.trade", ping_second=1)
    assert all(field.description for field in KiteFeedSettings.model_fields.values())


async def _no_token():
    raise AssertionError("not asked for in these tests")


FULL_PACKET_OF_TOKEN_1 = b"\0\1\0\xb8\0\0\0\1" + bytes(180)
QUOTE_OF_TOKEN_1 = b"\0\1\0\x2c\0\0\0\1" + bytes(40)


def connection(jitter: float, **changes: float) -> SupervisedConnection:
    """Return a connection that was never run, with a fixed jitter."""
    settings = KiteFeedSettings(api_key="k", access_token="t", **changes)
    dialect = KiteDialect("kite", settings, [1], _no_token)
    return SupervisedConnection(0, dialect, settings, WallClock(), Inbox(1024), lambda: jitter)


def test_waits_double_from_two_seconds_to_a_minute_and_never_end() -> None:
    """The documented back-off, at its longest jitter, for a thousand tries."""
    tried = connection(1.0)
    delays = [tried._delay(Reason.UNREACHABLE) for _ in range(1000)]
    assert delays[:7] == [2, 4, 8, 16, 32, 60, 60]
    assert set(delays[6:]) == {60}


def test_jitter_takes_up_to_half_of_the_wait() -> None:
    """Clients that were cut together do not come back together, and none at once."""
    assert connection(0.0)._delay(Reason.CLOSED) == 1.0
    assert connection(0.5)._delay(Reason.CLOSED) == 1.5


def test_refused_credentials_are_never_tried_in_a_tight_loop() -> None:
    """The first try after a 403 waits as long as is set for it."""
    assert connection(1.0)._delay(Reason.CREDENTIALS_REFUSED) == ConnectionSettings().refused_retry_seconds


async def test_data_before_the_last_subscription_is_delivered_but_is_not_up() -> None:
    """What an early chunk brings says nothing of the later ones; being up makes the next wait short again."""
    tried = connection(1.0)
    assert [tried._delay(Reason.UNREACHABLE) for _ in range(4)][-1] == 16
    tried._take(FULL_PACKET_OF_TOKEN_1)
    tried._is_subscribed = True
    tried._take(b"\0")
    tried._take(FULL_PACKET_OF_TOKEN_1)
    arrivals = await tried._inbox.take()
    assert [type(arrival).__name__ for arrival in arrivals] == ["BinaryFrame", "LinkUp", "BinaryFrame"]
    assert tried._delay(Reason.CLOSED) == 2
    tried._set_up(is_up=False)


async def test_a_socket_without_subscriptions_is_up_with_its_first_frame_and_waits_short_again() -> None:
    """A heartbeat or a text shows that the connection works: nothing else is due on it. Each loss is told."""
    settings = KiteRestSettings(api_key="k")
    for hear in (lambda tried: tried._take(b"\0"), SupervisedConnection._hear):
        tried = SupervisedConnection(
            0, KiteOrderDialect(settings, _no_token), settings.socket, WallClock(), Inbox(1024), lambda: 1.0
        )
        for _ in range(2):
            assert [tried._delay(Reason.UNREACHABLE) for _ in range(4)][-1] == 16
            tried._tell_down(_Lost(Reason.UNREACHABLE, "no answer"))
            hear(tried)
            tried._take(b"\0")
            assert [type(arrival).__name__ for arrival in await tried._inbox.take()] == ["LinkDown", "LinkUp"]
            assert tried._delay(Reason.CLOSED) == 2
            tried._tries = 0
        tried._set_up(is_up=False)


async def test_the_inbox_is_full_at_its_bytes_and_free_after_reading() -> None:
    """Data counts by its size, and everything else a little, so that no flood of empty messages is free."""
    inbox = Inbox(10_000)
    inbox.put(BinaryFrame(0, 1, b"x" * 9_000))
    assert not inbox.is_full
    for _ in range(7):
        inbox.put(LinkUp(0, 1, ""))
    assert inbox.is_full
    waiting = asyncio.create_task(inbox.wait_for_room())
    assert len(await inbox.take()) == 8
    await asyncio.wait_for(waiting, 60)
    assert not inbox.is_full


async def test_the_inbox_hands_a_fatal_error_to_its_reader() -> None:
    """Whoever waits for data learns that none can come."""
    inbox = Inbox(10_000)
    reading = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.fail(Misconfigured("no"))
    with pytest.raises(Misconfigured, match="no"):
        await reading


async def test_a_closed_inbox_lets_everybody_go() -> None:
    """Readers get nothing, writers have room, and what is put later is forgotten."""
    inbox = Inbox(10)
    inbox.put(BinaryFrame(0, 1, b"x" * 100))
    inbox.close()
    await asyncio.wait_for(inbox.wait_for_room(), 60)
    inbox.put(BinaryFrame(0, 1, b"y"))
    assert await inbox.take() == []
    assert await inbox.take() == []


async def test_a_quote_does_not_show_that_the_full_mode_is_in_force() -> None:
    """Between subscribing and the mode message Kite sends quotes, which have no trade time; later any data counts."""
    tried = connection(1.0)
    tried._is_subscribed = True
    tried._take(QUOTE_OF_TOKEN_1)
    assert not tried._is_up
    patient = connection(1.0, flow_proof_seconds=0)
    patient._is_subscribed = True
    patient._take(QUOTE_OF_TOKEN_1)
    assert patient._is_up
