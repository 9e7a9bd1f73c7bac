"""`niftyflow keys` and `niftyflow link`: who may use the gateway, also while it does not run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from niftyflow.gateway.keys import Keyring
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_keys import SqliteKeyStore
from support.command_line import Niftyflow, niftyflow

__all__ = ["niftyflow"]


async def identified(workspace: Path, *, key: str = "", ticket: str = "") -> str | None:
    """Return the name of the key that a key's or ticket's text stands for."""
    book = SqliteBookStore(workspace / "book.db")
    await book.open()
    keyring = Keyring(SqliteKeyStore(book.database), CacheChannel(MemoryHotStore()))
    identity = await (keyring.of_key(key) if key else keyring.use_ticket(ticket))
    await book.close()
    return None if identity is None else identity.name


def test_a_key_is_made_listed_and_revoked(niftyflow: Niftyflow, tmp_path: Path):
    """Its text alone goes to standard output, once."""
    made = niftyflow("--workspace", tmp_path, "keys", "create", "notebook", "--scope", "read", "--scope", "trade")
    assert made.code == 0
    secret = made.out.strip()
    assert secret.startswith("nfk_")
    assert secret not in made.said
    assert asyncio.run(identified(tmp_path, key=secret)) == "notebook"

    listed = niftyflow("--workspace", tmp_path, "keys", "list")
    assert "notebook" in listed.out
    assert "read trade" in listed.out
    assert "holds" in listed.out
    (key,) = json.loads(niftyflow("--workspace", tmp_path, "keys", "list", "--json").out)
    assert (key["scopes"], key["tier"], key["revoked_at"]) == (["read", "trade"], "standard", None)
    assert "hash" not in key

    assert niftyflow("--workspace", tmp_path, "keys", "revoke", "notebook").code == 0
    assert "revoked" in niftyflow("--workspace", tmp_path, "keys", "list").out
    assert asyncio.run(identified(tmp_path, key=secret)) is None
    again = niftyflow("--workspace", tmp_path, "keys", "revoke", key["id"])
    assert again.code == 2
    assert "no key" in again.said


def test_a_name_that_holds_is_not_given_twice(niftyflow: Niftyflow, tmp_path: Path):
    """It says what to do."""
    niftyflow("--workspace", tmp_path, "keys", "create", "notebook")
    again = niftyflow("--workspace", tmp_path, "keys", "create", "notebook")
    assert again.code == 2
    assert "revoke it first" in again.said


def test_a_link_signs_in_once(niftyflow: Niftyflow, tmp_path: Path):
    """In the name of the key that was asked for, at the port that was."""
    niftyflow("--workspace", tmp_path, "keys", "create", "phone", "--tier", "premium", "--days", "2")
    link = niftyflow("--workspace", tmp_path, "link", "--key", "phone", "--port", "9000")
    assert link.code == 0
    address, _, ticket = link.out.strip().partition("/#ticket=")
    assert address == "http://127.0.0.1:9000"
    assert asyncio.run(identified(tmp_path, ticket=ticket)) == "phone"
    assert asyncio.run(identified(tmp_path, ticket=ticket)) is None


def test_without_keys_it_says_how_they_come_about(niftyflow: Niftyflow, tmp_path: Path):
    """And makes no files by looking."""
    for command, code in ((("keys", "list"), 3), (("keys", "revoke", "x"), 3), (("link",), 3)):
        ran = niftyflow("--workspace", tmp_path / "new", *command)
        assert ran.code == code
        assert "there are no keys" in ran.said
    assert not (tmp_path / "new").exists()
    niftyflow("--workspace", tmp_path, "keys", "create", "a")
    assert "no key named b" in niftyflow("--workspace", tmp_path, "link", "--key", "b").said
