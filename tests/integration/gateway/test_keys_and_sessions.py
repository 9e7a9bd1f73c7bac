"""Who gets in: keys, scopes and rates; one-time tickets, cookies, and requests that another site's page makes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import httpx
import pytest

from niftyflow.gateway import keys as access
from niftyflow.gateway.keys import COOKIE, KEY_PREFIX, Keyring, first_key, hash_of, link_of, new_key, new_ticket
from niftyflow.kit.clock import VirtualClock, WallClock
from niftyflow.model import Misconfigured, Refused, Unavailable
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.key_ports import ApiKey
from support.gateways import Gateway, gateway
from support.stores import SecondsClock

CLOCK, KEYS, SESSION = "/api/v1/clock", "/api/v1/keys", "/api/v1/session"
OURS = {"X-Requested-With": "niftyflow"}


async def made(served: Gateway, *scopes: str, tier: str = "standard", life_days: int = 1, at: int | None = None) -> str:
    """Make a key and return its text."""
    now = WallClock().now() if at is None else at
    key, secret = new_key("-".join([*scopes, tier]), list(scopes), tier, now, life_days)
    await served.keys.add_key(key)
    return secret


def contents(folder: Path, pattern: str) -> list[bytes]:
    """Return what is in files."""
    return [each.read_bytes() for each in folder.glob(pattern)]


async def code_of(client: httpx.AsyncClient, method: str, path: str, **changes) -> str:
    """Return the error's code of a request, or success."""
    async with client:
        body = (await client.request(method, path, **changes)).json()
    return body["error"]["code"] if body["status"] == "error" else "success"


async def test_a_key_goes_in_either_header(served: Gateway):
    """X-API-KEY wins where both are."""
    for headers in ({"X_API_KEY": served.secret}, {"Authorization": f"Bearer {served.secret}"}):
        assert await code_of(served.anonymous(**headers), "GET", CLOCK) == "success"
    both = served.anonymous(X_API_KEY="wrong", Authorization=f"Bearer {served.secret}")
    assert await code_of(both, "GET", CLOCK) == "unauthenticated"


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"X_API_KEY": ""}, {"X_API_KEY": "wrong"}, {"X_API_KEY": "x" * 10_000}, {"Authorization": "Basic abc"},
        {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Cookie": f"{COOKIE}=wrong"}, {"Cookie": "other=1"},
        {"Cookie": f"{COOKIE}={'x' * 500}"},
    ],
)  # fmt: skip
async def test_without_a_key_that_holds_nobody_gets_in(served: Gateway, headers):
    """To no route of the API, and to no metrics."""
    for path in (CLOCK, KEYS, SESSION, "/api/v1/nothing", "/metrics", "/docs", "/openapi.json", "/health/ready"):
        assert await code_of(served.anonymous(**headers), "GET", path) == "unauthenticated"
    assert await code_of(served.anonymous(**headers), "GET", "/health/live") == "success"


