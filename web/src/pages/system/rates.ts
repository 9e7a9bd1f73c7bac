/** Rates in words: a second where there is one, a minute where records are rare. */

import { decimal, numberOf, UNKNOWN } from "../../format";

/** 504/s, 8.4/s, 10/min; 0 is 0/s, and what is unknown is said so. */
export function rateText(rate: number | null | undefined): string {
  const number = numberOf(rate);
  if (number === null) return UNKNOWN;
  if (number <= 0) return "0/s";
  if (number >= 100) return `${decimal(number, 0)}/s`;
  if (number >= 1) return `${decimal(number, 1)}/s`;
  const aMinute = number * 60;
  return `${decimal(aMinute, aMinute < 9.95 ? 1 : 0)}/min`;
}

/** 0.41 ms, 12 ms, 1.3 s. */
export function latencyText(ms: number | null | undefined): string {
  const number = numberOf(ms);
  if (number === null) return UNKNOWN;
  if (number >= 1000) return `${decimal(number / 1000, 1)} s`;
  return `${decimal(number, number < 10 ? 2 : 0)} ms`;
}
