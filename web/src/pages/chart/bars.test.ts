import { describe, expect, it, vi } from "vitest";

import type { Candles } from "../../api";
import { BarFeed, type BarsState } from "./barFeed";
import { type Bar, formed, merged, placeOf, startOf } from "./bars";

const OPEN = Date.UTC(2026, 10, 20, 3, 45);
const MINUTE = 60_000;

const bar = (minute: number, close = 100): Bar => ({
  time: OPEN + minute * MINUTE,
  open: 100,
  high: Math.max(100, close),
  low: Math.min(100, close),
  close,
  volume: 10,
});

function answer(bars: readonly Bar[], open: Bar | null = null): Candles {
  return {
    symbol: "NSE:INFY",
    interval: "1m",
    time: bars.map(({ time }) => time),
    open: bars.map((one) => one.open),
    high: bars.map((one) => one.high),
    low: bars.map((one) => one.low),
    close: bars.map((one) => one.close),
    volume: bars.map((one) => one.volume),
    vwap: bars.map((one) => one.close),
    trades: bars.map(() => 1),
    incomplete: bars.map(() => false),
    revision: bars.map(() => 0),
    open_candle: open,
  };
}

const minutes = (from: number, to: number): Bar[] =>
  Array.from({ length: to - from }, (_, at) => bar(from + at));
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe("bars", () => {
  it("of an hour are counted from the session's open", () => {
    const first = [bar(0)];
    expect(startOf(first, "1h", OPEN + 59 * MINUTE)).toBe(OPEN);
    expect(startOf(first, "1h", OPEN + 61 * MINUTE)).toBe(OPEN + 60 * MINUTE);
  });

  it("of another day are not guessed", () => {
    expect(startOf([bar(0)], "5m", OPEN + 1440 * MINUTE)).toBeNull();
    expect(startOf([], "5m", OPEN)).toBeNull();
  });

  it("of five minutes grow with the forming minute", () => {
    const grown = formed([bar(0)], "5m", { ...bar(3, 104), low: 97 });
    expect(grown).toEqual({ ...bar(0), high: 104, low: 97, close: 104 });
    expect(formed([bar(0)], "5m", bar(5, 101))?.time).toBe(OPEN + 5 * MINUTE);
  });

  it("are one a moment, the newer wins", () => {
    expect(merged([bar(0), bar(1)], [bar(1, 105), bar(2)]).map(({ close }) => close)).toEqual([
      100, 105, 100,
    ]);
  });

  it("are found by a moment inside them", () => {
    const bars = minutes(0, 5);
    expect(placeOf(bars, OPEN + 2 * MINUTE + 1)).toBe(2);
    expect(placeOf(bars, OPEN - 1)).toBe(-1);
  });
});

describe("a feed of bars", () => {
  function feed(fetch: (query: { since?: number; until?: number }) => Promise<Candles>) {
    const states: BarsState[] = [];
    const made = new BarFeed("NSE:INFY", "1m", (state) => states.push(state), fetch);
    return { made, states };
  }

  it("has no hole after a gap: it fetches from the last bar that was whole", async () => {
    const fetch = vi
      .fn()
      .mockResolvedValueOnce(answer(minutes(0, 3), bar(3)))
      .mockResolvedValueOnce(answer(minutes(2, 9), bar(9)));
    const { made } = feed(fetch);
    made.start();
    await settled();
    made.take({ closed: [], open: [], isGap: true });
    await vi.waitFor(() => expect(made.state.bars).toHaveLength(10));
    expect(fetch.mock.lastCall?.[0]).toMatchObject({ since: bar(2).time });
    expect(made.state.bars.map(({ time }) => (time - OPEN) / MINUTE)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    made.stop();
  });

  it("fetches when a closed candle leaves a minute out", async () => {
    const fetch = vi
      .fn()
      .mockResolvedValueOnce(answer(minutes(0, 3)))
      .mockResolvedValueOnce(answer(minutes(2, 6)));
    const { made } = feed(fetch);
    made.start();
    await settled();
    made.take({ closed: [{ symbol: "NSE:INFY", ...bar(5) }], open: [], isGap: false });
    await vi.waitFor(() => expect(made.state.bars).toHaveLength(6), { timeout: 5000 });
    made.stop();
  });

  it("takes a closed candle over the forming one of its minute", async () => {
    const { made } = feed(() => Promise.resolve(answer(minutes(0, 2), bar(2, 101))));
    made.start();
    await settled();
    made.take({ closed: [{ symbol: "NSE:INFY", ...bar(2, 107) }], open: [], isGap: false });
    expect(made.state.bars.at(-1)?.close).toBe(107);
    expect(made.state.closedAt).toBe(bar(2).time);
    made.stop();
  });

  it("loads older bars once at a time and stops at the first one there is", async () => {
    const fetch = vi
      .fn()
      .mockResolvedValueOnce(answer(minutes(5, 8)))
      .mockResolvedValueOnce(answer(minutes(0, 5)))
      .mockResolvedValue(answer([]));
    const { made } = feed(fetch);
    made.start();
    await settled();
    await Promise.all([made.loadOlder(), made.loadOlder()]);
    expect(made.state.bars).toHaveLength(8);
    await made.loadOlder();
    await made.loadOlder();
    expect(fetch).toHaveBeenCalledTimes(3);
    made.stop();
  });

  it("says what failed and tells nothing after it was stopped", async () => {
    const { made, states } = feed(() => Promise.reject(new Error("away")));
    made.start();
    await settled();
    expect(made.state.error).toEqual(new Error("away"));
    made.stop();
    const told = states.length;
    await made.refill();
    expect(states).toHaveLength(told);
  });
});
