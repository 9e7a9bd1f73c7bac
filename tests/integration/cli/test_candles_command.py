"""`niftyflow candles` as people run it: table, JSON, CSV, gaps, and the exit code when there is nothing."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from niftyflow.cli.app import app
from niftyflow.model import Candle, Interval
from support.candle_csv import day_rows, minute_row, minute_rows, write_csv


def niftyflow(workspace: Path, *arguments: str | Path) -> Result:
    """Run a command on a workspace, in this process."""
    return CliRunner().invoke(app, ["--workspace", str(workspace), *map(str, arguments)])


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace with two days of TCS, of which the second lacks two minutes and has a corrected one."""
    whole = [*minute_rows(375), *(minute_row(1440 + minute) for minute in range(375) if minute not in (10, 11))]
    work = tmp_path / "work"
    assert niftyflow(work, "import", write_csv(tmp_path / "a.csv", whole), "--allow-gaps").exit_code == 0
    corrected = write_csv(tmp_path / "b.csv", [minute_row(1440 + 374, volume=7)])
    assert niftyflow(work, "import", corrected, "--interval", "1m", "--replace").exit_code == 0
    return work


def test_the_table_shows_the_newest_in_indian_time_with_marks(workspace: Path):
    """Revision and provenance are there; how to see more is said on standard error."""
    ran = niftyflow(workspace, "candles", "tcs", "--last", "2")
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert lines[0].strip() == "NSE:TCS 1m, IST"
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert [row[0] for row in rows] == ["2016-08-17 15:28", "2016-08-17 15:29"]
    assert rows[1][1:] == [
        "1,914.00", "1,916.00", "1,913.00", "1,915.00", "7", "0", "1,914.67", "official", "revision 1",
    ]  # fmt: skip
    assert "the newest 2; --last N or --from DATE shows more" in ran.stderr


def test_json_is_one_array_of_contract_records(workspace: Path):
    """It decodes as `Candle`; times are UTC."""
    ran = niftyflow(workspace, "candles", "NSE:TCS", "--from", "2016-08-16", "--to", "2016-08-16 09:18", "--json")
    assert ran.stdout.startswith('[{"time":"2016-08-16T03:45:00Z","symbol":"TCS","exchange":"NSE","interval":"1m",')
    candles = msgspec.json.decode(ran.stdout, type=list[Candle])
    assert [candle.open for candle in candles] == [100, 101, 102]
    assert {candle.provenance for candle in candles} == {"official"}


def test_csv_has_a_header_and_the_zone_asked_for(workspace: Path):
    """Indian time by default, UTC with --utc, also for what is asked."""
    ran = niftyflow(workspace, "candles", "TCS", "--from", "2016-08-17 09:15", "--last", "1", "--csv")
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert rows[0]["time"] == "2016-08-17T15:29:00+05:30"
    assert rows[0]["revision"] == "1"
    ran = niftyflow(
        workspace, "candles", "TCS", "--from", "2016-08-16 03:45", "--to", "2016-08-16 03:46", "--csv", "--utc"
    )
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert [row["time"] for row in rows] == ["2016-08-16T03:45:00Z"]


@pytest.mark.parametrize("interval", Interval)
def test_every_interval_is_shown(workspace: Path, interval: Interval):
    """Volume adds up to the first day's in all of them."""
    ran = niftyflow(
        workspace, "candles", "TCS", "--interval", interval, "--from", "2016-08-16", "--to", "2016-08-16", "--json"
    )
    candles = msgspec.json.decode(ran.stdout, type=list[Candle])
    assert sum(candle.volume for candle in candles) == 37_500
    assert {candle.interval for candle in candles} == {interval}
    assert len(candles) == -(-375 // interval.minutes) if interval.minutes else 1


def test_a_candle_that_lacks_minutes_is_marked_incomplete(workspace: Path):
    """09:25 and 09:26 of the 17th are missing."""
    ran = niftyflow(
        workspace, "candles", "TCS", "--interval", "5m", "--from", "2016-08-17 09:20", "--to", "2016-08-17 09:35"
    )
    marks = [line.strip("│").split("│")[-1].strip() for line in ran.stdout.splitlines() if line.startswith("│")]
    assert marks == ["", "incomplete", ""]


def test_stored_days_are_shown_by_date(tmp_path: Path):
    """A daily import needs no minutes."""
    niftyflow(tmp_path / "work", "import", write_csv(tmp_path / "days.csv", day_rows()))
    ran = niftyflow(tmp_path / "work", "candles", "TCS", "--interval", "1d", "--last", "1")
    assert "│ 2016-08-22 │ 104.00 │" in ran.stdout


def test_gaps_are_listed_against_the_session(workspace: Path):
    """The last day by default; all of the span when asked; every minute in JSON and CSV."""
    ran = niftyflow(workspace, "candles", "TCS", "--gaps")
    rows = [line for line in ran.stdout.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in rows[0].strip("│").split("│")] == [
        "2016-08-17", "375", "373", "2", "0", "09:25 to 09:26", "",
    ]  # fmt: skip
    ran = niftyflow(workspace, "candles", "TCS", "--gaps", "--from", "2016-08-16", "--to", "2016-08-18", "--json")
    days = msgspec.json.decode(ran.stdout)
    assert [(day["day"], day["minutes_stored"], len(day["missing"])) for day in days] == [
        ("2016-08-16", 375, 0), ("2016-08-17", 373, 2), ("2016-08-18", 0, 375),
    ]  # fmt: skip
    assert days[1]["missing"] == ["2016-08-17T03:55:00Z", "2016-08-17T03:56:00Z"]
    ran = niftyflow(workspace, "candles", "TCS", "--gaps", "--csv")
    assert ran.stdout.splitlines()[1] == "2016-08-17T09:25:00+05:30,TCS,NSE,missing"


NOTHING = {
    "other symbol": (["candles", "TCSX"], "no 1m candles of NSE:TCSX are stored; stored are those of NSE:TCS;"),
    "other span": (["candles", "TCS", "--from", "2020-01-01"], "its newest is of 2016-08-17 15:29 IST"),
    "no day": (["candles", "TCSX", "--interval", "1d"], "no 1d candles of NSE:TCSX are stored; `niftyflow up` makes"),
    "no gaps": (
        ["candles", "TCSX", "--gaps", "--from", "2016-08-16", "--to", "2016-08-17"],
        "no 1m candles of NSE:TCSX",
    ),
}


@pytest.mark.parametrize(("arguments", "said"), NOTHING.values(), ids=NOTHING)
def test_nothing_found_ends_with_code_3_and_says_what_would_bring_data(
    workspace: Path, arguments: list[str], said: str
):
    """Standard output stays empty."""
    ran = niftyflow(workspace, *arguments)
    assert ran.exit_code == 3
    assert ran.stdout == ""
    assert said in ran.stderr


def test_an_empty_workspace_has_nothing_and_stays_empty(tmp_path: Path):
    """Looking makes no file."""
    ran = niftyflow(tmp_path / "none", "candles", "TCS")
    assert ran.exit_code == 3
    assert "`niftyflow import FILE` takes them from a file" in ran.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("wrong", [["--json", "--csv"], ["--gaps", "--last", "3"], ["--gaps", "--interval", "5m"],
                                   ["--from", "yesterday"], ["--interval", "2m"], ["--last", "0"]])  # fmt: skip
def test_wrong_usage_ends_with_code_2(workspace: Path, wrong: list[str]):
    """Before anything is read."""
    assert niftyflow(workspace, "candles", "TCS", *wrong).exit_code == 2
