"""Logins that will not outlive the session: told at the start and at 08:30, as metric, and in health."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.health import Health, State, Worker
from niftyflow.runtime.broker_accounts import account_of, brokers_folder, used_accounts
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.token_watch import (
    TokenWatch,
    close_of_today,
    is_reminder_due,
    outlives,
    watched,
    why_dying,
)
from support.broker_settings import replaced, seal, with_accounts
from support.market import ist
from support.waiting import until

DAY = "2026-01-05"
"""A Monday on which NSE trades."""
AT_SIX = ist("2026-01-06", "06:00")


@pytest.fixture
def settings() -> AppSettings:
    """Orders go to one account of two."""
    return with_accounts("ours", "idle", trading={"orders_to": "ours"})


def left(name: str) -> float | None:
    """Return the metric of an account."""
    return REGISTRY.get_sample_value("broker_token_left_seconds", {"account": name})


def test_a_login_must_be_good_until_the_close(settings: AppSettings) -> None:
    """None, one that ends before, one that has ended: each with what to do; and one that is good."""
    account, login = account_of(settings, "ours"), seal(settings, "ours", AT_SIX)
    now, close = ist(DAY, "09:00"), ist(DAY, "15:30")
    assert outlives(login, close)
    assert why_dying(account, login, close, now) == ""
    early = replaced(login, dies_at=ist(DAY, "12:00"))
    assert not outlives(early, close)
    assert not outlives(None, close)
    assert why_dying(account, early, close, now) == (
        "the login to ours ends 2026-01-05 12:00 IST, before 15:30; log in: niftyflow login ours"
    )
    assert "has ended, 2026-01-05 12:00 IST" in why_dying(account, early, close, ist(DAY, "13:00"))
    assert why_dying(account, None, close, now) == "nobody is logged in to ours; log in: niftyflow login ours"


def test_the_close_is_that_of_today_s_session() -> None:
    """None when it is over or there is none; a day the calendar does not know counts as one that trades."""
    assert close_of_today(ist(DAY, "00:00")) == ist(DAY, "15:30")
    assert close_of_today(ist(DAY, "15:29")) == ist(DAY, "15:30")
    assert close_of_today(ist(DAY, "15:30")) is None
    assert close_of_today(ist("2026-01-04", "10:00")) is None
    assert close_of_today(ist("2099-01-05", "10:00")) == ist("2099-01-05", "15:30")


def test_a_reminder_is_due_at_the_start_and_when_half_past_eight_has_come() -> None:
    """Once a day, however late the look is."""
    assert is_reminder_due(0, ist(DAY, "03:00"))
    assert not is_reminder_due(ist(DAY, "03:00"), ist(DAY, "08:29"))
    assert is_reminder_due(ist(DAY, "08:29"), ist(DAY, "08:30"))
    assert is_reminder_due(ist(DAY, "08:29"), ist(DAY, "11:00"))
    assert not is_reminder_due(ist(DAY, "08:30"), ist(DAY, "11:00"))
    assert is_reminder_due(ist(DAY, "08:30"), ist("2026-01-06", "08:30"))


async def test_who_is_not_logged_in_is_reminded_and_told_no_more_once_logged_in(settings: AppSettings) -> None:
    """At the start, at 08:30, and when the login is lost in between; health says it as long as it is so."""
    clock, worker = VirtualClock(ist(DAY, "07:00")), Worker("broker logins")
    watch = TokenWatch(used_accounts(settings), clock, worker)
    reminders = []
    for time in ("07:00", "08:00", "08:31", "09:00"):
        clock.advance_to(ist(DAY, time))
        with capture_logs() as logs:
            await watch.look()
        reminders.append([each["account"] for each in logs if each["event"] == "broker_token_dying"])
        assert (worker.state, "niftyflow login ours" in worker.reason) == (State.RUNNING, True)
        assert left("ours") == 0
    assert reminders == [["ours"], [], ["ours"], []]
    seal(settings, "ours", AT_SIX)
    with capture_logs() as logs:
        await watch.look()
    assert (logs, worker.reason) == ([], "")
    assert left("ours") == (AT_SIX - ist(DAY, "09:00")) / 1000
    for file in brokers_folder().glob("*.session"):
        file.unlink()
    with capture_logs() as logs:
        await watch.look()
    assert [each["event"] for each in logs] == ["broker_token_dying"]


async def test_after_the_close_and_at_night_nobody_is_disturbed(settings: AppSettings) -> None:
    """The old login dies at six, when nothing trades."""
    clock, worker = VirtualClock(ist(DAY, "16:00")), Worker("broker logins")
    watch = TokenWatch(used_accounts(settings), clock, worker)
    seal(settings, "ours", AT_SIX)
    with capture_logs() as logs:
        await watch.look()
        clock.advance_to(ist("2026-01-06", "00:01"))
        await watch.look()
    assert logs == []
    assert "ends 2026-01-06 06:00 IST, before 15:30" in worker.reason


async def test_a_session_that_others_may_read_is_a_reason_too(settings: AppSettings) -> None:
    """It counts as no login."""
    seal(settings, "ours", AT_SIX)
    for file in brokers_folder().glob("*.session"):
        file.chmod(0o644)
    worker = Worker("broker logins")
    await TokenWatch(used_accounts(settings), VirtualClock(ist(DAY, "10:00")), worker).look()
    assert "chmod 600" in worker.reason
    assert left("ours") == 0


async def test_it_looks_until_it_is_cancelled(settings: AppSettings) -> None:
    """And says then that it looks no more."""
    worker = Worker("broker logins")
    watching = asyncio.create_task(TokenWatch(used_accounts(settings), VirtualClock(ist(DAY, "10:00")), worker).run())
    await until(lambda: worker.state is State.RUNNING)
    watching.cancel()
    await asyncio.wait([watching])
    assert worker.state is State.STOPPED


async def test_a_process_that_needs_logins_watches_them_as_long_as_it_runs(settings: AppSettings) -> None:
    """Health says so from its start to its end; without accounts there is nothing to say."""
    health = Health()
    async with watched([], health):
        assert health.report() == []
    async with watched(used_accounts(settings), health):
        await until(lambda: health.worker("broker logins").state is State.RUNNING)
    assert health.worker("broker logins").state is State.STOPPED
