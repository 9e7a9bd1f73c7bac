"""Accounts at brokers: found by name, told apart by what the broker tells them apart by, governed as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from niftyflow.brokers.capabilities import CallKind
from niftyflow.brokers.errors import SessionDead
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Misconfigured, Refused
from niftyflow.runtime.broker_accounts import (
    account_of,
    account_to_log_in,
    adapter_of,
    broker_account,
    brokers_folder,
    governed,
    used_accounts,
)
from niftyflow.runtime.settings import AppSettings
from support.broker_settings import KEY, SECRET, seal, with_accounts

NOON = 1_700_030_400_000


def at(name: str, **options: object) -> AppSettings:
    """Return settings with one account of these options."""
    return AppSettings.model_validate({"brokers": {name: {"broker": "kite", "options": options}}})


def test_an_unknown_broker_is_told_which_there_are() -> None:
    """Kite comes with niftyflow, by its entry point."""
    assert adapter_of("kite").name == "kite"
    with pytest.raises(Misconfigured, match=r"no broker 'kiet': there are kite"):
        adapter_of("kiet")
    settings = AppSettings.model_validate({"brokers": {"mine": {"broker": "kiet"}}})
    with pytest.raises(Misconfigured, match=r"\[brokers.mine\] there is no broker 'kiet'"):
        account_of(settings, "mine")


def test_options_that_cannot_be_are_named_and_their_values_are_not() -> None:
    """Whatever stands there may be a secret."""
    for options in ({"api_key": KEY, "lunar": SECRET}, {"api_key": KEY, "poll_seconds": SECRET}):
        with pytest.raises(Misconfigured, match=r"\[brokers.mine\] options: .*(lunar|poll_seconds)") as refused:
            account_of(at("mine", **options), "mine")
        assert SECRET not in str(refused.value)
    with pytest.raises(Misconfigured, match="api_key"):
        account_of(at("mine"), "mine")


def test_an_account_that_is_not_there_is_told_which_are() -> None:
    """By name, and by broker for a login."""
    settings = with_accounts("ours", "theirs")
    with pytest.raises(Misconfigured, match=r"no account 'hers' in \[brokers\], there are ours, theirs"):
        account_of(settings, "hers")
    with pytest.raises(Misconfigured, match=r"there are none: add \[brokers.hers\]"):
        account_of(AppSettings(), "hers")
    with pytest.raises(Refused, match="say which of ours, theirs"):
        account_to_log_in(settings, "kite")
    assert account_to_log_in(settings, "theirs").name == "theirs"
    assert account_to_log_in(with_accounts("ours"), "kite").name == "ours"


def test_one_app_is_one_account_under_any_name_and_a_simulator_is_another() -> None:
    """So that a second workspace shares its login and its limits, and a rehearsal touches neither."""
    ours = account_of(at("ours", api_key=KEY), "ours")
    same = account_of(at("zerodha", api_key=KEY, api_secret=SECRET, poll_seconds=9), "zerodha")
    simulated = account_of(at("ours", api_key=KEY, root="http://127.0.0.1:8765"), "ours")
    assert ours.label == same.label
    assert simulated.label != ours.label
    assert (ours.is_simulated, simulated.is_simulated) == (False, True)
    assert SECRET not in repr(same)


def test_only_accounts_that_are_used_are_watched() -> None:
    """Where orders go and ticks come from, each once; a feed of a simulator needs no login."""
    settings = with_accounts("a", "b", "c", feed={"broker": "kite", "account": "b"}, trading={"orders_to": "b"})
    assert [each.name for each in used_accounts(settings)] == ["b"]
    settings = with_accounts("a", "b", "c", feed={"account": "c"}, trading={"orders_to": "b"})
    assert [each.name for each in used_accounts(settings)] == ["b"]
    assert used_accounts(with_accounts("a")) == []


async def test_a_login_is_found_until_it_dies() -> None:
    """None, alive, dead; the command to run is said."""
    settings, clock = with_accounts("ours"), VirtualClock(NOON)
    account = account_of(settings, "ours")
    assert await account.session(clock) is None
    with pytest.raises(SessionDead, match="log in: niftyflow login ours"):
        await account.living_session(clock)
    login = seal(settings, "ours", NOON + 1000)
    assert await account.living_session(clock) == login
    clock.advance_to(NOON + 1000)
    with pytest.raises(SessionDead, match="niftyflow login ours"):
        await account.living_session(clock)
    assert await account.session(clock) == login


def test_the_folder_is_the_user_s_and_not_the_workspace_s(surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By XDG's rule; a path that is not whole counts as none."""
    assert brokers_folder() == surroundings / ".local" / "state" / "niftyflow" / "brokers"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert brokers_folder() == surroundings / ".local" / "state" / "niftyflow" / "brokers"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/desk")
    assert brokers_folder() == Path("/var/lib/desk/niftyflow/brokers")


async def test_two_names_of_one_app_spend_the_same_permits() -> None:
    """In a file that says so: one ledger entry, and both calls in it."""
    clock = VirtualClock(NOON)
    for name in ("ours", "zerodha"):
        settings = at(name, api_key=KEY)
        async with governed(settings, account_of(settings, name), clock) as gate:
            await gate.take(CallKind.QUOTES)
    files = [each.name for each in brokers_folder().glob("permits-*quotes") if not each.name.endswith(".lock")]
    assert len(files) == 1
    label = account_of(at("ours", api_key=KEY), "ours").label
    assert label in files[0]


async def test_an_account_is_open_within_a_with_and_governed() -> None:
    """After it no call leaves: the governor is closed, as the adapter is."""
    settings = at("ours", api_key=KEY, root="http://127.0.0.1:9", socket_root="")
    async with broker_account(settings, "ours", VirtualClock(NOON)) as broker:
        assert broker.capabilities.name == "kite"
        assert await broker.session_of_today() is None
    with pytest.raises(Refused):
        await broker.instruments()
