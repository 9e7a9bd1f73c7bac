"""The bench harness runs scripts apart, judges their budgets, and compares peers that did the same work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.measure import Budget, Measurement, best_of, quantile
from benchmarks.peers import (
    PEER_PYTHON,
    fold_frames_plain_python,
    fold_plain_python,
    nautilus_bars,
    plain_python_fold,
    plain_python_frames,
)
from benchmarks.run import discover, main
from benchmarks.workload import FIRST_TOKEN, OPENING_MS, kite_frames, random_trades

SCRIPT = """
from benchmarks.measure import Budget, Measurement
BUDGET = Budget("core", "ticks/s", 5_000_000)
def run():
    return [
        Measurement("frames to candles", {value}),
        Measurement("a peer", 2_000_000.0, is_peer=True),
        Measurement("another", None, is_peer=True, note="not installed"),
    ]
"""


def run_scripts(folder: Path, *arguments: str, **scripts: str) -> tuple[int, report.Run]:
    """Run scripts given by name and text; return the exit status and the results kept."""
    for name, text in scripts.items():
        (folder / f"bench_{name}.py").write_text(text)
    status = main(["--folder", str(folder), "--results", str(folder / "results"), *arguments])
    (kept,) = (folder / "results").glob("*.json")
    return status, json.loads(kept.read_text())


def test_a_script_runs_apart_and_its_results_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The table shows the machine, the figure, the budget, the ratio to each peer; the JSON holds the same."""
    status, run = run_scripts(tmp_path, core=SCRIPT.format(value="6_000_000.0"))
    out = capsys.readouterr().out
    assert status == 0
    assert run["machine"]["cores"] >= 1
    assert run["results"][0]["verdict"] == "kept"
    assert [one["value"] for one in run["results"][0]["measurements"]] == [6_000_000.0, 2_000_000.0, None]
    assert "GiB" in out
    lines = report.rows(run)
    assert lines[0] == ("core: frames to candles", "6,000,000 ticks/s", "at least 5,000,000 ticks/s", "", "kept")
    assert lines[1][3] == "3x"
    assert lines[2][1:] == ("-", "", "", "not installed")


def test_a_missed_budget_is_said_and_strictly_an_error(tmp_path: Path) -> None:
    """The table always tells; only `--strict` fails."""
    folders = [tmp_path / "said", tmp_path / "strict"]
    for folder in folders:
        folder.mkdir()
    said = run_scripts(folders[0], core=SCRIPT.format(value="1.0"))
    strict = run_scripts(folders[1], "--strict", core=SCRIPT.format(value="1.0"))
    assert [said[1]["results"][0]["verdict"], strict[1]["results"][0]["verdict"]] == ["missed", "missed"]
    assert (said[0], strict[0]) == (0, 1)


def test_a_later_row_has_a_budget_of_its_own(tmp_path: Path) -> None:
    """It is held against that one: missed, the script has missed, and the table tells on which row."""
    script = SCRIPT.format(value="6_000_000.0").replace(
        "    ]\n", "        Measurement('history', 0.9, 'times', budget=Budget('history', 'times', 1.0)),\n    ]\n"
    )
    _, run = run_scripts(tmp_path, core=script)
    lines = report.rows(run)
    assert run["results"][0]["verdict"] == "missed"
    assert [line[-1] for line in lines] == ["kept", "", "not installed", "missed"]
    assert lines[3][2] == "at least 1 times"


def test_a_script_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    """Its error is in the table, the rest is measured, and the status says that something is wrong."""
    status, run = run_scripts(tmp_path, broken="raise OSError('no disk')\n", core=SCRIPT.format(value="6_000_000.0"))
    assert status == 1
    assert [result["error"] for result in run["results"]] == ["OSError: no disk", ""]
    assert report.rows(run)[0][-1] == "failed: OSError: no disk"


