"""`niftyflow broker`: what there is, the cards of one, and the exit code when a case fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from niftyflow.brokers.conformance.cards import Card, GroundName, Outcome, Result, write_card
from niftyflow.brokers.conformance.cases import CASES
from support.command_line import Niftyflow, niftyflow

__all__ = ["niftyflow"]

LOGIN = {"user_id": "XX0000", "user_name": "Somebody", "api_key": "recorded", "access_token": "a-token",
         "login_time": "2023-11-15 09:00:00"}  # fmt: skip
PROFILE = {"user_id": "XX0000", "user_type": "individual", "email": "x@example.com", "user_name": "Somebody",
           "user_shortname": "Some", "broker": "ZERODHA", "exchanges": ["NSE"], "products": ["CNC"],
           "order_types": ["LIMIT"], "meta": {}}  # fmt: skip


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Return a folder with a login and a profile, and nothing else."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    record(folder, "generate_session.json", LOGIN)
    record(folder, "profile.json", PROFILE)
    return folder


def record(folder: Path, name: str, data: dict[str, Any]) -> None:
    """Write an answer of Kite's."""
    (folder / name).write_text(json.dumps({"status": "success", "data": data}))


def outcomes(card: dict[str, Any]) -> dict[str, str]:
    """Return what each case of a card came to."""
    return {result["case"]: result["outcome"] for result in card["results"]}


def test_the_brokers_are_listed_with_what_they_can_do(niftyflow: Niftyflow, tmp_path: Path):
    """As a table for people, and as JSON."""
    listed = niftyflow("--workspace", tmp_path, "broker", "list")
    assert listed.code == 0
    for fact in ("niftyflow.brokers.kite.adapter:KITE_ADAPTER", "LIMIT, MARKET, SL, SL-M", "orders: 10 a second",
                 "06:00 IST", "experimental"):  # fmt: skip
        assert fact in listed.out
    (kite,) = json.loads(niftyflow("--workspace", tmp_path, "broker", "list", "--json").out)
    assert (kite["name"], kite["is_experimental"], kite["capabilities"]["has_gtt"]) == ("kite", True, True)


def test_a_card_says_what_passed_and_why_the_rest_was_not_run(
    niftyflow: Niftyflow, tmp_path: Path, recordings: Path
):  # fmt: skip
    """The profile was recorded, funds were not; no account and no simulator are asked."""
    ran = niftyflow(
        "--workspace", tmp_path, "broker", "verify", "kite", "--recordings", recordings, "--ground", "recorded",
        "--ground", "live",
    )  # fmt: skip
    assert ran.code == 0
    assert "not run: funds: not recorded: GET /user/margins" in ran.out
    assert f"live       0 passed, 0 failed, 0 not offered, {len(CASES)} not run" in ran.out
    assert "live trading through kite is experimental: there is no live card" in ran.out
    kept = json.loads((tmp_path / "cards" / "kite-recorded.json").read_text())
    assert outcomes(kept)["profile"] == "passed"
    assert (kept["broker"], kept["ground"], kept["adapter"]) == (
        "kite", "recorded", "niftyflow.brokers.kite.adapter:KITE_ADAPTER",
    )  # fmt: skip
    assert not (tmp_path / "cards" / "kite-live.json").exists()


def test_a_case_that_fails_is_told_and_ends_the_command_with_1(niftyflow: Niftyflow, tmp_path: Path, recordings: Path):
    """A profile without exchanges is none."""
    record(recordings, "profile.json", PROFILE | {"exchanges": []})
    ran = niftyflow(
        "--workspace", tmp_path, "broker", "verify", "kite", "--recordings", recordings, "--ground", "recorded"
    )
    assert ran.code == 1
    assert "FAILED" in ran.out
    assert "failed: profile: the profile names no exchange" in ran.out
    again = niftyflow(
        "--workspace", tmp_path, "broker", "verify", "kite", "--recordings", recordings, "--ground", "recorded",
        "--case", "session", "--json",
    )  # fmt: skip
    assert again.code == 0
    (card,) = json.loads(again.out)["cards"]
    assert outcomes(card) == {"session": "passed"}
    kept = json.loads((tmp_path / "cards" / "kite-recorded.json").read_text())
    assert outcomes(kept)["profile"] == "failed"  # a part of the cases is no card


def test_cases_run_on_the_simulator_by_their_names(niftyflow: Niftyflow, tmp_path: Path):
    """One that trades, on an exchange that the command starts itself."""
    ran = niftyflow(
        "--workspace", tmp_path, "broker", "verify", "kite", "--ground", "simulator", "--case", "limit-order"
    )
    assert ran.code == 0
    assert "simulator  1 passed, 0 failed" in ran.out


def test_an_account_at_a_simulator_makes_no_live_card(niftyflow: Niftyflow, tmp_path: Path):
    """It would end the experiment with nothing shown."""
    (tmp_path / "niftyflow.toml").write_text(
        '[brokers.pretended]\nbroker = "kite"\n'
        'options = {root = "http://127.0.0.1:1", login_page = "http://127.0.0.1:1/connect/login", api_key = "key"}\n'
    )
    ran = niftyflow("--workspace", tmp_path, "broker", "verify", "kite", "--ground", "live", "--account", "pretended")
    assert ran.code == 0
    assert "the account pretended is at a simulator, which proves nothing of a live one" in ran.out


def test_an_account_that_nobody_is_logged_in_to_is_not_run(
    niftyflow: Niftyflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With the command that logs in; the broker is not asked."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "niftyflow.toml").write_text('[brokers.mine]\nbroker = "kite"\noptions = {api_key = "key"}\n')
    ran = niftyflow("--workspace", tmp_path, "broker", "verify", "kite", "--ground", "live", "--account", "mine")
    assert ran.code == 0
    assert "nobody is logged in to mine today: log in: niftyflow login mine" in ran.out


def test_a_live_card_that_passed_is_told(niftyflow: Niftyflow, tmp_path: Path):
    """The experiment is over where one lies, for this adapter."""
    musts = ("session", "profile", "funds", "positions", "order-book", "trades")
    results = tuple(Result(case=name, shows="It.", outcome=Outcome.PASSED) for name in musts)
    adapter = "niftyflow.brokers.kite.adapter:KITE_ADAPTER"
    write_card(
        tmp_path / "cards",
        Card(broker="kite", ground=GroundName.LIVE, adapter=adapter, version="1", at=0, results=results),
    )
    assert "a live card has passed" in niftyflow("--workspace", tmp_path, "broker", "list").out


def test_what_is_not_there_is_refused_with_what_there_is(niftyflow: Niftyflow, tmp_path: Path):
    """A broker, a case, an account."""
    for arguments, words in (
        (("nobody",), "there is no broker 'nobody': there are kite"),
        (("kite", "--case", "nothing"), f"there is no case nothing: {CASES[0]}, "),
        (("kite", "--ground", "live", "--account", "mine"), "there is no account 'mine'"),
    ):
        ran = niftyflow("--workspace", tmp_path, "broker", "verify", *arguments)
        assert (ran.code, words in ran.said) == (5, True), ran
