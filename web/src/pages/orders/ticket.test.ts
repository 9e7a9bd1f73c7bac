import { expect, test } from "vitest";

import type { Instrument, Order } from "../../api";
import { ApiError } from "../../api";
import { checkValue, failedChecks, waitsFor } from "./states";
import {
  changeOf,
  decimalsOf,
  type Draft,
  EMPTY,
  isOnStep,
  newKey,
  orderOf,
  problemsOf,
  valueOf,
} from "./ticket";

const SHARE: Instrument = {
  symbol: "NSE:RELIANCE", name: "Reliance", kind: "equity", lot_size: 1, tick_size: "0.05", has_derivatives: true,
}; // prettier-ignore
const draft = (part: Partial<Draft>): Draft => ({ ...EMPTY, symbol: "NSE:RELIANCE", quantity: 10, ...part });

test("a market order needs an instrument and a quantity, and takes no price", () => {
  expect(problemsOf(EMPTY, null)).toEqual({ symbol: "Choose an instrument", quantity: "Give a quantity" });
  expect(problemsOf(draft({}), SHARE)).toEqual({});
  expect(orderOf(draft({ price: 5, trigger: 5 }))).toEqual({
    symbol: "NSE:RELIANCE", side: "BUY", quantity: 10, order_type: "MARKET", product: "MIS", validity: "DAY",
  }); // prettier-ignore
});

test("quantities are whole lots", () => {
  const future = { ...SHARE, lot_size: 75 };
  expect(problemsOf(draft({ quantity: 150 }), future)).toEqual({});
  expect(problemsOf(draft({ quantity: 100 }), future).quantity).toBe("In lots of 75");
  expect(problemsOf(draft({ quantity: 1.5 }), SHARE).quantity).toBe("A whole number, 1 or more");
  expect(problemsOf(draft({ quantity: 0 }), SHARE).quantity).toBe("A whole number, 1 or more");
});

test("prices lie on the tick size, and no rounding of floats is mistaken for a step off it", () => {
  for (const price of [0.05, 1392.15, 2850.7, 99_999.95]) expect(isOnStep(price, 0.05)).toBe(true);
  expect(isOnStep(1392.13, 0.05)).toBe(false);
  expect(problemsOf(draft({ type: "LIMIT", price: 1392.13 }), SHARE).price).toBe("In steps of 0.05");
  expect(problemsOf(draft({ type: "LIMIT", price: "" }), SHARE).price).toBe("Give a price");
  expect([1, 0.05, 0.5, 0.0025].map(decimalsOf)).toEqual([0, 2, 1, 4]);
});

test("a stop order's price lies beyond its trigger", () => {
  const sl = { type: "SL", trigger: 100 } as const;
  expect(problemsOf(draft({ ...sl, price: 99 }), SHARE).price).toBe("At or above the trigger, to buy");
  expect(problemsOf(draft({ ...sl, price: 101, side: "SELL" }), SHARE).price).toBe(
    "At or below the trigger, to sell",
  );
  expect(problemsOf(draft({ ...sl, price: 101 }), SHARE)).toEqual({});
});

test("the value is reckoned at the order's own price, else at the last, and unknown without one", () => {
  expect(valueOf(draft({}), 1400)).toBe(14_000);
  expect(valueOf(draft({ type: "LIMIT", price: 1390 }), 1400)).toBe(13_900);
  expect(valueOf(draft({ type: "SL-M", trigger: 1410 }), 1400)).toBe(14_100);
  expect(valueOf(draft({}), null)).toBeNull();
});

test("money leaves as text with four decimals", () => {
  const order = orderOf(draft({ type: "SL", price: "1402.5", trigger: 1400 }));
  expect([order.price, order.trigger]).toEqual(["1402.5000", "1400.0000"]);
});

test("a change says only what differs", () => {
  const order = { quantity: 10, price: "1390.0000", trigger: null } as Order;
  expect(changeOf(order, draft({ quantity: 10, price: 1390 }))).toBeNull();
  expect(changeOf(order, draft({ quantity: 12, price: "1391" }))).toEqual({
    quantity: 12,
    price: "1391.0000",
  });
});

test("each key is another", () => {
  expect(newKey()).toMatch(/^[0-9a-f]{32}$/);
  expect(newKey()).not.toBe(newKey());
});

test("refused checks are taken from an error, and their amounts written as people read them", () => {
  const checks = [{ name: "order_value", is_passed: false, value: "1402000.0000", limit: "200000" }];
  const error = new ApiError(409, { code: "refused", message: "no", details: { command: "c", checks } });
  expect(failedChecks(error)).toEqual(checks);
  expect(failedChecks(new Error("x"))).toEqual([]);
  expect(checkValue("1402000.0000")).toBe("14,02,000");
  expect(checkValue("last 8901.7500")).toBe("last 8,901.75");
  expect(checkValue("-802.9129")).toBe("-802.91");
  expect(checkValue("9 in a second")).toBe("9 in a second");
});

test("what an order waits for is told in words", () => {
  expect(waitsFor({ price: "1392.5000", trigger: null } as Order)).toBe("at 1,392.50");
  expect(waitsFor({ price: "1392.5000", trigger: "1390.0000" } as Order)).toBe("from 1,390.00 at 1,392.50");
  expect(waitsFor({ price: null, trigger: null } as Order)).toBe("");
});
