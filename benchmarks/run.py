"""Runs every `bench_*.py` in a process of its own, prints the table, and keeps the results as JSON.

A script states `BUDGET` and returns its measurements from `run()`; the first one is held against the budget, others
against one of their own. A missed budget is said in the table; with `--strict` it is an error as well. A script that
fails always is one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.peers import PEER_PYTHON

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 900


def discover(folder: Path, only: list[str]) -> list[Path]:
    """Return the scripts of a folder, or those whose name holds one of the words asked for."""
    scripts = sorted(folder.glob("bench_*.py"))
    return [script for script in scripts if not only or any(word in script.stem for word in only)]


def measure(script: Path) -> dict[str, Any]:
    """Load a script here and now, run it, and return its budget and measurements as plain data."""
    specification = importlib.util.spec_from_file_location(script.stem, script)
    if specification is None or specification.loader is None:
        raise ImportError(f"{script} cannot be loaded")
    module = importlib.util.module_from_spec(specification)
    sys.modules[script.stem] = module
    specification.loader.exec_module(module)
    measurements = module.run()
    if not measurements:
        raise ValueError(f"{script.name} measured nothing")
    return {"budget": asdict(module.BUDGET), "measurements": [asdict(one) for one in measurements]}


def measure_apart(script: Path) -> dict[str, Any]:
    """Run a script in a fresh process, so that no other script's caches, threads or memory touch its figures."""
    result: dict[str, Any] = {"script": script.stem, "budget": None, "measurements": [], "error": "", "verdict": ""}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.run", "--one", str(script), "--out", str(out)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS
            )
        except subprocess.TimeoutExpired:
            return result | {"error": f"no result within {LIMIT_SECONDS} s"}
        if done.returncode or not out.exists():
            sys.stderr.write(done.stderr)
            return result | {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
        result |= json.loads(out.read_text())
    return result | {"verdict": verdict(result)}


def verdict(result: dict[str, Any]) -> str:
    """Return `missed` when a budget was, else `kept`; nothing where the first measurement has no value."""
    verdicts = report.verdicts(result)
    return "missed" if "missed" in verdicts else verdicts[0]


def run_all(scripts: list[Path]) -> report.Run:
    """Run the scripts one after another and return the run."""
    at = datetime.now(UTC)
    results = []
    for script in scripts:
        print(f"{script.stem} …", file=sys.stderr, flush=True)
        results.append(measure_apart(script))
    return {"at": at.isoformat(timespec="seconds"), "machine": machine.description(), "results": results}


def main(arguments: list[str]) -> int:
    """Run, print, keep; return 1 when a script failed, or with `--strict` when a budget was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=__doc__)
    parser.add_argument("only", nargs="*", help="run only scripts whose name holds one of these words")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the scripts are")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="where results go")
    parser.add_argument("--peers", type=Path, help="the interpreter that has the peers' packages")
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/benchmarks.md as well")
    parser.add_argument("--strict", action="store_true", help="a missed budget is an error")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        options.out.write_text(json.dumps(measure(options.one)))
        return 0
    if options.peers:
        # Not resolved: an environment's interpreter is a link, and what it points to has no packages.
        os.environ[PEER_PYTHON] = str(options.peers.absolute())
    run = run_all(discover(options.folder, options.only))
    report.print_table(run)
    options.results.mkdir(parents=True, exist_ok=True)
    kept = options.results / f"{run['at'].replace(':', '')[:17]}.json"
    kept.write_text(json.dumps(run, indent=1) + "\n")
    print(f"kept in {kept}")
    if options.markdown:
        print(report.markdown(run))
    failed = any(result["error"] for result in run["results"])
    missed = any(result["verdict"] == "missed" for result in run["results"])
    return 1 if failed or (missed and options.strict) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
