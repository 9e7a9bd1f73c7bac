/** A rule's condition in the words of people. */

import { decimal } from "./numbers";

const SUBJECTS: Readonly<Record<string, string>> = {
  composite_score: "composite score",
  trend_score: "trend score",
  momentum_score: "momentum score",
  "market.sentiment_score": "market sentiment",
  ai_prediction: "AI prediction",
  ai_confidence: "AI confidence",
  ltp: "price",
  vwap: "VWAP",
  rsi: "RSI",
  atr: "ATR",
};
const RELATIONS: Readonly<Record<string, string>> = {
  "<=": "at most",
  ">=": "at least",
  "<": "below",
  ">": "above",
  "==": "equal to",
};
const CONDITION = /^\s*(.+?)\s*(<=|>=|==|<|>)\s*(.+?)\s*$/;

function named(text: string): string {
  if (SUBJECTS[text] !== undefined) return SUBJECTS[text];
  const number = Number(text);
  return Number.isFinite(number)
    ? decimal(number, Number.isInteger(number) ? 0 : 1)
    : text.replaceAll("_", " ");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `composite_score <= -3.5` with −3.74 → `Composite score −3.74, at most −3.5`. A rule of another form stays as it is. */
export function reasonText({ rule, value }: { rule: string; value: number | null }): string {
  const told = value === null ? "" : ` ${decimal(value, 2)}`;
  const found = CONDITION.exec(rule);
  if (found === null) return `${rule}${told}`;
  const [, subject = "", relation = "", limit = ""] = found;
  return `${capital(named(subject))}${told}, ${RELATIONS[relation] ?? relation} ${named(limit)}`;
}
