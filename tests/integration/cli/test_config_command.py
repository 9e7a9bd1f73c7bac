"""`niftyflow config` and `niftyflow doctor` as commands: what they print, what they write, and their exit codes."""

from __future__ import annotations

import io
import json
import sys

import pytest

from niftyflow.runtime.settings import load
from support.command_line import Niftyflow, niftyflow

__all__ = ["niftyflow"]


def answers(monkeypatch, *lines: str) -> None:
    """Type these lines."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))


def test_the_wizard_asks_again_until_an_answer_can_be(niftyflow: Niftyflow, tmp_path, monkeypatch):
    """An empty line takes the default; what was typed is written, valid, for its owner alone."""
    answers(monkeypatch, "kite", "my-app", "my-secret", "NSE:INFY, TCS", "", "-5", "250000", "", "", "9000", "true")
    ran = niftyflow("--workspace", tmp_path, "config", "init")
    assert ran.code == 0, ran
    assert "setting trading.capital_rupees is '-5'" in ran.out
    file = tmp_path / "niftyflow.toml"
    found = load(file)
    assert (found.feed.broker, found.feed.account, found.feed.symbols) == ("kite", "zerodha", ["NSE:INFY", "TCS"])
    assert found.brokers["zerodha"].options == {"api_key": "my-app", "api_secret": "my-secret"}
    assert found.trading.orders_to == "paper"
    assert (found.trading.capital_rupees, found.gateway.port, found.log.json_lines) == (250_000, 9000, True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert niftyflow("--workspace", tmp_path, "config", "check").code == 0
    shown = niftyflow("--workspace", tmp_path, "config", "show", "--changed", "--json")
    told = {each["name"]: each["value"] for each in json.loads(shown.out)}
    assert told["brokers.zerodha.broker"] == '"kite"'
    assert told["brokers.zerodha.options.api_secret"] == "(hidden)"
    assert "my-secret" not in ran.out + shown.out


@pytest.mark.parametrize("arguments", [("--yes",), ()])
def test_a_file_that_is_there_is_not_overwritten_unasked(niftyflow: Niftyflow, tmp_path, monkeypatch, arguments):
    """2, and the file is as it was."""
    file = tmp_path / "niftyflow.toml"
    file.write_text("# mine\n")
    answers(monkeypatch, "n")
    ran = niftyflow("--workspace", tmp_path, "config", "init", *arguments)
    assert ran.code == 2
    assert "stays as it is" in ran.said
    assert file.read_text() == "# mine\n"


def test_defaults_are_written_unasked_with_yes(niftyflow: Niftyflow, tmp_path):
    """A file to edit."""
    assert niftyflow("--workspace", tmp_path / "new", "config", "init", "--yes").code == 0
    assert "# port = 8000" in (tmp_path / "new" / "niftyflow.toml").read_text()


def test_a_wrong_file_and_a_missing_one_are_5(niftyflow: Niftyflow, tmp_path):
    """One line, with what to do."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[gateway]\nport = 'soon'\n")
    ran = niftyflow("config", "check", wrong)
    assert ran.code == 5
    assert "setting gateway.port is 'soon'" in ran.said
    ran = niftyflow("--workspace", tmp_path, "config", "check")
    assert ran.code == 5
    assert "config init" in ran.said


def test_a_setting_is_explained(niftyflow: Niftyflow):
    """Meaning, type, limits, default and variable; 2 for one that is none."""
    ran = niftyflow("config", "explain", "gateway.port")
    assert ran.code == 0
    for part in ("Port to listen on", "whole number", "at most 65535", "8000", "NIFTYFLOW_GATEWAY__PORT"):
        assert part in ran.out
    ran = niftyflow("config", "explain", "gateway.prot")
    assert ran.code == 2
    assert "gateway.port" in ran.said


@pytest.mark.parametrize("name", ["brokers.zerodha.unlocked", "NIFTYFLOW_BROKERS__ZERODHA__UNLOCKED"])
def test_a_setting_of_an_account_is_explained_under_any_name_of_it(niftyflow: Niftyflow, name):
    """NAME stands for what the account is called."""
    ran = niftyflow("config", "explain", name)
    assert ran.code == 0
    for part in ("brokers.NAME.unlocked", "read_only, one_share, limits, full", "NIFTYFLOW_BROKERS__NAME__UNLOCKED"):
        assert part in ran.out
    assert "NAME.options" in niftyflow("config", "explain", "brokers").out


def test_the_doctor_s_exit_code_is_its_verdict(niftyflow: Niftyflow, tmp_path):
    """0 when nothing fails, 1 when something does; a line each, or JSON."""
    (tmp_path / "niftyflow.toml").write_text("[gateway]\nport = 0\n")
    (tmp_path / "niftyflow.toml").chmod(0o600)
    tmp_path.chmod(0o700)
    ran = niftyflow("--workspace", tmp_path, "doctor")
    assert ran.code == 0, ran.out
    assert len(ran.out.splitlines()) == 14
    (tmp_path / "niftyflow.toml").chmod(0o644)
    ran = niftyflow("--workspace", tmp_path, "doctor", "--json")
    assert ran.code == 1
    assert {each["name"] for each in json.loads(ran.out) if each["verdict"] == "fail"} == {"secrets"}
