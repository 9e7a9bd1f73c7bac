"""The second start of `niftyflow demo`: how soon a page comes, and how soon everything answers."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.demos import Demo
from benchmarks.measure import Budget, Measurement

BUDGET = Budget("second start of the demo, to the first byte of a page", "s", 2.0, higher_is_better=False)
STARTS = 3


def run() -> list[Measurement]:
    """Start once to make the workspace, then again some times; the median counts."""
    with tempfile.TemporaryDirectory() as folder:
        with Demo(Path(folder)) as demo:
            first_page, first_link = demo.seconds_to_page(), demo.seconds_to_link()
            demo.seconds_to_end()
        pages, links = [], []
        for _ in range(STARTS):
            with Demo(Path(folder)) as demo:
                pages.append(demo.seconds_to_page())
                links.append(demo.seconds_to_link())
                demo.seconds_to_end()
    middle = STARTS // 2
    return [
        Measurement(
            "niftyflow: page", round(sorted(pages)[middle], 2), "s",
            details={"everything answers": round(sorted(links)[middle], 2), "first start: page": round(first_page, 2),
                     "first start: everything": round(first_link, 2)},
        )
    ]  # fmt: skip