def test_scripts_can_be_chosen_by_name(tmp_path: Path) -> None:
    """A word picks the scripts that hold it."""
    for name in ("bench_core.py", "bench_memory.py", "measure.py"):
        (tmp_path / name).touch()
    assert [script.name for script in discover(tmp_path, [])] == ["bench_core.py", "bench_memory.py"]
    assert [script.name for script in discover(tmp_path, ["mem"])] == ["bench_memory.py"]


def test_every_script_of_the_project_can_be_read() -> None:
    """Each script beside the harness states its budget and has a run function."""
    folder = Path(report.__file__).parent
    for script in discover(folder, []):
        text = script.read_text()
        assert "BUDGET = Budget(" in text
        assert "def run() -> list[Measurement]" in text


def test_a_budget_knows_its_direction() -> None:
    """More is better for a rate, less for a time."""
    assert Budget("rate", "1/s", 10.0).is_kept(10.0)
    assert not Budget("rate", "1/s", 10.0).is_kept(9.0)
    assert Budget("time", "ms", 10.0, higher_is_better=False).is_kept(9.0)
    assert not Budget("time", "ms", 10.0, higher_is_better=False).is_kept(11.0)


def test_the_page_is_the_table() -> None:
    """The docs' page holds the same rows, with the ratio turned round where less is better."""
    measured = [Measurement("ours", 2.0), Measurement("theirs", 5.0, is_peer=True)]
    run = {
        "at": "2026-01-01T00:00:00+00:00",
        "machine": dict.fromkeys(("cpu", "cores", "memory_gib", "system", "python", "commit"), "x"),
        "results": [
            {
                "script": "bench_latency",
                "budget": {"name": "latency", "unit": "ms", "budget": 5.0, "higher_is_better": False},
                "measurements": [vars(one) for one in measured],
                "error": "",
                "verdict": "kept",
            }
        ],
    }
    page = report.markdown(run)
    assert "| latency: ours | 2 ms | at most 5 ms |  | kept |" in page
    assert "| theirs | 5 ms |  | 2.5x |  |" in page


def test_peers_fold_what_was_traded() -> None:
    """Both plain folds, from columns and from frames, close the same candles: those counted by hand."""
    trades = random_trades(5_000, instruments=5, minutes=3)
    columns = (trades.instrument.tolist(), trades.traded_at.tolist(), trades.price.tolist(), trades.day_volume.tolist())
    closed = fold_plain_python(*columns)
    expected = set()
    for instrument in range(5):
        for minute in range(OPENING_MS, OPENING_MS + 3 * 60_000, 60_000):
            rows = (trades.instrument == instrument) & (trades.traded_at // 60_000 * 60_000 == minute)
            price = trades.price[rows].tolist()
            ohlc = (price[0], max(price), min(price), price[-1])
            expected.add((instrument, minute, *ohlc, int(trades.quantity[rows].sum())))
    assert set(closed) == expected
    named = [(((FIRST_TOKEN + one[0]) << 8) | 1, *one[1:]) for one in closed]
    assert fold_frames_plain_python(kite_frames(trades, packets=7)) == named


def test_peers_are_measured_in_ticks_a_second() -> None:
    """Each states a rate and how many candles came out of it."""
    trades = random_trades(2_000, instruments=4, minutes=2)
    for one in (plain_python_fold(trades), plain_python_frames(trades, kite_frames(trades))):
        assert one.is_peer
        assert one.value > 0
        assert one.details == {"candles": 8}


def test_a_peer_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figure is made up for a package that is not installed."""
    monkeypatch.delenv(PEER_PYTHON, raising=False)
    one = nautilus_bars(random_trades(10, instruments=1))
    assert one.value is None
    assert one.note.startswith("not installed")


def test_the_best_run_counts() -> None:
    """The work is repeated, and its last result returned with the shortest time."""
    results = iter(range(3))
    seconds, result = best_of(lambda: next(results), repeats=3)
    assert result == 2
    assert 0 <= seconds < 1
    assert quantile([5.0, 1.0, 4.0, 2.0, 3.0], 0.99) == 5.0
    assert quantile([5.0, 1.0, 4.0, 2.0, 3.0], 0.5) == 3.0
