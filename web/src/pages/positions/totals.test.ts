import { expect, test } from "vitest";

import type { Position } from "../../api";
import { exposureOf, isOpen, returnOf, totalsOf } from "./totals";

const position = (part: Partial<Position>): Position => ({
  strategy: "manual", symbol: "NSE:TCS", product: "MIS", net_quantity: 10, average_price: "100.0000",
  last_price: "110.0000", realised: "5.0000", realised_fifo: "5.0000", unrealised: "100.0000", charges: "2.5000",
  net: "102.5000", updated_at: 0, ...part,
}); // prettier-ignore

const SHORT = position({ net_quantity: -5, unrealised: "-50.0000", net: "-47.5000" });
const FLAT = position({ net_quantity: 0, last_price: null, unrealised: null, net: "2.5000" });

test("long and short, open and closed add up", () => {
  expect(totalsOf([position({}), SHORT, FLAT])).toEqual({
    realised: 15, unrealised: 50, charges: 7.5, net: 57.5, exposure: 1650,
  }); // prettier-ignore
  expect([position({}), SHORT, FLAT].map(isOpen)).toEqual([true, true, false]);
});

test("a sum over an open position without a price is unknown, not too small", () => {
  const unpriced = position({ last_price: null, unrealised: null });
  expect(totalsOf([position({}), unpriced])).toMatchObject({
    unrealised: null,
    exposure: null,
    net: null,
    realised: 10,
  });
});

test("a position's value has no sign, and its return is of what was paid", () => {
  expect(exposureOf(SHORT)).toBe(550);
  expect(returnOf(position({}))).toBe(10);
  expect(returnOf(FLAT)).toBeNull();
});
