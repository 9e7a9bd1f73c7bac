"""The column engine: the state of every symbol of a partition, all advanced in one call per indicator and minute.

The same compiled calls fold a history, so that live and history are equal to the last bit. It knows no topic, no
store and no clock; what a candle must be to enter is `can_enter`, and what may not is counted, never guessed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from niftyflow.analysis.indicators import OUTPUTS, SCORES, SESSION, TAKES, USES, Floats, fresh
from niftyflow.kernels import scores as kernel
from niftyflow.market.calendar import DAY_MS, IST_OFFSET_MS, MINUTE_MS
from niftyflow.model import CandleBatch, Interval, InvalidValue, Name, NameTable, ScorecardBatch
from niftyflow.model.features import Features
from niftyflow.model.scorecards import PARTS

Rows = NDArray[np.int64]

STEPS_AT_ONCE: Final = 4096
"""Candles of one symbol folded in one call: bounds the memory a long history takes."""

_SCORE_COLUMNS: Final = {
    **{f"part_{part}": place for place, part in enumerate(PARTS)},
    "trend_score": kernel.TREND, "momentum_score": kernel.MOMENTUM, "composite_score": kernel.COMPOSITE,
    "volatility_score": kernel.VOLATILITY, "volume_score": kernel.VOLUME, "volume_ratio": kernel.VOLUME_RATIO,
    "recommendation": kernel.LEVEL,
}  # fmt: skip
_SESSION_COLUMNS: Final = {
    "change_percent": kernel.CHANGE_PERCENT, "from_previous": kernel.FROM_PREVIOUS, "day_high": kernel.DAY_HIGH,
    "day_low": kernel.DAY_LOW, "makes": kernel.MAKES, "bars": kernel.BARS,
}  # fmt: skip


def can_enter(candles: CandleBatch) -> NDArray[np.bool_]:
    """Return which candles hold prices that can be: finite, above zero, open and close between low and high."""
    low, high = candles.low, candles.high
    entering: NDArray[np.bool_] = (
        (low > 0.0) & (low <= candles.open) & (low <= candles.close) & (candles.open <= high)
        & (candles.close <= high) & (high < np.inf) & (candles.vwap > 0.0) & (candles.vwap < np.inf)
        & (candles.volume >= 0)
    )  # fmt: skip
    return entering


class _Columns:
    """Inputs and outputs of one call for `symbols` by `steps`, used again and again."""

    def __init__(self, symbols: int, steps: int) -> None:
        self.inputs: dict[str, Floats] = {name: np.empty((symbols, steps, width)) for name, width in TAKES.items()}
        self.inputs["bandwidth"] = np.empty((symbols, steps, 1))
        self.outputs: dict[str, Floats] = {use.name: np.empty((symbols, steps, OUTPUTS[use.name])) for use in USES}
        self.outputs[SESSION] = np.empty((symbols, steps, kernel.SESSION_OUTPUTS))
        self.outputs[SCORES] = np.empty((symbols, steps, kernel.SCORES_OUTPUTS))

    def put(self, candles: CandleBatch, symbol: Rows | int, step: Rows | int) -> None:
        """Put each candle at its symbol and step; every other place is NaN, which no indicator takes in."""
        time = candles.time
        values: dict[str, tuple[Any, ...]] = {
            "close": (candles.close,),
            "bars": (candles.high, candles.low, candles.close),
            "volume": (candles.volume,),
        }
        session = (time + IST_OFFSET_MS) // DAY_MS
        values["turnover"] = (candles.vwap, candles.volume, session)
        values["session"] = (time, candles.open, candles.high, candles.low, candles.close, session)
        for name, columns in values.items():
            given = self.inputs[name]
            given.fill(np.nan)
            for place, column in enumerate(columns):
                given[symbol, step, place] = column


class ColumnEngine:
    """Indicators, sessions and scores of one-minute candles; `ignored` and `refused` count candles not taken in."""

    def __init__(self) -> None:
        self.names = NameTable()
        self.ignored = self.refused = 0
        self._slots: dict[str, int] = {}
        self._keys: list[str] = []
        self._fresh = fresh()
        self._rooms: dict[str, Floats] = {name: row[:0] for name, row in self._fresh.items()}
        self._states = self._rooms
        self._columns = _Columns(0, 1)
        self._name = np.empty(0, np.int32)
        self._row_at = np.empty(0, np.int64)
        self._table: tuple[NameTable | None, Rows] = (None, np.empty(0, np.int64))

    def __contains__(self, key: str) -> bool:
        return key in self._slots

    @property
    def keys(self) -> list[str]:
        """The symbols it holds, in the order in which they came."""
        return self._keys

    # -- symbols and their state -----------------------------------------------------------------------------------

    def add(self, key: str, values: bytes | None = None) -> None:
        """Hold a symbol from now on: fresh, or going on from a stored state.

        Raises:
            InvalidValue: the symbol is held already, or the state is not of this form.
        """
        if key in self._slots:
            raise InvalidValue("key", key, "the engine holds this symbol already")
        rows = self._fresh if values is None else _rows_of(values, self._fresh)
        slot = len(self._keys)
        self._slots[key] = slot
        self._keys.append(key)
        if slot == len(self._rooms[SESSION]):
            more = max(64, slot)
            for name, room in self._rooms.items():
                self._rooms[name] = np.concatenate([room, np.zeros((more, room.shape[1]))])
        for name, row in rows.items():
            self._rooms[name][slot] = row[0]
        self._name = np.append(self._name, np.int32(self.names.intern(Name(key))))

    def export(self, key: str) -> bytes:
        """Return a symbol's state: its rows one after another as little-endian float64."""
        slot = self._slots[key]
        return np.concatenate([room[slot] for room in self._rooms.values()]).astype("<f8").tobytes()

    def last_end(self, key: str) -> int:
        """Return the end of the last candle taken in, ms UTC; 0 before the first."""
        row = self._rooms[SESSION][self._slots[key]]
        return int(row[kernel.SESSION_TIME]) + MINUTE_MS if row[kernel.SESSION_BARS] else 0

    # -- candles ---------------------------------------------------------------------------------------------------

    def renamed(self, candles: CandleBatch) -> CandleBatch:
        """Return candles of symbols that are held over the engine's own table of names, so that they can be joined."""
        names = self._name[self._slots_of(candles)]
        return CandleBatch(self.names, candles.interval, **(candles.columns() | {"name": names}))

    def advance(self, candles: CandleBatch) -> ScorecardBatch | None:
        """Advance every symbol by one closed minute; return the scorecards of those that had a candle.

        Each candle is revision 0 of one minute of a symbol that is held. One not newer than its symbol's last one is
        ignored and counted; one that cannot be is refused and counted.
        """
        self._make_room()
        slots = self._slots_of(candles)
        rows = self._entering(candles, slots)
        if len(rows) < len(candles):
            candles, slots = candles.take(rows), slots[rows]
        if not len(candles):
            return None
        self._columns.put(candles, slots, 0)
        _advance(self._states, self._columns)
        return self._scorecards(candles, slots)

    def fold(self, key: str, candles: CandleBatch) -> None:
        """Advance one symbol by its history, oldest first; what is not newer, or cannot be, is left out."""
        slot = self._slots[key]
        enters = can_enter(candles) & (candles.revision == 0)
        self.refused += int(np.count_nonzero(~enters))
        candles = candles.take(enters)
        last = self.last_end(key) - MINUTE_MS if self.last_end(key) else -1
        newest = np.maximum.accumulate(np.concatenate([[last], candles.time]))[:-1]
        newer = candles.time > newest
        self.ignored += int(np.count_nonzero(~newer))
        candles = candles.take(newer)
        states = {name: room[slot : slot + 1] for name, room in self._rooms.items()}
        for first in range(0, len(candles), STEPS_AT_ONCE):
            part = candles.take(slice(first, first + STEPS_AT_ONCE))
            columns = _Columns(1, len(part))
            columns.put(part, 0, np.arange(len(part)))
            _advance(states, columns)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _make_room(self) -> None:
        count = len(self._keys)
        if len(self._row_at) != count:
            self._states = {name: room[:count] for name, room in self._rooms.items()}
            self._columns = _Columns(count, 1)
            self._row_at = np.empty(count, np.int64)

    def _slots_of(self, candles: CandleBatch) -> Rows:
        table, slots = self._table
        if table is not candles.names or len(slots) != len(candles.names) or np.any(slots[candles.name] < 0):
            slots = np.array([self._slots.get(name.key, -1) for name in candles.names.names], dtype=np.int64)
            self._table = (candles.names, slots)
        found: Rows = slots[candles.name]
        if len(found) and found.min() < 0:
            raise InvalidValue("candles", candles.keys()[int(found.argmin())], "the engine does not hold this symbol")
        return found

    def _entering(self, candles: CandleBatch, slots: Rows) -> Rows:
        """Return the rows that are taken in: possible, newer than the symbol's last, the first where there are two."""
        enters = can_enter(candles) & (candles.revision == 0)
        session = self._states[SESSION][slots]
        newer = (session[:, kernel.SESSION_BARS] == 0.0) | (candles.time > session[:, kernel.SESSION_TIME])
        if not enters.all() or not newer.all():
            self.refused += int(np.count_nonzero(~enters))
            self.ignored += int(np.count_nonzero(enters & ~newer))
            rows = np.flatnonzero(enters & newer)
        else:
            rows = np.arange(len(slots))
        taken = slots[rows]
        self._row_at[taken[::-1]] = rows[::-1]
        is_first = self._row_at[taken] == rows
        if not is_first.all():
            self.ignored += int(np.count_nonzero(~is_first))
            rows = rows[is_first]
        return rows

    def _scorecards(self, candles: CandleBatch, slots: Rows) -> ScorecardBatch:
        outputs = self._columns.outputs
        columns: dict[str, Any] = {
            "name": self._name[slots],
            "time": candles.time + MINUTE_MS,
            "candle_revision": candles.revision,
            "ltp": candles.close,
            "volume": candles.volume,
        }
        for use in USES:
            if use.gives:
                given = outputs[use.name][slots, 0]
                columns.update((name, given[:, place]) for place, name in enumerate(use.gives))
        session, scored = outputs[SESSION][slots, 0], outputs[SCORES][slots, 0]
        columns.update((name, session[:, place]) for name, place in _SESSION_COLUMNS.items())
        columns.update((name, scored[:, place]) for name, place in _SCORE_COLUMNS.items())
        columns["supertrend_direction"] = np.nan_to_num(columns["supertrend_direction"])
        columns["ai_prediction"] = columns["ai_confidence"] = np.full(len(slots), np.nan)
        return ScorecardBatch(self.names, Interval.M1, **columns)


