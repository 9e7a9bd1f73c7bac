import { describe, expect, it } from "vitest";

import type { Fill, Signal } from "../../api";
import { marksOf } from "./useChart";

const OPEN = Date.UTC(2026, 10, 20, 3, 45);
const bars = [0, 1, 2].map((minute) => ({
  time: OPEN + minute * 60_000,
  open: 1,
  high: 1,
  low: 1,
  close: 1,
  volume: 1,
}));
const fill = (at: number, side: "BUY" | "SELL", quantity: number): Fill => ({ at, side, quantity }) as Fill;
const signal = (at: number): Signal => ({ timestamp: new Date(at).toISOString(), action: "BUY" }) as Signal;

describe("marks", () => {
  it("stand one for the fills of a bar and side", () => {
    const marks = marksOf(
      bars,
      [],
      [fill(OPEN + 1, "BUY", 10), fill(OPEN + 9, "BUY", 5), fill(OPEN + 9, "SELL", 3)],
    );
    expect(marks.map(({ text }) => text)).toEqual(["B 15", "S 3"]);
  });

  it("put a signal on the bar whose end told it", () => {
    expect(marksOf(bars, [signal(OPEN + 60_000)], []).map(({ time }) => time)).toEqual([OPEN]);
  });

  it("leave out what lies before the first bar", () => {
    expect(marksOf(bars, [signal(OPEN)], [fill(OPEN - 1, "BUY", 1)])).toEqual([]);
  });
});
