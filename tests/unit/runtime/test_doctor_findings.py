"""What the doctor finds: well, to be looked at, or broken; each with what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from niftyflow.kit.addresses import listening
from niftyflow.kit.clock import WallClock
from niftyflow.runtime.doctor import Finding, Verdict, examine
from niftyflow.runtime.serving import front_door, open_gateway
from niftyflow.runtime.settings import AppSettings, load
from niftyflow.runtime.wiring import Process, engines
from niftyflow.runtime.workspace import Workspace
from support.broker_settings import KEY, seal, with_accounts


async def findings(workspace: Workspace) -> dict[str, Finding]:
    """Examine a workspace; return what was found by name."""
    return {each.name: each for each in await examine(workspace)}


async def opened(folder: Path) -> Workspace:
    """Return a workspace with all its stores, and settings that ask for a free port."""
    workspace = Workspace(folder)
    async with engines(workspace, AppSettings()):
        pass
    workspace.settings_file.write_text("[gateway]\nport = 0\n")
    workspace.settings_file.chmod(0o600)
    return workspace


async def test_a_sound_workspace_has_nothing_that_fails(tmp_path):
    """Every thing the issue names is looked at; nothing is left behind."""
    workspace = await opened(tmp_path / "ws")
    before = sorted(workspace.path.rglob("*"))
    found = await findings(workspace)
    assert [each for each in found.values() if each.verdict is Verdict.FAIL] == []
    assert list(found) == [
        "python", "packages", "settings", "port", "disk space", "disk speed", "clock", "time zones", "calendar",
        "market database", "book", "log", "pages", "secrets",
    ]  # fmt: skip
    assert "sound" in found["book"].text
    assert {each.name for each in sorted(workspace.path.rglob("*"))} <= {each.name for each in before} | {
        "market.db-wal",
        "market.db-shm",
        "book.db-wal",
        "book.db-shm",
    } | {f"{each.name}{end}" for each in before for end in ("-wal", "-shm")}


async def test_a_workspace_that_is_not_there_yet_is_no_failure(tmp_path):
    """Whoever looks before the first start is told what will be made."""
    found = await findings(Workspace(tmp_path / "nothing" / "yet"))
    assert found["book"].verdict is Verdict.OK
    assert "made at the first start" in found["log"].text
    assert not (tmp_path / "nothing").exists()


async def test_wrong_settings_fail_with_the_line_to_correct(tmp_path):
    """The same line that a start would end with."""
    workspace = await opened(tmp_path)
    workspace.settings_file.write_text("[gateway]\nprot = 1\n")
    found = (await findings(workspace))["settings"]
    assert found.verdict is Verdict.FAIL
    assert "unknown setting gateway.prot" in found.text


async def test_a_taken_port_is_a_warning_that_says_what_to_do(tmp_path):
    """It may be niftyflow itself that holds it."""
    workspace = await opened(tmp_path)
    with listening("127.0.0.1", 0) as holder:
        workspace.settings_file.write_text(f"[gateway]\nport = {holder.getsockname()[1]}\n")
        found = (await findings(workspace))["port"]
    assert found.verdict is Verdict.WARN
    assert "--port" in found.text


async def test_a_port_that_our_own_gateway_has_is_well(tmp_path):
    """Another workspace's, which refuses our key, is not ours."""
    ours, other = await opened(tmp_path / "ours"), await opened(tmp_path / "other")
    settings = load(ours.settings_file)
    async with engines(ours, settings) as on, front_door(settings, 0) as door:
        for workspace in (ours, other):
            workspace.settings_file.write_text(f"[gateway]\nport = {door.address.rpartition(':')[2]}\n")
        other.key_file.write_text("nfk_of-another")
        async with open_gateway(door, ours, settings, on, Process(ours, settings, on), WallClock()):
            assert (await findings(ours))["port"].verdict is Verdict.OK
            assert (await findings(other))["port"].verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("name", "of"), [("book.db", "book"), ("market.db", "market database"), ("log/signals.db", "log")]
)
async def test_a_damaged_file_fails_by_name(tmp_path, name, of):
    """Not with a traceback."""
    workspace = await opened(tmp_path)
    file = workspace.path / name
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
    whole = file.read_bytes()
    file.write_bytes(b"x" * 100 + whole[100:])
    found = (await findings(workspace))[of]
    assert found.verdict is Verdict.FAIL
    assert str(file) in found.text
    assert "backup" in found.text


async def test_a_secret_that_others_may_read_fails_with_the_command(tmp_path):
    """The very line to type: chmod 600 and the file."""
    workspace = await opened(tmp_path)
    workspace.key_file.write_text("nfk_x")
    workspace.key_file.chmod(0o644)
    found = (await findings(workspace))["secrets"]
    assert found.verdict is Verdict.FAIL
    assert f"chmod 600 {workspace.key_file}" in found.text


async def test_the_login_of_each_account_is_looked_at(tmp_path):
    """Alive, missing with the command, and an account that cannot be."""
    workspace = await opened(tmp_path)
    key = f"{KEY}-ours"
    workspace.settings_file.write_text(
        f'[gateway]\nport = 0\n[brokers.ours]\nbroker = "kite"\noptions = {{ api_key = "{key}" }}\n'
        '[brokers.idle]\nbroker = "kite"\noptions = { api_key = "another" }\n[brokers.odd]\nbroker = "kiet"\n'
    )
    seal(with_accounts("ours"), "ours", WallClock().now() + 3_600_000)
    found = await findings(workspace)
    assert found["broker ours"].verdict is Verdict.OK
    assert "logged in as AB1234 (Asha Rao) until" in found["broker ours"].text
    assert found["broker idle"] == Finding("broker idle", Verdict.WARN, "not logged in: niftyflow login idle")
    assert found["broker odd"].verdict is Verdict.FAIL
    seal(with_accounts("ours"), "ours", WallClock().now() - 1)
    ended = (await findings(workspace))["broker ours"]
    assert ended == Finding("broker ours", Verdict.WARN, "the login has ended: niftyflow login ours")
