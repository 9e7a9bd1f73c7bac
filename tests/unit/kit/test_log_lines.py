"""Logging: events with fields, for machines and for people, never on standard output."""

from __future__ import annotations

import json

import pytest
import structlog
from pydantic import SecretStr

from niftyflow.kit.log import configure, get_logger


@pytest.fixture(autouse=True)
def as_before():
    """Leave logging as it was found."""
    before = structlog.get_config() if structlog.is_configured() else None
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


def test_json_lines_carry_event_module_level_time_and_fields(capsys):
    """One object a line, on standard error."""
    configure(json=True)
    get_logger("here").info("candles_stored", count=3)
    output = capsys.readouterr()
    line = json.loads(output.err)
    assert (line["event"], line["module"], line["level"], line["count"]) == ("candles_stored", "here", "info", 3)
    assert line["timestamp"].endswith("Z")
    assert output.out == ""


def test_the_level_is_the_least_that_is_shown(capsys):
    """`quiet` commands show errors only."""
    configure(json=True, level="error")
    log = get_logger("here")
    log.warning("shown_to_nobody")
    log.error("shown")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["shown"]


def test_people_read_lines(capsys):
    """Without a terminal there are no colours."""
    configure(json=False)
    get_logger("here").warning("feed_away", reason="silent")
    said = capsys.readouterr().err
    assert "feed_away" in said
    assert "reason=silent" in said
    assert "\x1b" not in said


def test_a_secret_is_never_spelled(capsys):
    """Its type sees to that."""
    configure(json=False)
    get_logger("here").info("connected", token=SecretStr("do-not-tell"))
    assert "do-not-tell" not in capsys.readouterr().err
