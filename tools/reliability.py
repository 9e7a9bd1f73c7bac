"""Writes the table of docs/reliability.md from what the last `make chaos` found; the text around it is written by hand.

Only a fault that the cluster survived leaves a file, so a fault without a row was not tried or not survived.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tools.docs.markdown import table

ROOT = Path(__file__).parents[1]
FOUND = ROOT / ".cache" / "chaos"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
HEAD = (
    "fault",
    "times",
    "processes killed",
    "ticks",
    "a second",
    "candles",
    "signals",
    "orders",
    "fills",
    "worked off",
)


def main() -> int:
    """Write the table between its marks; say so when nothing was found."""
    found = [json.loads(file.read_text()) for file in sorted(FOUND.glob("*.json"))]
    if not found:
        print("nothing was found yet: run make chaos")
        return 1
    PAGE.write_text(written(PAGE.read_text(), found))
    print(f"{len(found)} faults in {PAGE.relative_to(ROOT)}")
    return 0


def written(page: str, found: list[dict[str, Any]]) -> str:
    """Return a page with the table of what was found between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(HEAD, [_row(each) for each in found])}\n\n{END}{after}"


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    counts = ("times", "deaths", "ticks", "ticks_a_second", "candles", "signals", "orders", "fills")
    return (found["title"], *(f"{found[name]:,}" for name in counts), f"after {found['worked_off_seconds']:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
