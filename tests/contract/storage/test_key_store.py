"""The key store's contract: hashes in, hashes out; a ticket once; a revoked key takes its sessions along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from niftyflow.model import Refused, Unavailable
from niftyflow.storage.key_ports import ApiKey, BrowserSession, KeyStore, Ticket
from support.books import KEY_ENGINES

OpenKeys = Callable[[], AbstractAsyncContextManager[KeyStore]]


@pytest.fixture
def open_keys(key_engine: str, tmp_path: Path) -> OpenKeys:
    """Return what opens one engine's key store; opened again it is the same."""
    return lambda: KEY_ENGINES[key_engine](tmp_path)


@pytest.fixture
async def keys(open_keys: OpenKeys) -> AsyncIterator[KeyStore]:
    """Open an empty key store."""
    async with open_keys() as store:
        yield store


def a_key(**changes: Any) -> ApiKey:
    """Return a key that holds from 100 to 1,000."""
    fields = {
        "id": "k1", "hash": "h1", "name": "owner", "scopes": ("read", "trade"), "tier": "owner", "created_at": 100,
        "expires_at": 1_000,
    }  # fmt: skip
    return ApiKey(**(fields | changes))


async def test_a_key_comes_back_as_it_was_by_its_hash(keys: KeyStore):
    """And no other."""
    await keys.add_key(a_key())
    assert await keys.key_of("h1") == a_key()
    assert await keys.key_of("h2") is None


async def test_keys_are_listed_oldest_first(keys: KeyStore):
    """The revoked too."""
    second = a_key(id="k2", hash="h2", name="second", created_at=50)
    await keys.add_key(a_key())
    await keys.add_key(second)
    await keys.revoke_key("k2", 300)
    assert await keys.keys() == [msgspec.structs.replace(second, revoked_at=300), a_key()]


@pytest.mark.parametrize(
    "change", [{"id": "k2", "hash": "h2"}, {"id": "k2", "name": "other"}, {"hash": "h2", "name": "x"}]
)
async def test_a_second_key_of_that_id_hash_or_holding_name_is_refused(keys: KeyStore, change):
    """Nothing is stored."""
    await keys.add_key(a_key())
    with pytest.raises(Refused):
        await keys.add_key(a_key(**change))
    assert await keys.keys() == [a_key()]


async def test_a_name_is_free_again_once_its_key_was_revoked_or_has_expired(keys: KeyStore):
    """What counts is the moment at which the new one begins."""
    await keys.add_key(a_key())
    await keys.add_key(a_key(id="k2", hash="h2", created_at=1_000, expires_at=2_000))
    assert await keys.revoke_key("k2", 1_100)
    await keys.add_key(a_key(id="k3", hash="h3", created_at=1_200, expires_at=2_000))
    assert [each.id for each in await keys.keys()] == ["k1", "k2", "k3"]


async def test_a_key_is_revoked_once_and_its_sessions_and_tickets_end(keys: KeyStore):
    """Those of others stay."""
    await keys.add_key(a_key())
    await keys.add_key(a_key(id="k2", hash="h2", name="other"))
    for number in (1, 2):
        await keys.add_session(a_session(hash=f"s{number}", key_id=f"k{number}"))
        await keys.add_ticket(a_ticket(hash=f"t{number}", key_id=f"k{number}"))
    assert await keys.revoke_key("k1", 300)
    assert not await keys.revoke_key("k1", 400)
    assert not await keys.revoke_key("nobody", 400)
    assert await keys.session_of("s1") is None
    assert await keys.use_ticket("t1", 200) is None
    assert await keys.session_of("s2") is not None
    assert await keys.use_ticket("t2", 200) is not None
    revoked = await keys.key_of("h1")
    assert revoked is not None
    assert revoked.revoked_at == 300
    assert not revoked.holds(200)


async def test_a_session_comes_with_its_key_until_it_is_ended(keys: KeyStore):
    """Whether it is over is the reader's to say."""
    await keys.add_key(a_key())
    await keys.add_session(a_session())
    assert await keys.session_of("s1") == (a_session(), a_key())
    await keys.end_session("s1")
    assert await keys.session_of("s1") is None


async def test_sessions_and_tickets_that_are_over_are_forgotten_by_the_next(keys: KeyStore):
    """So the tables do not grow for ever."""
    await keys.add_key(a_key())
    await keys.add_session(a_session())
    await keys.add_session(a_session(hash="s2", created_at=500, expires_at=900))
    assert await keys.session_of("s1") is None
    assert await keys.session_of("s2") is not None


async def test_a_ticket_is_used_once_and_not_after_its_end(keys: KeyStore):
    """It gives the key in whose name it signs in."""
    await keys.add_key(a_key())
    await keys.add_ticket(a_ticket())
    assert await keys.use_ticket("t1", 499) == a_key()
    assert await keys.use_ticket("t1", 499) is None
    await keys.add_ticket(a_ticket())
    assert await keys.use_ticket("t1", 500) is None
    assert await keys.use_ticket("unknown", 200) is None


async def test_of_two_who_use_a_ticket_at_once_one_gets_in(keys: KeyStore):
    """Both are answered."""
    await keys.add_key(a_key())
    await keys.add_ticket(a_ticket())
    found = await asyncio.gather(*(keys.use_ticket("t1", 200) for _ in range(5)))
    assert sorted(each is not None for each in found) == [False] * 4 + [True]


async def test_of_two_keys_of_one_name_added_at_once_one_is_kept(keys: KeyStore, open_keys: OpenKeys):
    """Also when two processes add them."""
    async with open_keys() as other:
        added = await asyncio.gather(
            *(store.add_key(a_key(id=f"k{n}", hash=f"h{n}")) for n, store in enumerate([keys, other] * 4)),
            return_exceptions=True,
        )
    assert [str(each) for each in added if each is not None] == [
        "a key named owner holds already: revoke it first, or choose another name"
    ] * 7
    assert len(await keys.keys()) == 1


async def test_a_store_that_is_closed_is_unavailable(open_keys: OpenKeys):
    """Nobody is let in or kept out by mistake."""
    async with open_keys() as store:
        pass
    with pytest.raises(Unavailable):
        await store.key_of("h1")


def a_session(**changes: Any) -> BrowserSession:
    """Return a session from 100 to 500."""
    fields = {"hash": "s1", "key_id": "k1", "created_at": 100, "expires_at": 500}
    return BrowserSession(**(fields | changes))


def a_ticket(**changes: Any) -> Ticket:
    """Return a ticket from 100 to 500."""
    fields = {"hash": "t1", "key_id": "k1", "created_at": 100, "expires_at": 500}
    return Ticket(**(fields | changes))
