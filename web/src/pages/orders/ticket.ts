/** The rules of an order ticket: what is wrong with a draft, what it is worth, and the order it becomes. Pure. */

import type { Instrument, NewOrder, Order, OrderType, Product, Side, Validity } from "../../api";
import { decimal, numberOf } from "../../format";

export interface Draft {
  symbol: string | null;
  side: Side;
  quantity: number | string;
  type: OrderType;
  product: Product;
  validity: Validity;
  price: number | string;
  trigger: number | string;
}

export type Field = "symbol" | "quantity" | "price" | "trigger";
export type Problems = Partial<Record<Field, string>>;

/** Above it a second question is asked, in rupees. */
export const LARGE_RUPEES = 100_000;
const E4 = 10_000;

export const EMPTY: Draft = {
  symbol: null,
  side: "BUY",
  quantity: "",
  type: "MARKET",
  product: "MIS",
  validity: "DAY",
  price: "",
  trigger: "",
};

export const hasPrice = (type: OrderType): boolean => type === "LIMIT" || type === "SL";
export const hasTrigger = (type: OrderType): boolean => type === "SL" || type === "SL-M";

const e4 = (value: number): number => Math.round(value * E4);

/** Whether an amount lies on a step, reckoned in 1/10,000 rupee as the books are. */
export function isOnStep(value: number, step: number): boolean {
  return step > 0 && e4(value) % e4(step) === 0 && Math.abs(value * E4 - e4(value)) < 1e-6;
}

/** Return the decimals a step needs: 0.05 → 2, 0.0025 → 4. */
export function decimalsOf(step: number): number {
  for (let decimals = 0; decimals < 4; decimals++) if (isOnStep(step, 10 ** -decimals)) return decimals;
  return 4;
}

function amountProblem(name: string, value: number | string, tick: number | null): string | null {
  const amount = numberOf(value);
  if (amount === null) return `Give a ${name}`;
  if (amount <= 0) return `The ${name} must be above zero`;
  if (tick !== null && !isOnStep(amount, tick)) return `In steps of ${decimal(tick, decimalsOf(tick))}`;
  return null;
}

function quantityProblem(value: number | string, lot: number): string | null {
  const quantity = numberOf(value);
  if (quantity === null) return "Give a quantity";
  if (!Number.isInteger(quantity) || quantity < 1) return "A whole number, 1 or more";
  return quantity % lot === 0 ? null : `In lots of ${lot}`;
}

/** Return what is wrong with a draft, by field; nothing when it may be sent. */
export function problemsOf(draft: Draft, instrument: Instrument | null): Problems {
  const tick = numberOf(instrument?.tick_size);
  const problems: Problems = {};
  if (draft.symbol === null) problems.symbol = "Choose an instrument";
  const quantity = quantityProblem(draft.quantity, instrument?.lot_size ?? 1);
  if (quantity !== null) problems.quantity = quantity;
  const price = hasPrice(draft.type) ? amountProblem("price", draft.price, tick) : null;
  if (price !== null) problems.price = price;
  const trigger = hasTrigger(draft.type) ? amountProblem("trigger", draft.trigger, tick) : null;
  if (trigger !== null) problems.trigger = trigger;
  if (draft.type === "SL" && price === null && trigger === null) {
    const beyond = Number(draft.price) - Number(draft.trigger);
    if (draft.side === "BUY" && beyond < 0) problems.price = "At or above the trigger, to buy";
    if (draft.side === "SELL" && beyond > 0) problems.price = "At or below the trigger, to sell";
  }
  return problems;
}

/** Return what an order is worth at most known price, in rupees; null while something is not known. */
export function valueOf(draft: Draft, ltp: number | null | undefined): number | null {
  const quantity = numberOf(draft.quantity);
  const price = hasPrice(draft.type) ? draft.price : hasTrigger(draft.type) ? draft.trigger : ltp;
  const each = numberOf(price);
  return quantity === null || each === null || quantity <= 0 || each <= 0 ? null : quantity * each;
}

const money = (value: number | string): string => Number(value).toFixed(4);

/** Return the order of a draft without problems. */
export function orderOf(draft: Draft): NewOrder {
  return {
    symbol: draft.symbol ?? "",
    side: draft.side,
    quantity: Number(draft.quantity),
    order_type: draft.type,
    product: draft.product === "CNC" ? "CNC" : "MIS",
    validity: draft.validity,
    ...(hasPrice(draft.type) ? { price: money(draft.price) } : {}),
    ...(hasTrigger(draft.type) ? { trigger: money(draft.trigger) } : {}),
  };
}

/** Return what a change says beyond the order as it stands; null when nothing differs. */
export function changeOf(
  order: Order,
  wish: Draft,
): { quantity?: number; price?: string; trigger?: string } | null {
  const change: { quantity?: number; price?: string; trigger?: string } = {};
  if (Number(wish.quantity) !== order.quantity) change.quantity = Number(wish.quantity);
  if (order.price !== null && Number(wish.price) !== Number(order.price)) change.price = money(wish.price);
  if (order.trigger !== null && Number(wish.trigger) !== Number(order.trigger))
    change.trigger = money(wish.trigger);
  return Object.keys(change).length === 0 ? null : change;
}

/** Return a new key that makes a repeated press harmless. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
