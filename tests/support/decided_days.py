"""A short session on which strategies trade, and a workspace in which it was played; made anew in a few seconds."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from pathlib import Path

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.brokers.simulator.tape import Source
from niftyflow.kit.clock import VirtualClock
from niftyflow.runtime.settings import load
from niftyflow.runtime.wiring import Process, engines
from niftyflow.runtime.workspace import Workspace
from support.candle_csv import OPENED, write_csv

MINUTES = 110
SHARES = {"INFY": (1000.0, 0.0), "TCS": (2400.0, 1.1), "SBIN": (250.0, 2.2)}
"""Symbol → price at the open, and where in its swing it begins."""

RULE = """\
name: rsi-turn
description: Follows momentum, whatever the market does.
interval: 1m
instruments: all
between: ["09:30", "15:00"]
buy:
  - rsi >= 60
sell:
  - rsi <= 40
cooldown: 20m
valid_for: 3m
stop: 1 %
target: 2 %
strength: abs(rsi - 50) / 50
"""
SETTINGS = """\
[signals]
files = ["{rule}"]

[trading.limits]
max_gross_exposure_rupees = 150000
"""


def swinging(symbol: str, minute: int) -> float:
    """Return a share's price at the end of a minute: a swing of an hour with a small one on top, on steps of 0.05."""
    base, begins = SHARES[symbol]
    swing = 0.02 * math.sin(begins + minute / 10) + 0.001 * math.sin(minute * 1.7)
    return round(base * (1 + swing) * 20) / 20


def swing_rows(minutes: int = MINUTES) -> list[str]:
    """Return the CSV rows of a session of swinging shares, four different prices and a volume of its own a minute."""
    rows = []
    for minute in range(minutes):
        for symbol in SHARES:
            before, close = swinging(symbol, minute - 1), swinging(symbol, minute)
            high, low = max(before, close) + 0.1, min(before, close) - 0.1
            time = OPENED + timedelta(minutes=minute)
            volume = 1000 + 7 * minute
            rows.append(f"{time:%Y-%m-%d %H:%M:%S},{symbol},{before:.2f},{high:.2f},{low:.2f},{close:.2f},{volume}")
    return rows


def swing_tape(folder: Path) -> Path:
    """Write the session as a file of candles and return its path."""
    return write_csv(folder / "swings.csv", swing_rows())


def decided_workspace(folder: Path) -> Path:
    """Play the session into a workspace, decisions included: with signals, refused orders and open positions."""
    rule, played = folder / "rsi-turn.yaml", Workspace(folder / "played").create()
    rule.write_text(RULE)
    played.settings_file.write_text(SETTINGS.format(rule=rule))
    asyncio.run(play(played, open_source(swing_tape(folder))))
    return played.path


async def play(workspace: Workspace, tape: Source) -> None:
    """Play a tape into a workspace at unlimited speed, with the workspace's settings."""
    settings, clock = load(workspace.settings_file), VirtualClock()
    async with engines(workspace, settings) as on:
        process = Process(workspace, settings, on)
        await process.run(ReplayFeed(Playback(tape), clock), list(tape.instruments), clock)
