/** How long a signal may still be acted upon, in the data's own time, and which signals a page shows. Pure. */

import type { Signal } from "../../api";
import { millisecondsOf } from "../../format";

export interface Validity {
  /** Null while the data's time is not known. */
  isOver: boolean | null;
  secondsLeft: number | null;
}

/** Return what is left of a signal at a moment of the data, ms UTC. */
export function validityOf(until: string, now: number | null | undefined): Validity {
  const end = millisecondsOf(until);
  if (end === null || now === null || now === undefined) return { isOver: null, secondsLeft: null };
  const left = (end - now) / 1000;
  return { isOver: left <= 0, secondsLeft: Math.max(0, left) };
}

export interface SignalFilter {
  symbol: string | null;
  strategy: string | null;
}

/** Join stored and live signals: each once, those that fit, newest first. */
export function joined(
  stored: readonly Signal[],
  live: readonly Signal[],
  { symbol, strategy }: SignalFilter,
): Signal[] {
  const byId = new Map([...stored, ...live].map((signal) => [signal.id, signal]));
  return [...byId.values()]
    .filter((signal) => symbol === null || signal.symbol === symbol)
    .filter((signal) => strategy === null || signal.strategy === strategy)
    .sort((one, other) => Date.parse(other.timestamp) - Date.parse(one.timestamp));
}

/** Return how far stop and target lie from the price, as gain for each rupee risked; null where one is missing. */
export function rewardForRisk(signal: Pick<Signal, "price" | "stop" | "target">): number | null {
  if (signal.stop === null || signal.target === null) return null;
  const risk = Math.abs(signal.price - signal.stop);
  return risk === 0 ? null : Math.abs(signal.target - signal.price) / risk;
}
