"""Rules over scorecards: which hold, for how long they have held, and the signals that come of it.

A pure fold over the day's scorecards: no clock, no I/O. The same scorecards give the same signals, however they were
batched; what it remembers of an instrument ends with the IST day.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from niftyflow.market.calendar import DAY_MS, IST_OFFSET_MS, MINUTE_MS
from niftyflow.model import (
    InvalidValue,
    MarketView,
    Name,
    NameTable,
    Reason,
    ScorecardBatch,
    Side,
    Signal,
    identity,
    milliseconds,
    moment,
    scorecard_id,
    signal_id,
    split_key,
)
from niftyflow.signals.conditions import Flags
from niftyflow.signals.rules import Rule
from niftyflow.signals.values import MomentValues

SIDES: Final = (Side.BUY, Side.SELL)


class RuleEngine:
    """Follows some rules over the scorecards of any instruments, each instrument's in ascending time."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.conflicts: Counter[str] = Counter()
        """Rule → how often both of its sides held at once, so that neither was told."""
        self._folds = [_Fold(rule) for rule in rules]
        self._places: dict[str, int] = {}

    def take(self, cards: ScorecardBatch, view: MarketView | None) -> list[Signal]:
        """Take in all scorecards of one moment and interval; return the signals by rule, then by instrument.

        Without a view of that very minute, no condition on `market.` holds. A scorecard that is not newer than the
        instrument's last is one told again, and changes nothing.

        Raises:
            InvalidValue: the scorecards are of several moments.
        """
        if not len(cards):
            return []
        time = int(cards.time[0])
        if (cards.time != time).any():
            raise InvalidValue("time", np.unique(cards.time).tolist(), "the engine takes one moment at a time")
        rows: dict[str, int] = {}
        for row, key in enumerate(cards.keys()):
            rows.setdefault(key, row)
        keys = sorted(rows)
        moment_ = _Moment(
            cards.take(np.array([rows[key] for key in keys])),
            view if view is not None and milliseconds(view.timestamp) == time else None,
            keys,
            time,
            np.array([self._places.setdefault(key, len(self._places)) for key in keys]),
        )
        told: list[Signal] = []
        for fold in self._folds:
            if fold.rule.interval is cards.interval:
                signalled, conflicts = fold.advance(moment_, len(self._places))
                self.conflicts[fold.rule.name] += conflicts
                told += moment_.signals(fold.rule, signalled)
        return told


def moments(batches: Sequence[ScorecardBatch]) -> list[ScorecardBatch]:
    """Return the rows of any batches put together by moment, oldest first, and by interval within it."""
    parts: dict[tuple[int, int], list[ScorecardBatch]] = {}
    for batch in batches:
        for time in np.unique(batch.time).tolist():
            at = batch.time == time
            part = batch if at.all() else batch.take(at)
            parts.setdefault((time, batch.interval.minutes), []).append(part)
    return [_together(parts[key]) for key in sorted(parts)]


def session_day(time: Any) -> Any:
    """Return the number of the IST day in which the candle lies that ends at `time` (ms UTC, or an array of them)."""
    return (time - 1 + IST_OFFSET_MS) // DAY_MS


def _together(parts: list[ScorecardBatch]) -> ScorecardBatch:
    if len(parts) == 1:
        return parts[0]
    names = NameTable()
    columns = {field: np.concatenate([getattr(part, field) for part in parts]) for field in ScorecardBatch.COLUMNS}
    columns["name"] = np.array([names.intern(part.names[at]) for part in parts for at in part.name.tolist()])
    return ScorecardBatch(names, parts[0].interval, **columns)


