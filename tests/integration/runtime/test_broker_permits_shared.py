"""Permits of a broker account where the settings say: in a real Redis for all machines, else beside the login."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from niftyflow.brokers.capabilities import CallKind
from niftyflow.kit.clock import WallClock
from niftyflow.model import Misconfigured
from niftyflow.runtime.broker_accounts import account_of, brokers_folder, governed
from niftyflow.storage.redis_cells import RedisCells
from niftyflow.storage.settings import RedisSettings
from support.broker_settings import with_accounts
from support.redis import RedisServer, redis_server

__all__ = ["redis_server"]


@pytest.mark.redis
async def test_with_redis_the_permits_are_there_and_not_in_files(redis_server: RedisServer) -> None:
    """Under the account's label, whatever the settings call it, and under the prefix of the deployment."""
    hot = {"engine": "redis", "url": f"redis://127.0.0.1:{redis_server.port}/0", "prefix": f"{uuid4().hex}:"}
    settings = with_accounts("ours", hot=hot)
    account = account_of(settings, "ours")
    async with governed(settings, account, WallClock()) as gate:
        await gate.take(CallKind.QUOTES)
        assert gate.trouble == ""
    assert not list(brokers_folder().glob("permits-*"))
    held: list[bytes | None] = []

    def look(text: bytes | None, _now: int) -> bytes:
        held.append(text)
        return text or b""

    cells = RedisCells(RedisSettings(url=hot["url"], prefix=hot["prefix"]))
    await cells.open()
    await cells.change(f"broker-permits/kite-{account.label}/quotes", look)
    await cells.close()
    assert held[-1]


async def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Something else lies there."""
    (tmp_path / "niftyflow").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = with_accounts("ours")
    with pytest.raises(Misconfigured, match=r"cannot be kept in .*: make it a folder writable for this user"):
        async with governed(settings, account_of(settings, "ours"), WallClock()):
            pass
