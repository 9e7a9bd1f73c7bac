"""A live table of the latest prices and open candles in the terminal; plain lines where there is no terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from niftyflow.kit.clock import Clock, monotonic, to_ist
from niftyflow.model import Instrument, Tick
from niftyflow.storage.ports import HotStore

REFRESH_SECONDS = 0.5
PLAIN_SECONDS = 5.0
MOST_ROWS = 30
FRAME_LINES = 8


class Screen:
    """Shows what the hot store knows of some instruments until its task is cancelled."""

    def __init__(
        self, hot: HotStore, instruments: Sequence[Instrument], clock: Clock, title: str, console: Console | None = None
    ) -> None:
        self._hot = hot
        self._keys = [str(instrument.key) for instrument in instruments][:MOST_ROWS]
        self._left_out = len(instruments) - len(self._keys)
        self._clock = clock
        self._title = escape(title)
        self._console = console or Console()

    async def run(self, counts: Callable[[], str]) -> None:
        """Refresh for ever; `counts` gives the line below the table."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(PLAIN_SECONDS)
                self._console.print(f"{self._time()}  {counts()}", highlight=False)
        with Live(console=self._console, refresh_per_second=4) as live:
            while True:
                live.update(await self._table(counts()))
                await asyncio.sleep(REFRESH_SECONDS)

    def _time(self) -> str:
        now = self._clock.now()
        return to_ist(now).strftime("%Y-%m-%d %H:%M:%S IST") if now else "waiting for the feed"

    async def _table(self, below: str) -> Table:
        keys = self._keys[: max(1, self._console.height - FRAME_LINES)]
        left_out = self._left_out + len(self._keys) - len(keys)
        caption = f"{below}; {left_out} more instruments not shown" if left_out else below
        table = Table(title=f"{self._title}   {self._time()}", caption=caption, expand=False)
        for heading in ("instrument", "last", "bid", "ask", "day volume", "this minute", "volume"):
            table.add_column(heading, justify="left" if heading == "instrument" else "right", no_wrap=True)
        ticks = await self._hot.get_many([f"tick:latest:{key}" for key in keys])
        for key, data in zip(keys, ticks, strict=True):
            if data is None:
                table.add_row(escape(key), *["·"] * 6)
                continue
            tick = msgspec.json.decode(data, type=Tick)
            candle = await self._hot.get_hash(f"candle:current:{key}")
            table.add_row(
                escape(key), f"{tick.ltp:,.2f}", f"{tick.bid:,.2f}", f"{tick.ask:,.2f}", f"{tick.day_volume:,}",
                _candle(candle), _number(candle.get("volume")),
            )  # fmt: skip
        return table


def _candle(fields: dict[str, bytes]) -> str:
    if not fields:
        return "·"
    open_, close = float(fields["open"]), float(fields["close"])
    return f"[{'green' if close >= open_ else 'red'}]{open_:,.2f} → {close:,.2f}[/]"


def _number(text: bytes | None) -> str:
    return "·" if text is None else f"{int(text):,}"


class Rate:
    """How fast something grows."""

    def __init__(self) -> None:
        self._began = monotonic()

    def of(self, total: int) -> str:
        """Return the total and its mean rate."""
        elapsed = max(monotonic() - self._began, 1e-9)
        return f"{total:,} ({total / elapsed:,.0f}/s)"
