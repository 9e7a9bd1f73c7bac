"""Exit codes and the one line that goes with them."""

from __future__ import annotations

import os

import pytest

import niftyflow as package
from niftyflow.cli.app import Exit, exit_code_of, first_of
from niftyflow.model import (
    Broken,
    DecodeError,
    InvalidValue,
    LeaseHeld,
    Misconfigured,
    NiftyflowError,
    Refused,
    Retryable,
    Unavailable,
    Unknown,
    UnknownInstrument,
)
from support.command_line import Niftyflow, niftyflow

__all__ = ["niftyflow"]


def test_the_version_is_the_package_s(niftyflow: Niftyflow):
    """Printed and left."""
    assert niftyflow("--version") == (0, f"niftyflow {package.__version__}\n", "")


def test_help_names_every_command(niftyflow: Niftyflow):
    """Without a command the same is shown."""
    ran = niftyflow("--help")
    assert ran.code == 0
    for command in ("demo", "up", "sim", "replay", "import", "candles", "status", "dlq"):
        assert f" {command} " in ran.out
    assert "Usage" in "".join(niftyflow()[1:])


@pytest.mark.parametrize("arguments", [("nonsense",), ("up", "--broker", "nobody"), ("dlq", "show", "first")])
def test_a_command_line_that_cannot_be_is_refused(niftyflow: Niftyflow, arguments):
    """2, with the usage."""
    ran = niftyflow(*arguments)
    assert ran.code == Exit.REFUSED
    assert "Usage" in ran.said


@pytest.mark.parametrize("command", [("up",), ("replay", "2024-01-18"), ("demo",)])
def test_an_unknown_setting_is_one_line(niftyflow: Niftyflow, tmp_path, monkeypatch, command):
    """5, naming the setting and what to do."""
    monkeypatch.setenv("NIFTYFLOW_FEED__SYBMOLS", "NSE:INFY")
    ran = niftyflow("--workspace", tmp_path / "ws", *command)
    assert ran.code == Exit.MISCONFIGURED
    assert ran.said == (
        "niftyflow: NIFTYFLOW_FEED__SYBMOLS: unknown setting feed.sybmols: remove it or correct its name\n"
    )
    assert ran.out == ""


def test_the_settings_file_of_the_workspace_is_read(niftyflow: Niftyflow, tmp_path):
    """And named when it is wrong."""
    (tmp_path / "niftyflow.toml").write_text("[ingestion]\ngrace_ms = 'soon'\n")
    ran = niftyflow("--workspace", tmp_path, "up")
    assert ran.code == Exit.MISCONFIGURED
    assert ran.said.startswith(f"niftyflow: {tmp_path}/niftyflow.toml: setting ingestion.grace_ms is 'soon'")
    assert len(ran.said.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
@pytest.mark.parametrize("command", [("up", "--no-gateway"), ("demo",)])
def test_a_read_only_workspace_is_one_line(niftyflow: Niftyflow, tmp_path, command):
    """5, and how to choose another."""
    tmp_path.chmod(0o500)
    ran = niftyflow("--workspace", tmp_path, *command)
    tmp_path.chmod(0o700)
    assert ran.code == Exit.MISCONFIGURED
    assert "--workspace" in ran.said
    assert len(ran.said.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("replay", "nowhere.csv"), "neither a file nor a day"),
        (("replay", "2024-01-18"), "has recorded nothing on 2024-01-18"),
        (("status",), "ws"),
        (("dlq", "list"), "niftyflow demo"),
        (("up", "--no-gateway", "--broker", "kite"), "NIFTYFLOW_KITE__ACCESS_TOKEN"),
        (("up", "--no-gateway", "--url", "http://example.com"), "setting feed.url is 'http://example.com'"),
        (("up", "--no-gateway", "--instruments", "nowhere.csv"), "nowhere.csv cannot be read"),
    ],
)
def test_surroundings_that_do_not_allow_a_start_are_one_line(niftyflow: Niftyflow, tmp_path, command, says):
    """5, and what to do."""
    ran = niftyflow("--workspace", tmp_path / "ws", *command)
    assert ran.code == Exit.MISCONFIGURED
    (line,) = [each for each in ran.said.splitlines() if " [info " not in each]
    assert line.startswith("niftyflow: ")
    assert says in line


def test_a_file_in_the_workspace_s_place_is_one_line(niftyflow: Niftyflow, tmp_path):
    """Whatever needs it."""
    (tmp_path / "ws").write_text("")
    ran = niftyflow("--workspace", tmp_path / "ws", "up", "--no-gateway")
    assert ran.code == Exit.MISCONFIGURED
    assert "choose another with --workspace" in ran.said


def test_a_symbol_nobody_knows_is_refused(niftyflow: Niftyflow, tmp_path):
    """2: the request is wrong, not the surroundings."""
    ran = niftyflow("--workspace", tmp_path / "ws", "up", "--no-gateway", "--symbols", "NYSE:IBM")
    assert ran.code == Exit.REFUSED
    assert "NYSE" in ran.said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("x"), Exit.MISCONFIGURED),
        (Refused("x"), Exit.REFUSED),
        (InvalidValue("field", 1, "x"), Exit.REFUSED),
        (UnknownInstrument("x"), Exit.REFUSED),
        (LeaseHeld("x", "y"), Exit.REFUSED),
        (Broken("x"), Exit.REFUSED),
        (DecodeError("x", b""), Exit.REFUSED),
        (Retryable("x"), Exit.AWAY),
        (Unavailable("x", "y"), Exit.AWAY),
        (Unknown("x"), Exit.UNEXPECTED),
        (NiftyflowError("x"), Exit.UNEXPECTED),
    ],
)
def test_every_error_of_the_tree_has_its_code(error, code):
    """Scripts rely on the numbers."""
    assert exit_code_of(error) is code


def test_of_several_errors_at_once_ours_is_told():
    """However deep it stands in groups; otherwise the first."""
    ours, other = Refused("ours"), ValueError("other")
    assert first_of(ExceptionGroup("all", [other, ExceptionGroup("inner", [KeyError("x"), ours])])) is ours
    assert first_of(ExceptionGroup("all", [other, KeyError("x")])) is other
    assert first_of(ours) is ours


def test_the_codes_are_those_of_the_reference():
    """The page is written by hand; the numbers are not free."""
    assert {code.name: code.value for code in Exit} == {
        "DONE": 0, "UNEXPECTED": 1, "REFUSED": 2, "NOTHING_FOUND": 3, "AWAY": 4, "MISCONFIGURED": 5, "INTERRUPTED": 130,
    }  # fmt: skip
