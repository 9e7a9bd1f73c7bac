"""Two gateways over one database and one real Redis: one limit, keys forgotten by both, and Redis killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from niftyflow.cli.keys import _revoke
from niftyflow.gateway.app import create_app
from niftyflow.gateway.keys import COOKIE, first_key, new_key
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.kit.clock import WallClock
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.key_ports import ApiKey
from niftyflow.storage.redis_hot import RedisHotStore
from niftyflow.storage.settings import RedisSettings
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_keys import SqliteKeyStore
from support.cached import counted
from support.gateways import YESTERDAYS_CLOSE, sources
from support.redis import RedisServer
from support.waiting import until

pytestmark = pytest.mark.redis
SCOPES = ["read", "admin"]
CLOCK, PRICES, SESSION, INSTRUMENTS = "/api/v1/clock", "/api/v1/prices", "/api/v1/session", "/api/v1/instruments"


class CountedKeys(SqliteKeyStore):
    """Keys in a real book; counts how often it was asked for one."""

    asked = 0

    async def key_of(self, hash: str) -> ApiKey | None:  # noqa: A002 - the port's
        """Count, and let others ask meanwhile."""
        self.asked += 1
        await asyncio.sleep(0)
        return await super().key_of(hash)


@dataclass
class One:
    """A gateway with a client that has a key, and what is behind it."""

    client: httpx.AsyncClient
    sources: Sources
    keys: CountedKeys

    async def status(self, path: str = CLOCK, **headers: str) -> int:
        """Return the status of a GET."""
        return (await self.client.get(path, headers=headers)).status_code


@asynccontextmanager
async def one_of(behind: Sources, redis: RedisSettings, secret: str, settings: GatewaySettings) -> AsyncIterator[One]:
    """Run a gateway with a connection to Redis of its own, over the market and the book of others."""
    hot = RedisHotStore(redis)
    await hot.open()
    assert isinstance(behind.book, SqliteBookStore)
    keys = CountedKeys(behind.book.database)
    own = Sources(
        bus=behind.bus, market=behind.market, decisions=behind.decisions, book=behind.book, hot=hot,
        health=type(behind.health)(), clock=behind.clock, caller=behind.caller, commands=behind.commands,
        account=behind.account,
    )  # fmt: skip
    app = create_app(own, settings, keys)
    await own.channel.open()
    own.health.worker("gateway").runs()
    try:
        await until(lambda: own.channel.is_heard)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway", headers={"X-API-KEY": secret}
        ) as client:
            yield One(client, own, keys)
    finally:
        await own.channel.close()
        await hot.close()


@asynccontextmanager
async def two(folder: Path, redis: RedisSettings, **settings: float) -> AsyncIterator[tuple[One, One]]:
    """Run two gateways that share all stores, and a standard key for both."""
    patient = {"standard_per_second": 1e6, "standard_burst": 1_000_000, "query_limit_seconds": 60}
    chosen = GatewaySettings.model_validate({**patient, **settings})
    async with sources(folder) as behind:
        assert isinstance(behind.book, SqliteBookStore)
        key, secret = new_key("shared", SCOPES, "standard", WallClock().now(), 1)
        await SqliteKeyStore(behind.book.database).add_key(key)
        async with (
            one_of(behind, redis, secret, chosen) as one,
            one_of(behind, redis, secret, chosen) as other,
        ):
            yield one, other


@pytest.fixture
def server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    """Start a server to be ill-treated."""
    return start_redis()


async def key_id(one: One) -> str:
    """Return the id of the key that both use."""
    found = (await one.client.get("/api/v1/keys")).json()["data"]
    return next(str(each["id"]) for each in found if each["name"] == "shared")


async def test_a_thousand_requests_with_a_key_that_nobody_remembers_ask_the_store_once(
    tmp_path: Path, redis_server: RedisServer
):
    """All of them are let in; what is looked up besides is loaded once too, by two gateways together."""
    before = counted("misses", "hot", "instruments")
    async with two(tmp_path, redis_server.settings()) as (one, other):
        assert Counter(await asyncio.gather(*(one.status(INSTRUMENTS) for _ in range(1000)))) == {200: 1000}
        assert one.keys.asked == 1
        assert counted("misses", "hot", "instruments") == before + 1
        assert await other.status(INSTRUMENTS) == 200
        assert (other.keys.asked, counted("misses", "hot", "instruments")) == (1, before + 1)
        told = (await one.client.get("/metrics")).text
    assert 'cache_hits_total{kind="keys",tier="process"}' in told
    assert 'cache_misses_total{kind="instruments",tier="hot"}' in told


async def test_what_one_gateway_found_the_other_has_from_redis(tmp_path: Path, redis_server: RedisServer):
    """Prices from candles, closes and instruments come back as they were; who may come in is not in Redis."""
    kinds = ("last-candles", "previous-closes", "instruments")
    settings = redis_server.settings()
    async with two(tmp_path, settings) as (one, other):
        first = (await one.client.get(PRICES)).json()["data"]
        assert first[0]["previous_close"] == YESTERDAYS_CLOSE["INFY"]
        hits = {kind: counted("hits", "hot", kind) for kind in kinds}
        assert (await other.client.get(PRICES)).json()["data"] == first
        assert {kind: counted("hits", "hot", kind) - hits[kind] for kind in kinds} == dict.fromkeys(kinds, 1)
        stored = {key.decode() for key in redis_server.call("KEYS", f"{settings.prefix}cache:*")}
    assert {key.removeprefix(f"{settings.prefix}cache:").partition(":")[0] for key in stored} == set(kinds)


async def test_a_key_revoked_in_one_gateway_is_worth_nothing_in_the_other(tmp_path: Path, redis_server: RedisServer):
    """At once: neither the key nor a browser that it signed in."""
    async with two(tmp_path, redis_server.settings()) as (one, other):
        signed_in = await other.client.post(SESSION, json={"key": other.client.headers["X-API-KEY"]})
        cookie = f"{COOKIE}={signed_in.cookies[COOKIE]}"
        del other.client.cookies[COOKIE]
        revoked = await key_id(one)
        key = other.client.headers.pop("X-API-KEY")
        assert await other.status(X_API_KEY="") == 401
        assert [await other.status(**{"X-API-KEY": key}), await other.status(Cookie=cookie)] == [200, 200]
        assert (await one.client.delete(f"/api/v1/keys/{revoked}")).status_code == 200

        async def is_out() -> bool:
            return [await other.status(**{"X-API-KEY": key}), await other.status(Cookie=cookie)] == [401, 401]

        await until(is_out, 20)  # the message is on its way; by itself it would be forgotten after a minute
        assert await one.status() == 401


async def test_a_browser_that_signs_out_of_one_gateway_is_out_of_the_other(tmp_path: Path, redis_server: RedisServer):
    """Its key holds."""
    async with two(tmp_path, redis_server.settings()) as (one, other):
        key = one.client.headers.pop("X-API-KEY")
        other.client.headers.pop("X-API-KEY")
        signed_in = await one.client.post(SESSION, json={"key": key})
        cookie = {"Cookie": f"{COOKIE}={signed_in.cookies[COOKIE]}", "X-Requested-With": "niftyflow"}
        assert await other.status(**cookie) == 200
        assert (await one.client.delete(SESSION, headers=cookie)).status_code == 200

        async def is_out() -> bool:
            return await other.status(**cookie) == 401

        await until(is_out, 20)
        assert await other.status(**{"X-API-KEY": key}) == 200


async def test_a_key_revoked_by_command_is_forgotten_by_a_gateway_at_once(
    tmp_path: Path, redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
):
    """The command tells them by Redis, and says so; with Redis away it revokes all the same."""
    redis = redis_server.settings()
    text = f'[hot]\nengine = "redis"\nurl = "{redis.url.get_secret_value()}"\nprefix = "{redis.prefix}"\n'
    (tmp_path / "niftyflow.toml").write_text(text)
    (tmp_path / "niftyflow.toml").chmod(0o600)
    async with two(tmp_path, redis) as (one, other):
        assert [await each.status() for each in (one, other)] == [200, 200]
        await _revoke(Workspace(tmp_path), "shared")

        async def are_out() -> bool:
            return [await each.status() for each in (one, other)] == [401, 401]

        await until(are_out, 20)
        assert "every gateway was told" in capsys.readouterr().out
        (tmp_path / "niftyflow.toml").write_text('[hot]\nengine = "redis"\nurl = "redis://127.0.0.1:1/0"\n')
        assert await first_key(one.keys, GatewaySettings(), tmp_path / "api-key", WallClock().now())
        await _revoke(Workspace(tmp_path), "owner")
        said = capsys.readouterr()
        assert "the gateways cannot be told" in said.err
        assert "within a minute" in said.out
        assert all(key.revoked_at is not None for key in await one.keys.keys())


async def test_gateways_share_one_limit(tmp_path: Path, redis_server: RedisServer):
    """A burst of ten is ten in both together; another key has its own."""
    async with two(tmp_path, redis_server.settings(), standard_per_second=0.001, standard_burst=10) as (one, other):
        got = Counter([await (one, other)[n % 2].status() for n in range(16)])
        assert got == {200: 10, 429: 6}
        key, another = new_key("another", SCOPES, "standard", WallClock().now(), 1)
        await one.keys.add_key(key)
        assert await other.status(**{"X-API-KEY": another}) == 200


async def test_while_redis_is_away_each_gateway_limits_by_itself_and_says_so(tmp_path: Path, server: RedisServer):
    """Neither all nor nobody gets through; what was taken before counts; the limit is shared again when it is back."""
    async with two(tmp_path, server.settings(), standard_per_second=0.001, standard_burst=10) as (one, other):
        assert [await one.status() for _ in range(4)] == [200] * 4
        server.kill()
        with capture_logs() as said:
            got = Counter([await one.status("/health/live") for _ in range(3)])
            assert got == {200: 3}
            away = Counter([await one.status(SESSION) for _ in range(20)])
        assert away == {200: 6, 429: 14}
        assert Counter([await other.status(SESSION) for _ in range(20)]) == {200: 10, 429: 10}
        assert [each["event"] for each in said].count("limits_not_shared") == 1
        worker = one.sources.health.worker("gateway")
        assert worker.state.value == "running"
        assert "limits are not shared" in worker.reason
        server.start()
        key, another = new_key("another", SCOPES, "owner", WallClock().now(), 1)
        await one.keys.add_key(key)

        async def is_shared() -> bool:
            await one.status(SESSION, **{"X-API-KEY": another})
            return worker.reason == ""

        await until(is_shared)