def _advance(states: dict[str, Floats], columns: _Columns) -> None:
    inputs, outputs = columns.inputs, columns.outputs
    for use in USES:
        if use.takes == "bandwidth":
            bands = outputs["bollinger"]
            np.divide(bands[:, :, :1] - bands[:, :, 2:], bands[:, :, 1:2], out=inputs["bandwidth"])
        use.kernel(states[use.name], inputs[use.takes], outputs[use.name])
    kernel.session_advance(states[SESSION], inputs["session"], outputs[SESSION])
    kernel.scores_advance(
        states[SCORES], inputs["bars"], inputs["volume"], outputs["ema_9"], outputs["ema_21"], outputs["ema_50"],
        outputs["ema_200"], outputs["supertrend"], outputs["adx"], outputs["rsi"], outputs["macd"],
        outputs["stochastic"], outputs["vwap"], inputs["bandwidth"], outputs["usual_bandwidth"],
        outputs["usual_volume"], outputs[SCORES],
    )  # fmt: skip


def _rows_of(values: bytes, like: dict[str, Floats]) -> dict[str, Floats]:
    whole = np.frombuffer(values, dtype="<f8") if len(values) % 8 == 0 else np.empty(0)
    widths = [row.shape[1] for row in like.values()]
    if len(whole) != sum(widths):
        raise InvalidValue("values", f"{len(values)} bytes", f"a state of this form has {8 * sum(widths)} bytes")
    parts = np.split(whole.astype(np.float64), np.cumsum(widths)[:-1])
    return {name: part[np.newaxis] for name, part in zip(like, parts, strict=True)}


def features_of(cards: ScorecardBatch) -> Features:
    """Return what a model is asked about the scorecards of one minute."""
    return Features(
        interval=cards.interval, time=int(cards.time[0]), instruments=cards.keys(), rsi=cards.rsi, macd=cards.macd,
        ema_50=cards.ema_50, ema_200=cards.ema_200, close=cards.ltp, volume=cards.volume.astype(np.float64),
    )  # fmt: skip