async def test_an_expired_or_revoked_key_does_not_hold(served: Gateway):
    """Both are told as unknown: a stranger learns nothing."""
    expired = await made(served, "read", at=WallClock().now() - 2 * access.DAY_MS)
    assert await code_of(served.anonymous(X_API_KEY=expired), "GET", CLOCK) == "unauthenticated"
    revoked = await made(served, "read", tier="premium")
    assert await code_of(served.anonymous(X_API_KEY=revoked), "GET", CLOCK) == "success"
    (key,) = [each for each in (await served.client.get(KEYS)).json()["data"] if each["tier"] == "premium"]
    assert (await served.client.delete(f"{KEYS}/{key['id']}")).status_code == 200
    assert await code_of(served.anonymous(X_API_KEY=revoked), "GET", CLOCK) == "unauthenticated"
    assert (await served.client.delete(f"{KEYS}/{key['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("scopes", "method", "path", "expected"),
    [
        (["read"], "GET", CLOCK, "success"),
        (["trade"], "GET", CLOCK, "forbidden"),
        (["read"], "POST", "/api/v1/orders", "forbidden"),
        (["read"], "PUT", "/api/v1/kill-switch", "forbidden"),
        (["read"], "POST", "/api/v1/nothing", "forbidden"),
        (["read", "trade"], "GET", KEYS, "forbidden"),
        (["read", "trade"], "POST", KEYS, "forbidden"),
        (["admin"], "GET", KEYS, "success"),
        (["admin"], "GET", CLOCK, "forbidden"),
        (["trade"], "GET", "/metrics", "forbidden"),
    ],
)
async def test_a_key_does_what_its_scopes_say_and_no_more(served: Gateway, scopes, method, path, expected):
    """No scope includes another."""
    secret = await made(served, *scopes)
    assert await code_of(served.anonymous(X_API_KEY=secret), method, path) == expected


async def test_each_key_has_its_own_rate_and_is_told_when_to_come_back(tmp_path: Path):
    """The other key is not held up."""
    async with gateway(tmp_path, standard_per_second=0.5, standard_burst=2) as served:
        one, other = [await made(served, *scopes) for scopes in (["read"], ["read", "admin"])]
        async with served.anonymous(X_API_KEY=one) as client:
            found = [await client.get(CLOCK) for _ in range(3)]
        assert [each.status_code for each in found] == [200, 200, 429]
        assert found[-1].headers["retry-after"] == "2"
        assert found[-1].json()["error"]["code"] == "too_many_requests"
        assert await code_of(served.anonymous(X_API_KEY=other), "GET", CLOCK) == "success"


async def test_signing_in_is_limited_by_address(tmp_path: Path):
    """As there is no key yet."""
    async with gateway(tmp_path, standard_burst=2, standard_per_second=0.01) as served:
        codes = [await code_of(served.anonymous(), "POST", SESSION, json={"key": "wrong"}) for _ in range(3)]
        assert codes == ["unauthenticated", "unauthenticated", "too_many_requests"]
        elsewhere = served.anonymous("10.0.0.7")
        assert await code_of(elsewhere, "POST", SESSION, json={"key": served.secret}) == "success"


async def test_a_key_is_made_listed_without_its_text_and_works(served: Gateway):
    """Its text is told once."""
    response = await served.client.post(KEYS, json={"name": "notebook", "scopes": ["read", "read"], "days": 1})
    assert response.status_code == 201
    key = response.json()["data"]
    secret = key.pop("key")
    assert secret.startswith(KEY_PREFIX)
    assert (key["scopes"], key["tier"], key["revoked_at"]) == (["read"], "standard", None)
    assert key["expires_at"] - key["created_at"] == access.DAY_MS
    listed = (await served.client.get(KEYS)).json()["data"]
    assert key in listed
    assert not any("hash" in each or "key" in each for each in listed)
    assert await code_of(served.anonymous(X_API_KEY=secret), "GET", CLOCK) == "success"
    assert (await served.client.post(KEYS, json={"name": "notebook", "scopes": ["read"]})).status_code == 409


async def test_a_ticket_signs_one_browser_in_once(served: Gateway):
    """The cookie can be read by no script and is sent to no other site's request."""
    ticket = await new_ticket(served.keys, served.settings, WallClock().now())
    async with served.anonymous() as browser:
        response = await browser.post(SESSION, json={"ticket": ticket})
        assert response.status_code == 200
        flags = response.headers["set-cookie"].lower()
        assert "httponly" in flags
        assert "samesite=strict" in flags
        assert "path=/" in flags
        assert "secure" not in flags
        found = (await browser.get(SESSION)).json()["data"]
        assert found == response.json()["data"]
        assert (found["name"], found["account"], found["is_demo"]) == ("owner", "paper-1", False)
        assert found["scopes"] == ["read", "trade", "admin"]
        secret = browser.cookies[COOKIE]
    assert ticket not in str(await served.keys.session_of(hash_of(secret)))
    assert await code_of(served.anonymous(), "POST", SESSION, json={"ticket": ticket}) == "unauthenticated"


async def test_a_browser_signs_in_by_key_and_out(served: Gateway):
    """Signed out, the same cookie is worth nothing; the key still holds."""
    async with served.anonymous(**{"X-Requested-With": "niftyflow"}) as browser:
        assert (await browser.post(SESSION, json={"key": served.secret})).status_code == 200
        secret = browser.cookies[COOKIE]
        assert (await browser.delete(SESSION)).json() == {"status": "success", "data": None}
        assert COOKIE not in browser.cookies
    assert await code_of(served.anonymous(Cookie=f"{COOKIE}={secret}"), "GET", CLOCK) == "unauthenticated"
    assert await code_of(served.anonymous(X_API_KEY=served.secret), "GET", CLOCK) == "success"


@pytest.mark.parametrize("body", [{}, {"ticket": "a", "key": "b"}, {"ticket": None}])
async def test_signing_in_takes_either_a_ticket_or_a_key(served: Gateway, body):
    """Not both, not neither."""
    assert await code_of(served.anonymous(), "POST", SESSION, json=body) == "invalid_value"


async def test_over_https_the_cookie_stays_there(served: Gateway):
    """A browser then never sends it in the open."""
    transport = httpx.ASGITransport(served.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway") as browser:
        response = await browser.post(SESSION, json={"key": served.secret})
    assert "secure" in response.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "forbidden"),
        ({"Origin": "http://evil.example"}, "forbidden"),
        ({"X-Requested-With": "XMLHttpRequest"}, "forbidden"),
        ({"Origin": "http://gateway"}, "success"),
        (OURS, "success"),
    ],
)
async def test_a_change_by_cookie_must_be_meant_by_our_page(served: Gateway, headers, expected):
    """Another site can make a browser send our cookie, but neither header."""
    async with served.anonymous() as browser:
        await browser.post(SESSION, json={"key": served.secret})
        cookie = f"{COOKIE}={browser.cookies[COOKIE]}"
    body = {"name": "made", "scopes": ["read"]}
    assert await code_of(served.anonymous(Cookie=cookie, **headers), "POST", KEYS, json=body) == expected
    assert await code_of(served.anonymous(Cookie=cookie), "GET", KEYS) == "success"