class _Moment:
    """The scorecards of one moment, by instrument, with what is known beside them."""

    def __init__(
        self, cards: ScorecardBatch, view: MarketView | None, keys: list[str], time: int, places: NDArray[np.int64]
    ) -> None:
        self.cards = cards
        self.view = view
        self.keys = keys
        self.time = time
        self.places = places
        self.values = MomentValues(cards, view, time)
        self.has_price: Flags = (cards.ltp > 0) & np.isfinite(cards.ltp)

    def __len__(self) -> int:
        return len(self.keys)

    def signals(self, rule: Rule, signalled: Flags) -> list[Signal]:
        """Return the signals of a rule: `signalled` says of each side and row whether it has one."""
        if not signalled.any():
            return []
        strength = rule.strength.of(self.values, len(self))
        measured = {
            side: [(each.text, each.measured.of(self.values, len(self))) for each in rule.conditions(side)]
            for side in SIDES
        }
        return [
            self._signal(
                rule, side, row, float(strength[row]), [(text, column[row]) for text, column in measured[side]]
            )
            for row in np.flatnonzero(signalled.any(axis=0)).tolist()
            for side in SIDES
            if signalled[SIDES.index(side), row]
        ]

    def _signal(
        self, rule: Rule, side: Side, row: int, strength: float, held: Sequence[tuple[str, np.float64]]
    ) -> Signal:
        key, interval, at = self.keys[row], rule.interval, moment(self.time)
        exchange, symbol = split_key(key)
        price, atr = float(self.cards.ltp[row]), float(self.cards.atr[row])
        return Signal(
            id=signal_id(rule.name, key, interval, at),
            strategy=rule.name,
            symbol=symbol,
            exchange=exchange,
            interval=interval,
            timestamp=at,
            valid_until=moment(self.time + rule.valid_for),
            action=side,
            strength=0.0 if math.isnan(strength) else min(max(strength, 0.0), 1.0),
            price=price,
            stop=None if rule.stop is None else rule.stop.level(price, atr, -side.sign),
            target=None if rule.target is None else rule.target.level(price, atr, side.sign),
            reason=[Reason(rule=text, value=float(value)) for text, value in held],
            saw=self._saw(rule, row),
        )

    def _saw(self, rule: Rule, row: int) -> dict[str, Any]:
        key, interval, at = self.keys[row], rule.interval, moment(self.time)
        is_predicted = not math.isnan(self.cards.ai_prediction[row])
        name: Name = self.cards.names[int(self.cards.name[row])]
        return {
            "scorecard": scorecard_id(key, interval, at),
            "market_view": None if self.view is None else self.view.id,
            "prediction": identity("prediction", key, interval, at.isoformat()) if is_predicted else None,
            "model_version": name.source if is_predicted else None,
        }


class _Fold:
    """What one rule remembers of each instrument: its last scorecard, how long each side has held, its silence."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._last = np.zeros(0, np.int64)
        self._quiet_until = np.zeros(0, np.int64)
        self._held_for = np.zeros((len(SIDES), 0), np.int64)

    def advance(self, now: _Moment, instruments: int) -> tuple[Flags, int]:
        """Take in a moment; return for each side and row whether there is a signal, and how many rows held both."""
        self._grow(instruments)
        is_new = self._last[now.places] < now.time
        places = now.places[is_new]
        held = self._held(now)[:, is_new]
        both = held.all(axis=0)
        held &= ~both
        last = self._last[places]
        is_same_day = session_day(last) == session_day(now.time)
        follows = is_same_day & (now.time - last <= self.rule.interval.minutes * MINUTE_MS)
        held_for = np.where(held, np.where(follows, self._held_for[:, places], 0) + 1, 0)
        quiet_until = np.where(is_same_day, self._quiet_until[places], 0)
        told = (held_for >= self.rule.confirm) & (now.time >= quiet_until)
        self._last[places] = now.time
        self._held_for[:, places] = held_for
        self._quiet_until[places] = np.where(told.any(axis=0), now.time + self.rule.cooldown, quiet_until)
        signalled = np.zeros((len(SIDES), len(now)), np.bool_)
        signalled[:, is_new] = told
        return signalled, int(both.sum())

    def _held(self, now: _Moment) -> Flags:
        """Say for each side and row whether all of the rule holds at this moment."""
        held = np.zeros((len(SIDES), len(now)), np.bool_)
        minute = (now.time + IST_OFFSET_MS) % DAY_MS // MINUTE_MS
        first, last = self.rule.between
        if not first <= minute <= last:
            return held
        wanted = now.has_price
        if self.rule.instruments is not None:
            wanted = wanted & np.array([key in self.rule.instruments for key in now.keys])
        for at, side in enumerate(SIDES):
            if conditions := self.rule.conditions(side):
                held[at] = wanted
                for condition in conditions:
                    held[at] &= condition.holds(now.values, len(now))
        return held

    def _grow(self, instruments: int) -> None:
        new = instruments - len(self._last)
        if new > 0:
            more = max(new, len(self._last))
            self._last = np.append(self._last, np.zeros(more, np.int64))
            self._quiet_until = np.append(self._quiet_until, np.zeros(more, np.int64))
            self._held_for = np.append(self._held_for, np.zeros((len(SIDES), more), np.int64), axis=1)
