"""Fold of trades into one-minute candles, for all symbols of a partition in one call.

The rules are those of `docs/explanation/candles.md`: trades are bucketed by `traded_at` and ordered by (traded_at,
sequence); a repeat of the last trade moves nothing; volume is the running maximum of the day's volume less its value at
the minute's start. Nothing here reads a clock, allocates per tick or knows a calendar: session masks come in.

State, for S slots (symbols) and a ring of R minutes (R a power of two):

    cells    float64[S, R, FIELDS]  one candle being made, or made, a minute (whole numbers are exact below 2**53)
    seconds  int64[S, R, 60]        last trade of each second, packed (day_volume << 16 | ms of the minute)
    base     float64[S, BASE]       what is known of the slot before the ring's oldest minute

Minutes are counted from the epoch (UTC); `oldest` is the ring's first minute, `closed` the last closed one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

MINUTE_MS = 60_000

# fields of a cell: what every tick touches stands in its first two cache lines
MINUTE, TRADES, HIGH, LOW, CLOSE, CLOSE_TIME, CLOSE_SEQUENCE, OWN_MAXIMUM = 0, 1, 2, 3, 4, 5, 6, 7
TURNOVER, WEIGHT, PRICE_SUM, INTEREST, OPEN, OPEN_TIME, OPEN_SEQUENCE, OPEN_VOLUME = 8, 9, 10, 11, 12, 13, 14, 15
FIRST_VOLUME, FIRST_PRICE = 16, 17
# what was last told of the minute
REVISION, TOLD_OPEN, TOLD_HIGH, TOLD_LOW, TOLD_CLOSE = 18, 19, 20, 21, 22
TOLD_VOLUME, TOLD_TRADES, TOLD_VWAP, TOLD_DAY_VOLUME, TOLD_INCOMPLETE, TOLD_INTEREST = 23, 24, 25, 26, 27, 28
FIELDS = 32

# fields of a base
BASE_VOLUME, BASE_KNOWN, BASE_PRICE, BASE_PRICE_TIME, BASE_TRADED, BASE_INTEREST, BASE_STORED = 0, 1, 2, 3, 4, 5, 6
NOTED, NOTED_VOLUME, NOTED_PRICE, BASE_THROUGH = 7, 8, 9, 10
BASE = 11

# what became of a tick
TRADED, REPEATED, QUOTED, EARLIER, LATE, AHEAD = 0, 1, 2, 3, 4, 5
OUTCOMES = 6

# columns of a told candle
(ROW_SLOT, ROW_MINUTE, ROW_OPEN, ROW_HIGH, ROW_LOW, ROW_CLOSE, ROW_VOLUME, ROW_TRADES, ROW_VWAP, ROW_DAY_VOLUME,
 ROW_INTEREST, ROW_REVISION, ROW_INCOMPLETE, ROW_TRADED_AT) = range(14)  # fmt: skip
ROW = 14


@njit(cache=True)
def fold_trades(
    start, offset, slot, ltp, day_volume, traded_at, sequence, interest, day_start, day_end, oldest, closed,
    cells, seconds, base, dirty, outcome, counts, newest,
):  # fmt: skip
    """Fold ticks from row `start` on; return the first row whose minute needs a longer ring, or the number of rows.

    `offset` is that of row 0 in the log: what a stored base has taken in already is not taken in again. `day_start`
    and `day_end` bound the day in ms UTC. `outcome` (uint8 a row) tells what became of each tick: a trade taken in, a
    repeat, a quote whose last trade is of an earlier day (so that today's volume is known to be 0), a trade before the
    ring, the same of a symbol already told (late: its minute needs repair), or one after the day. `dirty` marks slots
    whose closed minutes changed. `counts` adds up the outcomes; `newest[0]` keeps the newest minute traded in.
    """
    ring = cells.shape[1]
    mask = ring - 1
    for row in range(start, slot.shape[0]):
        at = traded_at[row]
        s = slot[row]
        volume = float(day_volume[row])
        if at < day_start:
            base[s, BASE_KNOWN] = 1.0
            outcome[row] = QUOTED
            counts[QUOTED] += 1
            continue
        if at >= day_end:
            outcome[row] = AHEAD
            counts[AHEAD] += 1
            continue
        minute = at // MINUTE_MS
        newest[0] = max(newest[0], minute)
        if minute < oldest:
            if offset + row < base[s, BASE_THROUGH] or _repeats_base(base, s, volume, at):
                outcome[row] = REPEATED
                counts[REPEATED] += 1
                continue
            _learn_base(base, s, volume, ltp[row], at, interest[row])
            dirty[s] = 1
            what = LATE if base[s, BASE_STORED] != 0.0 else EARLIER
            outcome[row] = what
            counts[what] += 1
            continue
        if minute >= oldest + ring:
            return row
        r = minute & mask
        if cells[s, r, MINUTE] != minute:
            clear_cell(cells, seconds, s, r, minute)
        inside = at - minute * MINUTE_MS
        second = inside // 1000
        packed = (day_volume[row] << 16) | inside
        if seconds[s, r, second] == packed:
            outcome[row] = REPEATED
            counts[REPEATED] += 1
            continue
        seconds[s, r, second] = packed
        _take_trade(cells, s, r, ltp[row], volume, at, sequence[row], interest[row])
        if minute <= closed:
            dirty[s] = 1
        outcome[row] = TRADED
        counts[TRADED] += 1
    return slot.shape[0]


@njit(cache=True)
def _repeats_base(base, s, volume, at):
    # the same day's volume as ever seen means no new trade; an index, always 0, repeats only the very time
    last = base[s, BASE_PRICE_TIME]
    return base[s, BASE_TRADED] != 0.0 and volume == base[s, BASE_VOLUME] and (at == last or (volume > 0 and at < last))


@njit(cache=True)
def _learn_base(base, s, volume, price, at, interest):
    if at >= base[s, BASE_PRICE_TIME]:
        base[s, BASE_PRICE_TIME] = at
        base[s, BASE_PRICE] = price
        base[s, BASE_INTEREST] = interest
    base[s, BASE_KNOWN] = 1.0
    base[s, BASE_TRADED] = 1.0
    base[s, BASE_VOLUME] = max(base[s, BASE_VOLUME], volume)


@njit(cache=True)
def clear_cell(cells, seconds, s, r, minute):
    """Begin a minute in ring place `r` of slot `s`."""
    for field in range(FIELDS):
        cells[s, r, field] = 0.0
    cells[s, r, MINUTE] = minute
    cells[s, r, REVISION] = -1.0
    for second in range(60):
        seconds[s, r, second] = -1


@njit(cache=True)
def _take_trade(cells, s, r, price, volume, at, sequence, interest):
    cell = cells[s, r]
    if cell[TRADES] == 0.0:
        cell[OPEN] = cell[HIGH] = cell[LOW] = cell[CLOSE] = price
        cell[OPEN_TIME] = cell[CLOSE_TIME] = at
        cell[OPEN_SEQUENCE] = cell[CLOSE_SEQUENCE] = sequence
        cell[OWN_MAXIMUM] = cell[OPEN_VOLUME] = cell[FIRST_VOLUME] = volume
        cell[FIRST_PRICE] = cell[PRICE_SUM] = price
        cell[TRADES] = 1.0
        cell[INTEREST] = interest
        return
    cell[HIGH] = max(cell[HIGH], price)
    cell[LOW] = min(cell[LOW], price)
    if at > cell[CLOSE_TIME] or (at == cell[CLOSE_TIME] and sequence >= cell[CLOSE_SEQUENCE]):
        cell[CLOSE] = price
        cell[CLOSE_TIME] = at
        cell[CLOSE_SEQUENCE] = sequence
        cell[INTEREST] = interest
    elif at < cell[OPEN_TIME] or (at == cell[OPEN_TIME] and sequence < cell[OPEN_SEQUENCE]):
        cell[OPEN] = price
        cell[OPEN_TIME] = at
        cell[OPEN_SEQUENCE] = sequence
        cell[OPEN_VOLUME] = volume
    if volume > cell[OWN_MAXIMUM]:
        cell[TURNOVER] += price * (volume - cell[OWN_MAXIMUM])
        cell[WEIGHT] += volume - cell[OWN_MAXIMUM]
        cell[OWN_MAXIMUM] = volume
    cell[PRICE_SUM] += price
    cell[TRADES] += 1.0


@njit(cache=True)
def settle(
    until, every_slot, slots, oldest, first_told, day_start, session, masks, unobserved,
    cells, seconds, base, dirty, told,
):  # fmt: skip
    """Tell the candles of the minutes from `oldest` to `until` that are new or changed; return how many rows of `told`.

    `every_slot` walks all of the first `slots` slots (a minute is closing), otherwise only the dirty ones. `session`
    is the index into `masks` (uint8[classes, 1440], by minute of the day that begins at `day_start`) of each slot;
    `unobserved` (uint8[R]) marks minutes in which the feed was away. Minutes before `first_told` are never told.
    A candle that differs from what was told is told again with the next revision; revision 0 is what was told when
    the minute closed, so that a candle which only a late trade brings begins with 1. When a minute closes without a
    candle for a slot and what is known of the slot has changed, a row with revision -1 notes volume and last price (0
    when it has not traded), so that a restart knows them too.
    """
    mask = cells.shape[1] - 1
    day_minute = day_start // MINUTE_MS
    rows = 0
    for s in range(slots):
        if not every_slot and dirty[s] == 0:
            continue
        dirty[s] = 0
        volume, known = base[s, BASE_VOLUME], base[s, BASE_KNOWN] != 0.0
        price, traded = base[s, BASE_PRICE], base[s, BASE_TRADED] != 0.0
        interest, price_time = base[s, BASE_INTEREST], base[s, BASE_PRICE_TIME]
        for minute in range(oldest, until + 1):
            r = minute & mask
            has_trades = cells[s, r, MINUTE] == minute and cells[s, r, TRADES] > 0.0
            told_now = False
            in_session = masks[session[s], minute - day_minute] != 0 and minute >= first_told
            if in_session and (has_trades or (traded and unobserved[r] == 0)):
                if cells[s, r, MINUTE] != minute:
                    clear_cell(cells, seconds, s, r, minute)
                _candle_of(cells[s, r], has_trades, volume, known, price, interest, unobserved[r] != 0, told[rows])
                if _is_news(cells[s, r], every_slot and minute == until, told[rows]):
                    told[rows, ROW_SLOT] = s
                    told[rows, ROW_MINUTE] = minute
                    told[rows, ROW_TRADED_AT] = cells[s, r, CLOSE_TIME] if has_trades else price_time
                    rows += 1
                told_now = True
            if has_trades:
                volume = max(volume, cells[s, r, OWN_MAXIMUM])
                known = traded = True
                price, price_time = cells[s, r, CLOSE], cells[s, r, CLOSE_TIME]
                interest = cells[s, r, INTEREST]
            if every_slot and minute == until and known and _is_new_base(base[s], volume, price) and not told_now:
                _note_base(s, minute, volume, price, price_time, interest, told[rows])
                rows += 1
    return rows


@njit(cache=True)
def _is_new_base(base, volume, price):
    if base[NOTED] != 0.0 and base[NOTED_VOLUME] == volume and base[NOTED_PRICE] == price:
        return False
    base[NOTED] = 1.0
    base[NOTED_VOLUME] = volume
    base[NOTED_PRICE] = price
    return True


@njit(cache=True)
def _note_base(s, minute, volume, price, price_time, interest, row):
    row[:] = 0.0
    row[ROW_SLOT] = s
    row[ROW_MINUTE] = minute
    row[ROW_CLOSE] = price
    row[ROW_DAY_VOLUME] = volume
    row[ROW_INTEREST] = interest
    row[ROW_TRADED_AT] = price_time
    row[ROW_REVISION] = -1.0


@njit(cache=True)
def _candle_of(cell, has_trades, volume, known, price, interest, was_unobserved, row):
    if not has_trades:
        row[ROW_OPEN] = row[ROW_HIGH] = row[ROW_LOW] = row[ROW_CLOSE] = row[ROW_VWAP] = price
        row[ROW_VOLUME] = row[ROW_TRADES] = row[ROW_INCOMPLETE] = 0.0
        row[ROW_DAY_VOLUME] = volume
        row[ROW_INTEREST] = interest
        return
    row[ROW_OPEN], row[ROW_HIGH], row[ROW_LOW], row[ROW_CLOSE] = cell[OPEN], cell[HIGH], cell[LOW], cell[CLOSE]
    start = volume if known else cell[OPEN_VOLUME]
    end = max(start, cell[OWN_MAXIMUM])
    row[ROW_VOLUME] = end - start
    row[ROW_DAY_VOLUME] = end
    row[ROW_TRADES] = cell[TRADES]
    row[ROW_INTEREST] = cell[INTEREST]
    row[ROW_INCOMPLETE] = 1.0 if was_unobserved or not known else 0.0
    first = max(0.0, cell[FIRST_VOLUME] - start)
    weight = first + cell[WEIGHT]
    by_volume = weight > 0.0
    vwap = (cell[FIRST_PRICE] * first + cell[TURNOVER]) / weight if by_volume else cell[PRICE_SUM] / cell[TRADES]
    row[ROW_VWAP] = min(max(vwap, cell[LOW]), cell[HIGH])


@njit(cache=True)
def _is_news(cell, in_time, row):
    if (
        cell[REVISION] >= 0.0
        and cell[TOLD_OPEN] == row[ROW_OPEN]
        and cell[TOLD_HIGH] == row[ROW_HIGH]
        and cell[TOLD_LOW] == row[ROW_LOW]
        and cell[TOLD_CLOSE] == row[ROW_CLOSE]
        and cell[TOLD_VOLUME] == row[ROW_VOLUME]
        and cell[TOLD_TRADES] == row[ROW_TRADES]
        and cell[TOLD_VWAP] == row[ROW_VWAP]
        and cell[TOLD_DAY_VOLUME] == row[ROW_DAY_VOLUME]
        and cell[TOLD_INCOMPLETE] == row[ROW_INCOMPLETE]
        and cell[TOLD_INTEREST] == row[ROW_INTEREST]
    ):
        return False
    cell[REVISION] += 1.0
    if cell[REVISION] == 0.0 and not in_time:
        cell[REVISION] = 1.0
    row[ROW_REVISION] = cell[REVISION]
    cell[TOLD_OPEN], cell[TOLD_HIGH] = row[ROW_OPEN], row[ROW_HIGH]
    cell[TOLD_LOW], cell[TOLD_CLOSE] = row[ROW_LOW], row[ROW_CLOSE]
    cell[TOLD_VOLUME], cell[TOLD_TRADES] = row[ROW_VOLUME], row[ROW_TRADES]
    cell[TOLD_VWAP], cell[TOLD_DAY_VOLUME] = row[ROW_VWAP], row[ROW_DAY_VOLUME]
    cell[TOLD_INCOMPLETE], cell[TOLD_INTEREST] = row[ROW_INCOMPLETE], row[ROW_INTEREST]
    return True


@njit(cache=True)
def slide(slots, oldest, new_oldest, cells, base):
    """Let the minutes before `new_oldest` leave the ring: what they say goes into the base."""
    mask = cells.shape[1] - 1
    for s in range(slots):
        for minute in range(oldest, new_oldest):
            cell = cells[s, minute & mask]
            if cell[MINUTE] != minute:
                continue
            if cell[REVISION] >= 0.0:
                base[s, BASE_STORED] = 1.0
            if cell[TRADES] > 0.0:
                _learn_base(base, s, cell[OWN_MAXIMUM], cell[CLOSE], cell[CLOSE_TIME], cell[INTEREST])
            cell[MINUTE] = -1.0


@njit(cache=True)
def open_candles(slots, minute, cells, base, told):
    """Write the candle still open in `minute` of each slot that traded in it; return how many rows of `told`."""
    mask = cells.shape[1] - 1
    rows = 0
    for s in range(slots):
        cell = cells[s, minute & mask]
        if cell[MINUTE] != minute or cell[TRADES] == 0.0:
            continue
        volume, known = base[s, BASE_VOLUME], base[s, BASE_KNOWN] != 0.0
        for before in range(minute - mask, minute):
            earlier = cells[s, before & mask]
            if earlier[MINUTE] == before and earlier[TRADES] > 0.0:
                volume = max(volume, earlier[OWN_MAXIMUM])
                known = True
        _candle_of(cell, True, volume, known, 0.0, 0.0, False, told[rows])
        told[rows, ROW_SLOT] = s
        told[rows, ROW_MINUTE] = minute
        told[rows, ROW_TRADED_AT] = cell[CLOSE_TIME]
        rows += 1
    return rows


def empty_cells(slots: int, ring: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (cells, seconds, base, dirty) for `slots` symbols and `ring` minutes, none of them begun."""
    cells = np.zeros((slots, ring, FIELDS))
    cells[:, :, MINUTE] = -1.0
    seconds = np.empty((slots, ring, 60), np.int64)  # cleared with its cell, when a minute begins
    return cells, seconds, np.zeros((slots, BASE)), np.zeros(slots, np.uint8)
