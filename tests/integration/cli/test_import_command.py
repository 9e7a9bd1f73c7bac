"""`niftyflow import` as people run it: what it states, what it prints, how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from niftyflow.cli.app import app
from niftyflow.ingestion.candle_files import CandleFileRefused
from support.candle_csv import day_rows, minute_row, minute_rows, write_csv
from support.data import shared_data


def niftyflow(workspace: Path, *arguments: str | Path) -> Result:
    """Run a command on a workspace, in this process."""
    return CliRunner().invoke(app, ["--workspace", str(workspace), *map(str, arguments)])


def test_an_import_states_what_it_found_and_says_what_it_did(tmp_path: Path):
    """Findings go to standard error, the result to standard output; a second run stores nothing."""
    path = write_csv(tmp_path / "candles.csv", [*minute_rows(10), *minute_rows(10, "INFY")])
    ran = niftyflow(tmp_path / "work", "import", path)
    assert ran.exit_code == 0
    assert ran.stdout == (
        "candles.csv: 1m candles of 2 instruments, 2016-08-16 09:15 IST to 2016-08-16 09:24 IST: "
        "20 added, 0 stored already\n"
    )
    assert "times: column time, such as 2016-08-16 09:15:00, without a zone, taken as Asia/Kolkata" in ran.stderr
    assert "interval: 1m, by the distance of its rows" in ran.stderr
    again = niftyflow(tmp_path / "work", "import", path)
    assert "0 added, 20 stored already" in again.stdout


def test_a_refused_file_ends_with_code_2_and_one_line(tmp_path: Path):
    """As the installed command does it, in a process of its own; nothing is stored."""
    rows = minute_rows(5)
    rows[2] = rows[2].replace(",101,", ",1e9,")
    path = write_csv(tmp_path / "bad.csv", rows)
    command = [sys.executable, "-m", "niftyflow.cli.app", "--workspace", str(tmp_path / "work")]
    ran = subprocess.run([*command, "import", path], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "niftyflow: bad.csv: line 4, column low is '1e9': the low of a candle is not above its open or close; "
        "nothing was imported\n"
    )
    assert niftyflow(tmp_path / "work", "candles", "TCS").exit_code == 3


def test_of_several_files_all_are_checked_before_the_first_is_stored(tmp_path: Path):
    """The good file comes first and stays out."""
    good = write_csv(tmp_path / "good.csv", minute_rows(5))
    bad = write_csv(tmp_path / "bad.csv", [minute_row(0, "INFY"), minute_row(2, "INFY"), minute_row(3, "INFY")])
    ran = niftyflow(tmp_path / "work", "import", good, bad)
    assert isinstance(ran.exception, CandleFileRefused)
    assert niftyflow(tmp_path / "work", "candles", "TCS").exit_code == 3
    ran = niftyflow(tmp_path / "work", "import", good, bad, "--allow-gaps")
    assert ran.exit_code == 0
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == ["good.csv", "bad.csv"]


def test_a_check_stores_nothing(tmp_path: Path):
    """--check states and leaves."""
    path = write_csv(tmp_path / "days.csv", day_rows())
    ran = niftyflow(tmp_path / "work", "import", path, "--check")
    assert ran.exit_code == 0
    assert "interval: 1d" in ran.stderr
    assert niftyflow(tmp_path / "work", "candles", "TCS", "--interval", "1d").exit_code == 3


def test_options_reach_the_import(tmp_path: Path):
    """Each of them changes what would be found, or allows what would be refused."""
    rows = ["2016-08-16 03:47,1,1,1,1,5", "2016-08-16 03:46,2,2,2,2,5", "2016-08-16 03:46,2,2,2,2,5",
            "2016-08-16 03:51,3,3,3,3,5", "2016-08-16 00:00,9,9,9,9,5"]  # fmt: skip
    path = write_csv(tmp_path / "what.csv", rows, "time,o,h,l,c,v")
    ran = niftyflow(
        tmp_path / "work", "import", path, "--symbol", "INFY", "--exchange", "BSE", "--interval", "1m",
        "--time-zone", "UTC", "--label", "end", "--provenance", "repaired",
        "--sort", "--drop-duplicates", "--drop-outside", "--allow-gaps",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.exception
    shown = niftyflow(tmp_path / "work", "candles", "BSE:INFY", "--csv").stdout.splitlines()
    assert [line.split(",")[0] for line in shown[1:]] == [
        "2016-08-16T09:15:00+05:30", "2016-08-16T09:16:00+05:30", "2016-08-16T09:20:00+05:30",
    ]  # fmt: skip
    assert "repaired" in shown[1]
    changed = write_csv(tmp_path / "other.csv", ["2016-08-16 09:15,7,7,7,7,5"], "time,o,h,l,c,v")
    common = ["--symbol", "BSE:INFY", "--interval", "1m"]
    assert isinstance(niftyflow(tmp_path / "work", "import", changed, *common).exception, CandleFileRefused)
    ran = niftyflow(tmp_path / "work", "import", changed, *common, "--replace")
    assert "0 added, 0 stored already, 1 corrected" in ran.stdout


@pytest.mark.data
def test_real_minutes_go_in_and_come_back_through_the_command_line(tmp_path: Path):
    """Two symbols of the 2016 data, exported again as CSV: prices and volumes are the file's."""
    symbols = ["INFY", "SBIN"]
    rows = pl.read_parquet(shared_data("bars_1m_equity_2016/bars.parquet"))
    rows = rows.filter(pl.col("symbol").is_in(symbols))
    assert rows["symbol"].n_unique() == 2
    rows.write_parquet(tmp_path / "part.parquet")
    ran = niftyflow(tmp_path / "work", "import", tmp_path / "part.parquet")
    assert f"{rows.height:,} added" in ran.stdout
    ran = niftyflow(tmp_path / "work", "candles", "SBIN", "--from", "2016-08-16", "--csv")
    (tmp_path / "out.csv").write_text(ran.stdout)
    values = ["open", "high", "low", "close", "volume"]
    assert (
        pl.read_csv(tmp_path / "out.csv").select(values).equals(rows.filter(pl.col("symbol") == "SBIN").select(values))
    )
    again = niftyflow(tmp_path / "work", "import", tmp_path / "out.csv")
    assert "0 added, 6,750 stored already" in again.stdout
