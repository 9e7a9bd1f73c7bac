"""Which feed the settings mean, which clock goes with it, and which instruments it offers."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from pydantic import SecretStr, ValidationError

from niftyflow.brokers.kite.broker import kite_settings
from niftyflow.brokers.kite.feed import KiteFeed
from niftyflow.brokers.kite.instruments import choose, parse_instruments
from niftyflow.brokers.kite.settings import KiteFeedSettings
from niftyflow.brokers.port import Feed
from niftyflow.kit.clock import Clock, VirtualClock, WallClock, to_ist
from niftyflow.kit.health import Worker
from niftyflow.kit.http_caller import in_our_words
from niftyflow.kit.retry import until_it_works
from niftyflow.model import Instrument, Misconfigured, Unavailable, UnknownInstrument, parse_instrument
from niftyflow.runtime.broker_accounts import account_of
from niftyflow.runtime.settings import AppSettings

KITE_REST = "https://api.kite.trade"
ANSWER_SECONDS = 30.0
MOST_INSTRUMENTS = 9_000
"""Kite: 3,000 on each of 3 sockets."""
EVER_SINCE = date(1990, 1, 1)
"""From when a simulator's instruments are valid: it may play a session of any day."""


def live_feed(settings: AppSettings) -> tuple[Feed, Clock]:
    """Return the feed and the clock it runs by: the simulator tells its own time, a broker lives in ours.

    Raises:
        Misconfigured: credentials are missing, or the simulator's address is none.
    """
    clock = VirtualClock() if _is_simulated(settings) else WallClock()
    return feed_of(settings, clock), clock


def feed_of(settings: AppSettings, clock: Clock) -> Feed:
    """Return a new feed that runs by a clock; a feed that was stopped is not started again.

    Raises:
        Misconfigured: credentials are missing, or the simulator's address is none.
    """
    if settings.feed.broker == "simulator":
        try:
            at = KiteFeedSettings(root=settings.feed.url, api_key="simulator", access_token="simulator")  # noqa: S106 - the simulator knows no users
        except ValidationError as error:
            raise Misconfigured(
                f"setting feed.url is {settings.feed.url!r}: {error.errors()[0]['ctx']['error']}"
            ) from error
        return KiteFeed(at, clock, source="simulator")
    if settings.feed.account:
        return _feed_of_account(settings, clock)
    kite = settings.kite
    if not kite.api_key or not kite.access_token.get_secret_value():
        raise Misconfigured(
            "Kite needs an API key and today's access token: name an account of [brokers] in feed.account, "
            "or set NIFTYFLOW_KITE__API_KEY and NIFTYFLOW_KITE__ACCESS_TOKEN, or [kite] in niftyflow.toml"
        )
    return KiteFeed(KiteFeedSettings(api_key=kite.api_key, access_token=kite.access_token), clock)


async def instruments_of(settings: AppSettings, clock: Clock, worker: Worker) -> list[Instrument]:
    """Return the instruments to take in; waits for the broker while it is away.

    Raises:
        Misconfigured: the file cannot be read.
        UnknownInstrument: a symbol asked for is not offered.
        DecodeError: the instruments file is not one.
    """
    feed = settings.feed
    wanted = [parse_instrument(symbol) for symbol in feed.symbols]
    today = to_ist(clock.now() or WallClock().now()).date()
    if feed.instruments_file is not None:
        text = await asyncio.to_thread(_read, feed.instruments_file)
    else:
        url = _desk(feed.url) if feed.broker == "simulator" else f"{_rest(settings)}/instruments"
        text = await until_it_works(lambda: _get(url), worker)
    if _is_simulated(settings):
        today = EVER_SINCE
    found, missing = choose(parse_instruments(text, today), wanted)
    if missing:
        raise UnknownInstrument(f"the broker does not offer {', '.join(missing)}")
    with_token = [instrument for instrument in found if instrument.token]
    if len(with_token) > MOST_INSTRUMENTS:
        raise Misconfigured(
            f"the broker offers {len(with_token):,} instruments and takes {MOST_INSTRUMENTS:,}: "
            f"choose with --symbols NSE:RELIANCE,…"
        )
    return with_token


def _feed_of_account(settings: AppSettings, clock: Clock) -> KiteFeed:
    """Return the feed that takes the login of an account, anew at each connection: a new one counts without a start."""
    account = account_of(settings, settings.feed.account)
    options = kite_settings(account.settings.options)
    at = KiteFeedSettings(api_key=options.api_key, access_token=SecretStr(""))
    if options.socket_root:
        at = at.model_copy(update={"root": options.socket_root})
    wall = WallClock()

    async def token() -> SecretStr:
        try:
            return (await account.living_session(wall)).access_token
        except OSError as error:
            raise Unavailable(account.name, f"its session cannot be read: {error.strerror}") from error

    return KiteFeed(at, clock, token)


def _is_simulated(settings: AppSettings) -> bool:
    """Whether ticks come from a simulator, which plays any day and tells its own time."""
    if settings.feed.broker == "simulator":
        return True
    return bool(settings.feed.account) and account_of(settings, settings.feed.account).is_simulated


def _rest(settings: AppSettings) -> str:
    if not settings.feed.account:
        return KITE_REST
    return kite_settings(account_of(settings, settings.feed.account).settings.options).root


def _desk(socket_url: str) -> str:
    parts = urlsplit(socket_url)
    return urlunsplit(("https" if parts.scheme == "wss" else "http", parts.netloc, "/instruments", "", ""))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the instruments file {path} cannot be read: {error}") from error


async def _get(url: str) -> str:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
            session.get(url) as answer,
        ):
            answer.raise_for_status()
            return await answer.text(errors="replace")
    except TimeoutError as error:
        raise Unavailable(urlsplit(url).netloc, f"no answer within {ANSWER_SECONDS:g} s") from error
    except aiohttp.ClientResponseError as error:
        raise Unavailable(urlsplit(url).netloc, f"it answered HTTP {error.status}") from error
    except aiohttp.ClientError as error:
        raise Unavailable(urlsplit(url).netloc, in_our_words(error)) from error
