"""Writes the generated pages, or with `--check` names those that are not current and exits 1."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tools.docs import api, commands, drawing, inventory, settings

DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[str, Callable[[], str]] = {
    "reference/api.md": api.api_page,
    "reference/book-tables.md": inventory.book_tables_page,
    "reference/commands.md": commands.commands_page,
    "reference/indicators.md": inventory.indicators_page,
    "reference/metrics.md": inventory.metrics_page,
    "reference/settings.md": settings.settings_page,
    "reference/tables.md": inventory.tables_page,
    "reference/topics.md": inventory.topics_page,
    str(drawing.PAGE): lambda: drawing.redrawn((DOCS / drawing.PAGE).read_text()),
}


def stale() -> list[str]:
    """Return the names of the pages that are not what the code says."""
    return [
        name for name, render in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != render()
    ]


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(prog="tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args(arguments).check:
        for name, render in PAGES.items():
            (DOCS / name).write_text(render())
        return 0
    names = stale()
    if names:
        print(f"not current, run make docs: {', '.join(names)}")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
