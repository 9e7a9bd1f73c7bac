/** Candles of one symbol and interval, oldest first, and the pure rules by which live ones join them. */

import type { Candles, Interval, OpenCandle } from "../../api";

export interface Bar {
  /** Start, ms UTC. */
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

export const INTERVALS: readonly Interval[] = ["1m", "3m", "5m", "15m", "30m", "1h", "1d"];

const MINUTE_MS = 60_000;
const IST_MS = 330 * MINUTE_MS;
const DAY_MS = 1440 * MINUTE_MS;
const MINUTES: Record<Interval, number> = {
  "1m": 1,
  "3m": 3,
  "5m": 5,
  "15m": 15,
  "30m": 30,
  "1h": 60,
  "1d": 0,
};

/** Return the number of the IST day a moment is on. */
export const dayOf = (time: number): number => Math.floor((time + IST_MS) / DAY_MS);

/** Return the bars of an answer, the forming one last. */
export function barsOf(candles: Candles): Bar[] {
  const bars = candles.time.map((time, at) => ({
    time,
    open: candles.open[at] ?? NaN,
    high: candles.high[at] ?? NaN,
    low: candles.low[at] ?? NaN,
    close: candles.close[at] ?? NaN,
    volume: candles.volume[at] ?? 0,
  }));
  return candles.open_candle === null ? bars : merged(bars, [candles.open_candle]);
}

/** Lay newer bars over known ones: one bar a moment, the newer wins, in order of time. */
export function merged(known: readonly Bar[], newer: readonly Bar[]): Bar[] {
  const byTime = new Map([...known, ...newer].map((bar) => [bar.time, bar]));
  return [...byTime.values()].sort((one, other) => one.time - other.time);
}

/** Return the start of the bar that a one-minute candle belongs to, or null when only the server knows: intraday bars
 * are counted from the session's open, which is the start of the day's first bar. */
export function startOf(bars: readonly Bar[], interval: Interval, time: number): number | null {
  if (interval === "1m") return time;
  const last = bars.at(-1);
  if (last === undefined || dayOf(last.time) !== dayOf(time) || time < last.time) return null;
  if (interval === "1d") return last.time;
  const length = MINUTES[interval] * MINUTE_MS;
  return last.time + Math.floor((time - last.time) / length) * length;
}

/** Return the bar that a forming one-minute candle makes, or null when the server must be asked. Of longer intervals
 * the volume stays as the server told it last. */
export function formed(bars: readonly Bar[], interval: Interval, forming: OpenCandle): Bar | null {
  const time = startOf(bars, interval, forming.time);
  if (time === null) return null;
  const { open, high, low, close, volume } = forming;
  if (interval === "1m") return { time, open, high, low, close, volume };
  const last = bars.at(-1);
  if (last?.time !== time) return { time, open, high, low, close, volume };
  return { ...last, high: Math.max(last.high, high), low: Math.min(last.low, low), close };
}

/** Return the place of the bar that holds a moment, or -1 when it lies before all of them. */
export function placeOf(bars: readonly Bar[], time: number): number {
  let [low, high] = [0, bars.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bars[middle]?.time ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
