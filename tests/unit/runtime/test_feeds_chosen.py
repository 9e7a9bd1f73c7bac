"""Which feed the settings mean, and which instruments it offers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest
from aiohttp import web

from niftyflow.brokers.kite.instruments import choose, parse_instruments
from niftyflow.brokers.port import FeedDown
from niftyflow.brokers.simulator.instruments import instruments_csv, named
from niftyflow.kit.clock import VirtualClock, WallClock
from niftyflow.kit.health import State, Worker
from niftyflow.model import DecodeError, InvalidValue, Misconfigured, UnknownInstrument
from niftyflow.runtime.feeds import instruments_of, live_feed
from niftyflow.runtime.settings import AppSettings
from support.broker_settings import seal, with_accounts
from support.market import ist
from support.waiting import until

FILE = instruments_csv(named(["INFY", "SBIN", "NIFTY 50"], ["NIFTY 50"]))


def settings(**feed: object) -> AppSettings:
    """Return settings with these of the feed."""
    return AppSettings.model_validate({"feed": feed})


@pytest.fixture
async def broker() -> AsyncIterator[dict[str, object]]:
    """A server that gives the (status, text) that `answers` holds, in turn."""
    state: dict[str, object] = {"answers": [], "asked": []}

    async def answer(request: web.Request) -> web.Response:
        state["asked"].append(request.path)
        status, body = state["answers"].pop(0)
        return web.Response(status=status, body=body.encode("latin-1"))

    app = web.Application()
    app.router.add_get("/instruments", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    state["url"] = f"ws://127.0.0.1:{port}"
    yield state
    await runner.cleanup()


def test_a_simulator_tells_its_own_time_and_a_broker_lives_in_ours():
    """The clock belongs to the feed."""
    feed, clock = live_feed(settings())
    assert (feed.source, type(clock)) == ("simulator", VirtualClock)
    kite = AppSettings.model_validate({"feed": {"broker": "kite"}, "kite": {"api_key": "k", "access_token": "t"}})
    feed, clock = live_feed(kite)
    assert (feed.source, type(clock)) == ("kite", WallClock)


@pytest.mark.parametrize("kite", [{}, {"api_key": "k"}, {"access_token": "t"}])
def test_kite_without_credentials_says_what_to_set(kite):
    """Both names, in the environment and in the file."""
    with pytest.raises(Misconfigured, match="NIFTYFLOW_KITE__ACCESS_TOKEN"):
        live_feed(AppSettings.model_validate({"feed": {"broker": "kite"}, "kite": kite}))


@pytest.mark.parametrize("url", ["ws://example.com:1", "http://127.0.0.1:1", "nonsense", ""])
def test_an_address_that_is_no_safe_socket_is_one_line(url):
    """It names the setting and its value."""
    with pytest.raises(Misconfigured, match=r"setting feed\.url is") as refused:
        live_feed(settings(url=url))
    assert "\n" not in str(refused.value)


async def test_instruments_come_from_the_simulator_s_desk(broker):
    """All that is offered, valid on any day that it may play."""
    broker["answers"] = [(200, FILE)]
    found = await instruments_of(settings(url=broker["url"]), VirtualClock(), Worker("test"))
    assert [each.key for each in found] == ["NSE:INFY", "NSE:SBIN", "NSE:NIFTY 50"]
    assert {each.valid_from for each in found} == {date(1990, 1, 1)}
    assert broker["asked"] == ["/instruments"]


async def test_a_leap_day_is_a_day_like_any_other(broker):
    """1990 had none."""
    broker["answers"] = [(200, FILE)]
    leap = VirtualClock(ist("2024-02-29", "10:00"))
    assert len(await instruments_of(settings(url=broker["url"]), leap, Worker("test"))) == 3


async def test_the_chosen_symbols_in_any_spelling(broker):
    """A bare symbol means NSE."""
    broker["answers"] = [(200, FILE)]
    chosen = settings(url=broker["url"], symbols=["nse:nifty 50", "infy"])
    found = await instruments_of(chosen, VirtualClock(), Worker("test"))
    assert [each.key for each in found] == ["NSE:NIFTY 50", "NSE:INFY"]


async def test_a_symbol_that_is_not_offered_is_refused(broker):
    """Nobody trades by a typing mistake."""
    broker["answers"] = [(200, FILE)]
    with pytest.raises(UnknownInstrument, match="does not offer NSE:INFI"):
        await instruments_of(settings(url=broker["url"], symbols=["INFI", "SBIN"]), VirtualClock(), Worker("test"))
    broker["answers"] = [(200, FILE)]
    with pytest.raises(InvalidValue, match="exchange"):
        await instruments_of(settings(url=broker["url"], symbols=["NYSE:IBM"]), VirtualClock(), Worker("test"))


async def test_a_broker_that_is_away_is_waited_for(broker):
    """Health says for whom; then it goes on."""
    broker["answers"] = [(503, ""), (200, FILE)]
    worker = Worker("test")
    assert len(await instruments_of(settings(url=broker["url"]), VirtualClock(), worker)) == 3
    assert worker.state is State.RUNNING
    assert len(broker["asked"]) == 2


async def test_nobody_there_is_said_in_health():
    """The connection refused, and where."""
    worker = Worker("test")
    asking = asyncio.create_task(instruments_of(settings(url="ws://127.0.0.1:9"), VirtualClock(), worker))
    await until(lambda: worker.state is State.WAITING)
    assert "127.0.0.1:9 is unavailable" in worker.reason
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_answer_that_is_no_instruments_file_is_refused(broker):
    """It will not become one by waiting."""
    broker["answers"] = [(200, "\xff\xfe<html>")]
    with pytest.raises(DecodeError, match="no column"):
        await instruments_of(settings(url=broker["url"]), VirtualClock(), Worker("test"))


async def test_a_file_may_take_the_broker_s_place(tmp_path):
    """Nobody is asked; a file that cannot be read is one line."""
    path = tmp_path / "instruments.csv"
    path.write_text(FILE)
    found = await instruments_of(settings(instruments_file=path), VirtualClock(), Worker("test"))
    assert len(found) == 3
    path.write_bytes(b"\xff\xfe\x00")
    for unreadable in (path, tmp_path / "none.csv", tmp_path):
        with pytest.raises(Misconfigured, match="cannot be read"):
            await instruments_of(settings(instruments_file=unreadable), VirtualClock(), Worker("test"))


async def test_a_feed_of_an_account_takes_the_login_of_the_moment_at_each_connection():
    """Without one it says the command; a login made since then is taken without a new start."""
    seen: list[str] = []

    async def socket(request: web.Request) -> web.Response:
        seen.append(request.query["access_token"])
        return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/", socket)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    options = {"api_key": "k", "root": site.name, "socket_root": site.name.replace("http://", "ws://")}
    chosen = AppSettings.model_validate(
        {"brokers": {"ours": {"broker": "kite", "options": options}}, "feed": {"broker": "kite", "account": "ours"}}
    )
    feed, clock = live_feed(chosen)
    assert (feed.source, type(clock)) == ("kite", VirtualClock)
    (infy, *_), _ = choose(parse_instruments(FILE, date(1990, 1, 1)), [])
    await feed.start([infy])
    try:
        (down, *_) = await asyncio.wait_for(feed.read(), 60)
        assert isinstance(down, FeedDown)
        assert "niftyflow login ours" in down.reason
        assert seen == []
        seal(chosen, "ours", WallClock().now() + 3_600_000, "todays")
        await until(lambda: "todays" in seen)
    finally:
        await feed.stop()
        await runner.cleanup()


def test_a_feed_of_an_account_at_kite_lives_in_our_time():
    """And needs no key in [kite]."""
    feed, clock = live_feed(with_accounts("ours", feed={"broker": "kite", "account": "ours"}))
    assert (feed.source, type(clock)) == ("kite", WallClock)


async def test_instruments_of_an_account_come_from_its_rest(broker):
    """The address in its options, not Kite's; no feed.url."""
    broker["answers"] = [(200, FILE)]
    options = {"api_key": "k", "root": broker["url"].replace("ws://", "http://")}
    chosen = AppSettings.model_validate(
        {"brokers": {"ours": {"broker": "kite", "options": options}}, "feed": {"broker": "kite", "account": "ours"}}
    )
    found = await instruments_of(chosen, VirtualClock(), Worker("test"))
    assert len(found) == 3
    assert {each.valid_from for each in found} == {date(1990, 1, 1)}
