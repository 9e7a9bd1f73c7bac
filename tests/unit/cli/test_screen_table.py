"""The live table: what the hot store knows, and dots for what it does not."""

from __future__ import annotations

import asyncio
import io
import sys

import msgspec
import pytest
from rich.console import Console

from niftyflow.cli.screen import MOST_ROWS, Rate, Screen
from niftyflow.kit.clock import VirtualClock
from niftyflow.storage.memory_hot import MemoryHotStore
from support.intakes import DAY
from support.market import INFY
from support.records import a_tick
from support.waiting import until

RELIANCE = msgspec.structs.replace(INFY, symbol="RELIANCE")
ODD = msgspec.structs.replace(INFY, symbol="[/bold]")


async def shown(
    hot: MemoryHotStore, instruments, title: str = "a title", now: int = DAY, height: int = 60
) -> list[str]:
    """Return the lines of the table on a screen of so many lines."""
    console = Console(file=io.StringIO(), width=160, height=height)
    table = await Screen(hot, instruments, VirtualClock(now), title, console)._table("12 ticks")
    console.print(table)
    return console.file.getvalue().splitlines()


async def test_latest_prices_and_open_candles_are_shown():
    """With thousands separated, in India's time."""
    hot = MemoryHotStore()
    await hot.set_many({"tick:latest:NSE:RELIANCE": msgspec.json.encode(a_tick())})
    await hot.set_hashes(
        {"candle:current:NSE:RELIANCE": {"open": b"2850.0", "high": b"2851.5", "low": b"2849.0", "close": b"2850.5",
                                         "volume": b"15000"}}
    )  # fmt: skip
    lines = await shown(hot, [RELIANCE, INFY])
    text = "\n".join(lines)
    assert "a title   2024-01-18 09:15:00 IST" in text
    row = next(line for line in lines if "RELIANCE" in line)
    for figure in ("2,850.50", "2,850.25", "2,850.75", "4,211,000", "2,850.00 → 2,850.50", "15,000"):
        assert figure in row
    assert next(line for line in lines if "INFY" in line).count("·") == 6
    assert "12 ticks" in text


async def test_before_the_feed_has_told_a_time_it_says_so():
    """Not 1970."""
    assert any("waiting for the feed" in line for line in await shown(MemoryHotStore(), [INFY], now=0))


async def test_names_are_never_markup():
    """Nor is a file's name in the title."""
    lines = await shown(MemoryHotStore(), [ODD], title="replay of [/red].csv")
    assert any("NSE:[/bold]" in line for line in lines)
    assert any("replay of [/red].csv" in line for line in lines)


async def test_more_instruments_than_fit_are_counted():
    """The first thirty are shown."""
    many = [msgspec.structs.replace(INFY, symbol=f"S{number:02}") for number in range(MOST_ROWS + 3)]
    lines = await shown(MemoryHotStore(), many)
    assert sum("NSE:S" in line for line in lines) == MOST_ROWS
    assert any("3 more instruments not shown" in line for line in lines)
    low = await shown(MemoryHotStore(), many, height=20)
    assert sum("NSE:S" in line for line in low) == 12
    assert any(f"{MOST_ROWS + 3 - 12} more instruments not shown" in line for line in low)


async def test_in_a_terminal_the_table_is_live_and_ends_with_its_task(monkeypatch):
    """Cancelled, it leaves the terminal as it was."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    screen = Screen(MemoryHotStore(), [INFY], VirtualClock(DAY), "live")
    running = asyncio.create_task(screen.run(lambda: "counts"))
    await until(lambda: "counts" in output.getvalue())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "NSE:INFY" in output.getvalue()


def test_a_rate_tells_total_and_mean():
    """Of something that grows."""
    assert Rate().of(12_345).startswith("12,345 (")
