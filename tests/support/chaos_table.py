"""What the long form of the chaos suite found: a small file a fault, of which `tools/reliability.py` makes a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".cache" / "chaos"


@dataclass(frozen=True)
class Found:
    """A fault and what was there after it: how often it came, over how many ticks, and what was compared."""

    name: str
    title: str
    times: int
    deaths: int
    ticks: int
    ticks_a_second: int
    candles: int
    signals: int
    orders: int
    fills: int
    worked_off_seconds: float


def note(found: Found, folder: Path = FOLDER) -> None:
    """Keep what was found, in place of what was found before."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{found.name}.json").write_text(json.dumps(asdict(found)))