async def test_a_session_ends_with_its_key(tmp_path: Path):
    """It never outlives it, and a revoked key takes it along at once."""
    async with gateway(tmp_path, session_life_days=30) as served:
        secret = await made(served, "read", life_days=2)
        async with served.anonymous() as browser:
            found = (await browser.post(SESSION, json={"key": secret})).json()["data"]
            (key,) = [each for each in await served.keys.keys() if each.hash == hash_of(secret)]
            assert found["expires_at"] == key.expires_at
            assert (await browser.get(CLOCK)).status_code == 200
            await served.client.delete(f"{KEYS}/{key.id}")
            assert (await browser.get(CLOCK)).status_code == 401


async def test_what_is_remembered_still_ends_in_time(served: Gateway):
    """An identity is kept for a minute, but not beyond its own end; then the store is asked again."""
    clock, seconds = VirtualClock(WallClock().now()), SecondsClock()
    keyring = Keyring(served.keys, CacheChannel(served.sources.hot, seconds), clock)
    key, secret = await keyring.add("short", ["read"], "standard", 1)
    assert await keyring.of_key(secret) is not None
    await served.keys.revoke_key(key.id, clock.now())  # by another process
    assert await keyring.of_key(secret) is not None
    seconds.now += access.KEPT_SECONDS
    assert await keyring.of_key(secret) is None
    _, other = await keyring.add("other", ["read"], "standard", 1)
    assert await keyring.of_key(other) is not None
    clock.advance_to(clock.now() + access.DAY_MS)
    assert await keyring.of_key(other) is None


async def test_a_key_revoked_by_another_process_takes_a_browser_that_is_known_along(served: Gateway):
    """A session is remembered apart from its key, and holds no longer than that."""
    secret = await made(served, "read")
    keyring: Keyring = served.app.state.keyring
    async with served.anonymous() as browser:
        assert (await browser.post(SESSION, json={"key": secret})).status_code == 200
        assert (await browser.get(CLOCK)).status_code == 200
        (key,) = [each for each in await served.keys.keys() if each.hash == hash_of(secret)]
        await served.keys.revoke_key(key.id, WallClock().now())
        assert (await browser.get(CLOCK)).status_code == 200
        keyring._keys.drop([key.hash])  # as when it is told
        assert (await browser.get(CLOCK)).status_code == 401


async def test_the_first_key_is_kept_for_its_owner_alone_and_made_once(tmp_path: Path):
    """Its text is in the file, and nowhere in the database."""
    async with gateway(tmp_path) as served:
        file = tmp_path / "api-key"
        assert file.read_text() == f"{served.secret}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        now = WallClock().now()
        assert await first_key(served.keys, served.settings, file, now) is None
        (key,) = await served.keys.keys()
        assert (key.name, key.tier, key.scopes) == ("owner", "owner", ("read", "trade", "admin"))
        assert not any(served.secret.encode() in each for each in contents(tmp_path, "book.db*"))
        again = await first_key(served.keys, served.settings, file, key.expires_at)
        assert again is not None
        assert again != served.secret
        assert file.read_text() == f"{again}\n"
        assert contents(tmp_path, "api-key*") == [f"{again}\n".encode()]


async def test_a_file_that_others_could_read_is_replaced(tmp_path: Path):
    """Whatever was there before."""
    (tmp_path / "api-key").write_text("old")
    (tmp_path / "api-key").chmod(0o644)
    async with gateway(tmp_path):
        assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600


async def test_a_key_that_cannot_be_kept_is_not_made(tmp_path: Path):
    """One line says what to do."""
    async with gateway(tmp_path) as served:
        await served.keys.revoke_key((await served.keys.keys())[0].id, WallClock().now())
        with pytest.raises(Misconfigured, match="choose another workspace"):
            await first_key(served.keys, served.settings, tmp_path / "absent" / "api-key", WallClock().now())
        assert len(await served.keys.keys()) == 1


async def test_a_ticket_is_in_the_name_of_the_key_that_may_do_most_or_of_the_one_named(served: Gateway):
    """And is refused when there is none."""
    await made(served, "read")
    keyring: Keyring = served.app.state.keyring
    now = WallClock().now()
    for name, expected in ((None, "owner"), ("read-standard", "read-standard")):
        identity = await keyring.use_ticket(await new_ticket(served.keys, served.settings, now, name))
        assert identity is not None
        assert identity.name == expected
    with pytest.raises(Refused, match="no key named nobody"):
        await new_ticket(served.keys, served.settings, now, "nobody")
    assert await keyring.use_ticket("x" * 300) is None


async def test_a_link_carries_its_ticket_where_no_server_logs_it():
    """Behind the #."""
    assert link_of("http://127.0.0.1:8000/", "abc") == "http://127.0.0.1:8000/#ticket=abc"


async def test_while_the_store_is_away_nobody_is_turned_away_as_unknown(served: Gateway):
    """It is 503: the key may well hold."""

    class Away:
        async def key_of(self, _: str) -> ApiKey | None:
            raise Unavailable("book.db", "it is locked")

    served.app.state.keyring._store = Away()
    assert await code_of(served.anonymous(X_API_KEY=KEY_PREFIX + os.urandom(8).hex()), "GET", CLOCK) == "unavailable"
