/** Sums over positions, and how they are split into open and flat ones. Pure. */

import type { Position } from "../../api";
import { numberOf } from "../../format";

export interface Totals {
  realised: number;
  /** Null when an open position has no last price: a sum that leaves one out would lie. */
  unrealised: number | null;
  charges: number;
  net: number | null;
  exposure: number | null;
}

export const isOpen = ({ net_quantity: units }: Position): boolean => units !== 0;
export const keyOf = ({ strategy, symbol, product }: Position): string => `${strategy} ${symbol} ${product}`;

/** Return what an open position is worth at its last price, without its sign. */
export function exposureOf(position: Position): number | null {
  const last = numberOf(position.last_price);
  return last === null ? null : Math.abs(position.net_quantity) * last;
}

/** Return its profit as a share of what was paid for it, in percent. */
export function returnOf(position: Position): number | null {
  const [unrealised, average] = [numberOf(position.unrealised), numberOf(position.average_price)];
  const paid = average === null ? 0 : Math.abs(position.net_quantity) * average;
  return unrealised === null || paid === 0 ? null : (unrealised / paid) * 100;
}

/** Add up; null as soon as a part is not known. */
function sum(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>(
    (total, value) => (total === null || value === null ? null : total + value),
    0,
  );
}

export function totalsOf(positions: readonly Position[]): Totals {
  const open = positions.filter(isOpen);
  const money = (of: (position: Position) => string | null): (number | null)[] =>
    positions.map((position) => numberOf(of(position)));
  return {
    realised: sum(money(({ realised }) => realised)) ?? 0,
    unrealised: sum(open.map(({ unrealised }) => numberOf(unrealised))),
    charges: sum(money(({ charges }) => charges)) ?? 0,
    net: open.some(({ last_price: last }) => last === null) ? null : sum(money(({ net }) => net)),
    exposure: sum(open.map(exposureOf)),
  };
}
