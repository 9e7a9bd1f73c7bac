import { expect, test } from "vitest";

import type { Signal } from "../../api";
import { reasonText } from "../../format";
import { joined, rewardForRisk, validityOf } from "./validity";

const signal = (id: string, timestamp: string, part: Partial<Signal> = {}): Signal =>
  ({ id, timestamp, symbol: "NSE:TCS", strategy: "composite-v1", ...part }) as Signal;

test("what is left is reckoned against the data's time, and unknown without it", () => {
  const now = Date.parse("2026-11-20T09:31:30Z");
  expect(validityOf("2026-11-20T09:33:00Z", now)).toEqual({ isOver: false, secondsLeft: 90 });
  expect(validityOf("2026-11-20T09:31:30Z", now)).toEqual({ isOver: true, secondsLeft: 0 });
  expect(validityOf("2026-11-20T09:33:00Z", undefined)).toEqual({ isOver: null, secondsLeft: null });
});

test("stored and live signals are joined once each, newest first, as the filter says", () => {
  const old = signal("a", "2026-11-20T09:30:00Z");
  const other = signal("b", "2026-11-20T09:31:00Z", { symbol: "NSE:INFY" });
  const live = signal("c", "2026-11-20T09:32:00Z");
  const all = { symbol: null, strategy: null };
  expect(joined([old, other], [live, old], all).map(({ id }) => id)).toEqual(["c", "b", "a"]);
  expect(joined([old, other], [live], { ...all, symbol: "NSE:INFY" }).map(({ id }) => id)).toEqual(["b"]);
  expect(joined([old], [live], { ...all, strategy: "other" })).toEqual([]);
});

test("gain for risk is unknown without a stop or a target", () => {
  expect(rewardForRisk({ price: 100, stop: 99, target: 102 })).toBe(2);
  expect(rewardForRisk({ price: 100, stop: null, target: 102 })).toBeNull();
  expect(rewardForRisk({ price: 100, stop: 100, target: 102 })).toBeNull();
});

test("rules are told in words, and one of another form as it is", () => {
  expect(reasonText({ rule: "composite_score <= -3.5", value: -3.7354 })).toBe(
    "Composite score −3.74, at most −3.5",
  );
  expect(reasonText({ rule: "ltp < vwap", value: 1568.6 })).toBe("Price 1,568.60, below VWAP");
  expect(reasonText({ rule: "market.sentiment_score >= 0", value: null })).toBe(
    "Market sentiment, at least 0",
  );
  expect(reasonText({ rule: "full moon", value: null })).toBe("full moon");
});
