"""The workspace: where things are, and one line when it cannot be had."""

from __future__ import annotations

import os
import stat

import pytest

from niftyflow.model import Misconfigured
from niftyflow.runtime.stores import market_of
from niftyflow.runtime.workspace import Workspace
from support.market import INFY


def test_the_default_is_in_the_home_unless_the_environment_says_otherwise(surroundings, monkeypatch):
    """`~/.niftyflow`; an empty variable counts for nothing."""
    assert Workspace.default().path == surroundings / ".niftyflow"
    monkeypatch.setenv("NIFTYFLOW_WORKSPACE", "")
    assert Workspace.default().path == surroundings / ".niftyflow"
    monkeypatch.setenv("NIFTYFLOW_WORKSPACE", "~/elsewhere")
    assert Workspace.default().path == surroundings / "elsewhere"


def test_nothing_is_made_before_it_is_asked_for(tmp_path):
    """Looking at a workspace leaves no trace."""
    workspace = Workspace(tmp_path / "ws")
    assert (workspace.settings_file.name, workspace.log.name) == ("niftyflow.toml", "log")
    assert list(tmp_path.iterdir()) == []


def test_it_is_made_for_its_owner_alone_and_making_it_again_is_fine(tmp_path):
    """Tokens and orders will be in it."""
    workspace = Workspace(tmp_path / "a" / "b").create()
    assert stat.S_IMODE(workspace.path.stat().st_mode) == 0o700
    assert workspace.create() is workspace


def test_a_file_in_its_way_is_one_line(tmp_path):
    """It names the path and what to do."""
    (tmp_path / "ws").write_text("")
    for path in (tmp_path / "ws", tmp_path / "ws" / "below"):
        with pytest.raises(Misconfigured, match=r"cannot be made .* choose another with --workspace"):
            Workspace(path).create()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_a_read_only_workspace_is_one_line(tmp_path):
    """It names the path and what to do."""
    tmp_path.chmod(0o500)
    with pytest.raises(Misconfigured, match="read-only: choose another with --workspace"):
        Workspace(tmp_path).create()
    with pytest.raises(Misconfigured, match="cannot be made"):
        Workspace(tmp_path / "below").create()
    tmp_path.chmod(0o700)


async def test_its_market_store_is_open_for_the_time_of_a_with(tmp_path):
    """What was written is there for the next who looks, who may only look."""
    workspace = Workspace(tmp_path).create()
    async with market_of(workspace) as market:
        await market.save_instruments([INFY])
    async with market_of(workspace, read_only=True) as market:
        assert [each.symbol for each in await market.instruments(INFY.valid_from)] == ["INFY"]


async def test_reading_what_is_not_there_says_so(tmp_path):
    """And makes nothing."""
    with pytest.raises(Misconfigured):
        async with market_of(Workspace(tmp_path / "ws"), read_only=True):
            pass
    assert not (tmp_path / "ws").exists()


def test_a_killed_process_is_named_until_another_one_answers_at_its_address(tmp_path):
    """Its file is left over: the one that wrote the address last is the one that is there, whatever the names."""
    for number, name in enumerate(["zeta", "alpha", "other"]):
        place = Workspace(tmp_path, name).create()
        place.address_file.write_text("http://127.0.0.1:9" if name == "other" else "http://127.0.0.1:8")
        os.utime(place.address_file, (1000 + number, 1000 + number))
    assert Workspace(tmp_path).addresses() == {"alpha": "http://127.0.0.1:8", "other": "http://127.0.0.1:9"}
    os.utime(Workspace(tmp_path, "zeta").address_file, (2000, 2000))
    assert list(Workspace(tmp_path).addresses()) == ["other", "zeta"]
