"""The table of docs/reliability.md: made of what the chaos suite found, between its marks and nowhere else."""

from __future__ import annotations

from dataclasses import asdict

from support.chaos_table import Found
from tools.reliability import BEGIN, END, written

FOUND = Found(
    name="redis-lost", title="Redis flushed", times=4, deaths=0, ticks=1_200_000, ticks_a_second=10_000,
    candles=18_000, signals=300, orders=400, fills=350, worked_off_seconds=131.4,
)  # fmt: skip


def test_the_table_replaces_the_one_that_was_there() -> None:
    """What stands around the marks stays; what stood between them goes."""
    page = written(f"before\n{BEGIN}\nold\n{END}\nafter\n", [asdict(FOUND)])
    assert page.startswith("before\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert "| Redis flushed | 4 | 0 | 1,200,000 | 10,000 | 18,000 | 300 | 400 | 350 | after 131 s |" in page
