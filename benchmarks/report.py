"""The results of a run as a table for the terminal and as a page for the docs."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Budget

Run = dict[str, Any]
"""What `run.py` writes to a results file: at, machine, results."""
WIDTH = 150
"""Columns where the output is no terminal."""


def figure(value: float | None, unit: str) -> str:
    """Return a value as people read it: `5,210,000 ticks/s`, `1.8 ms`."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f} {unit}"
    return f"{value:.3g} {unit}"


def rows(run: Run) -> list[tuple[str, str, str, str, str]]:
    """Return the lines of the table: what, measured, budget, against ours, verdict or note."""
    lines = []
    for result in run["results"]:
        budget = result["budget"]
        if result["error"]:
            lines.append((result["script"], "-", "", "", f"failed: {result['error']}"))
            continue
        measured = result["measurements"]
        ours = measured[0]["value"]
        for index, (one, verdict) in enumerate(zip(measured, verdicts(result), strict=True)):
            unit = one["unit"] or budget["unit"]
            first = index == 0
            own = budget if first else one.get("budget")
            lines.append(
                (
                    f"{budget['name']}: {one['label']}" if first else f"  {one['label']}",
                    figure(one["value"], unit),
                    _promise(own) if own else "",
                    _ratio(ours, one, budget["higher_is_better"]) if one["is_peer"] else "",
                    "; ".join(filter(None, (verdict, one["note"] or _told(one["details"])))),
                )
            )
    return lines


def verdicts(result: dict[str, Any]) -> list[str]:
    """Return for each measurement whether its budget was `kept` or `missed`; nothing where it has none, or no value."""
    found = []
    for index, one in enumerate(result["measurements"]):
        budget = result["budget"] if index == 0 else one.get("budget")
        kept = None if budget is None or one["value"] is None else Budget(**budget).is_kept(one["value"])
        found.append("" if kept is None else "kept" if kept else "missed")
    return found


def print_table(run: Run, console: Console | None = None) -> None:
    """Print the table under the machine's description."""
    console = console or Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(machine_line(run))
    table = Table("what", "measured", "budget", "ours against it", "")
    for line in rows(run):
        table.add_row(*line)
    console.print(table)


def markdown(run: Run) -> str:
    """Return the run as a section of a page."""
    head = [f"Measured {run['at']} on {machine_line(run)}.", ""]
    body = [
        "| what | measured | budget | ours against it | |",
        "|---|---:|---:|---:|---|",
        *("| " + " | ".join(cell.strip() for cell in line) + " |" for line in rows(run)),
    ]
    return "\n".join([*head, *body, ""])


def machine_line(run: Run) -> str:
    """Return the machine in one line."""
    machine = run["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"{machine['python']}, commit {machine['commit']}"
    )


def _told(details: dict[str, Any]) -> str:
    """Return what else was measured, in words; empty when it is a table of its own."""
    plain = {name: value for name, value in details.items() if not isinstance(value, dict | list)}
    return ", ".join(
        f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in plain.items()
    )


def _promise(budget: dict[str, Any]) -> str:
    return f"{'at least' if budget['higher_is_better'] else 'at most'} {figure(budget['budget'], budget['unit'])}"


def _ratio(ours: float | None, peer: dict[str, Any], higher_is_better: bool) -> str:  # noqa: FBT001 - read from JSON
    if not ours or not peer["value"]:
        return ""
    ratio = ours / peer["value"] if higher_is_better else peer["value"] / ours
    return f"{ratio:.3g}x"
