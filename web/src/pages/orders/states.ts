/** What the states of an order mean for what can be done with it, and how its numbers are written. Pure. */

import type { Check, Order, OrderState } from "../../api";
import { ApiError } from "../../api";
import { decimal, numberOf, price } from "../../format";

const FINAL: ReadonlySet<OrderState> = new Set(["filled", "cancelled", "rejected", "expired"]);

export const STATES: readonly OrderState[] = [
  "intended",
  "sent",
  "accepted",
  "open",
  "part_filled",
  "unknown",
  "filled",
  "cancelled",
  "rejected",
  "expired",
];

export const isWorking = ({ state }: Order): boolean => !FINAL.has(state);

/** The mean price of what has filled; null before the first fill. */
export function averageOf(order: Order): number | null {
  const value = numberOf(order.filled_value);
  return order.filled === 0 || value === null ? null : value / order.filled;
}

/** What an order waits for, in words: `at 1,392.50`, `from 1,400.00`. */
export function waitsFor(order: Order): string {
  const parts = [
    order.trigger === null ? "" : `from ${price(order.trigger)}`,
    order.price === null ? "" : `at ${price(order.price)}`,
  ];
  return parts.filter((part) => part !== "").join(" ");
}

const CHECKS: Readonly<Record<string, string>> = {
  kill_switch: "Kill switch",
  instrument: "Instrument and product",
  session_phase: "Market phase",
  quantity: "Quantity",
  price: "Price",
  order_value: "Value of the order",
  position: "Position",
  exposure: "Exposure",
  daily_loss: "Loss of the day",
  order_rate: "Order rate",
  duplicate: "Repetition",
  entries_end: "Time before the close",
  charges: "Charges",
};

export const checkName = (name: string): string => CHECKS[name] ?? name.replaceAll("_", " ");

/** Write the amounts inside a check's words as people read them: `last 8901.7500` → `last 8,901.75`. */
export function checkValue(value: string): string {
  return value.replaceAll(/(?<![\d.])\d+(\.\d+)?/g, (number) => {
    const isWhole = Number.isInteger(Number(number));
    return number.length < 4 ? number : decimal(number, isWhole ? 0 : 2);
  });
}

/** Return the risk checks that refused a command, if that is what an error tells. */
export function failedChecks(error: unknown): Check[] {
  if (!(error instanceof ApiError)) return [];
  const checks = (error.details as { checks?: unknown } | null)?.checks;
  return Array.isArray(checks) ? (checks as Check[]) : [];
}
