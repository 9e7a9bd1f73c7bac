import { describe, expect, it } from "vitest";

import type { Instrument } from "../../api";
import { changeOf, marketRows, rankOf } from "./rows";
import { treemap } from "./treemap";

const ROOM = { x: 0, y: 0, width: 300, height: 200 };

describe("a treemap", () => {
  it("fills its room with areas in proportion", () => {
    const boxes = treemap([6, 6, 4, 3, 2, 2, 1], (size) => size, ROOM);
    const areas = boxes.map(({ width, height }) => width * height);
    expect(areas.reduce((sum, area) => sum + area, 0)).toBeCloseTo(60_000);
    expect(areas[0]).toBeCloseTo(15_000);
    for (const box of boxes) {
      expect(box.x + box.width).toBeLessThanOrEqual(300.001);
      expect(box.y + box.height).toBeLessThanOrEqual(200.001);
    }
  });

  it("keeps boxes near to squares", () => {
    const boxes = treemap(Array<number>(50).fill(1), (size) => size, ROOM);
    for (const { width, height } of boxes) expect(Math.max(width / height, height / width)).toBeLessThan(2.1);
  });

  it("leaves out what has no size, and draws nothing in no room", () => {
    expect(treemap([1, 0, -1], (size) => size, ROOM)).toHaveLength(1);
    expect(treemap([1], (size) => size, { ...ROOM, width: 0 })).toEqual([]);
    expect(treemap([], () => 1, ROOM)).toEqual([]);
  });
});

describe("rows of the market", () => {
  const infy: Instrument = {
    symbol: "NSE:INFY",
    name: "Infosys",
    kind: "equity",
    lot_size: 1,
    tick_size: "0.05",
    has_derivatives: true,
  };
  const nothing = { prices: new Map(), scorecards: new Map(), quotes: new Map() };

  it("invent no number", () => {
    const [row] = marketRows([infy], nothing);
    expect(row).toMatchObject({
      ltp: null,
      change: null,
      volume: null,
      turnover: null,
      low: null,
      composite: null,
    });
  });

  it("widen the day's range by a price that is newer than the quote", () => {
    const price = { ltp: 112, bid: 111, ask: 113, volume: 10, change_percent: 12, time: 1 };
    const quote = { low: 100, high: 110, ltp: 105 };
    const [row] = marketRows([infy], {
      ...nothing,
      prices: new Map([["NSE:INFY", price]]),
      quotes: new Map([["NSE:INFY", quote as never]]),
    });
    expect(row).toMatchObject({ high: 112, low: 100, turnover: 1120 });
    expect(row?.change).toBeCloseTo(12);
  });

  it("know the change in rupees from the percentage", () => {
    expect(changeOf(110, 10)).toBeCloseTo(10);
    expect(changeOf(null, 10)).toBeNull();
  });

  it("rank advice from strong sell to strong buy", () => {
    expect(rankOf("STRONG_BUY")).toBe(4);
    expect(rankOf("STRONG_SELL")).toBe(0);
    expect(rankOf(null)).toBeNull();
  });
});
