/** Numbers as India writes them: 12,34,567.00, lakh and crore. What is not known is an en dash, never a zero. */

export const UNKNOWN = "–";
const MINUS = "−";
const LAKH = 1e5;
const CRORE = 1e7;

type Value = number | string | null | undefined;

const formats = new Map<string, Intl.NumberFormat>();

function format(minimum: number, maximum: number): Intl.NumberFormat {
  const key = `${minimum}:${maximum}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.NumberFormat("en-IN", {
      minimumFractionDigits: minimum,
      maximumFractionDigits: maximum,
    });
    formats.set(key, found);
  }
  return found;
}

/** Return a finite number, or null for what is none. Money comes as text with four decimals. */
export function numberOf(value: Value): number | null {
  if (value === null || value === undefined || value === "") return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

function withSign(number: number, text: string, isSigned: boolean): string {
  // A minus that stands as wide as the plus, and none for what rounds to zero.
  const isZero = !/[1-9]/.test(text);
  if (isZero) return text;
  if (number < 0) return MINUS + text;
  return isSigned ? `+${text}` : text;
}

/** A plain number with as many decimals as told. */
export function decimal(value: Value, decimals = 2, isSigned = false): string {
  const number = numberOf(value);
  if (number === null) return UNKNOWN;
  return withSign(number, format(decimals, decimals).format(Math.abs(number)), isSigned);
}

/** A price in rupees, two decimals, without the rupee sign: columns say the unit. */
export function price(value: Value): string {
  return decimal(value, 2);
}

/** An amount in rupees with its sign: ₹12,34,567.00. */
export function rupees(value: Value, { isSigned = false, decimals = 2 } = {}): string {
  const number = numberOf(value);
  if (number === null) return UNKNOWN;
  return withSign(number, `₹${format(decimals, decimals).format(Math.abs(number))}`, isSigned);
}

/** A large amount in words people use: 4.21 L, 12.6 Cr; below one lakh in full. */
export function compact(value: Value): string {
  const number = numberOf(value);
  if (number === null) return UNKNOWN;
  const size = Math.abs(number);
  if (size >= CRORE) return withSign(number, `${format(2, 2).format(size / CRORE)} Cr`, false);
  if (size >= LAKH) return withSign(number, `${format(2, 2).format(size / LAKH)} L`, false);
  return withSign(number, format(0, 0).format(size), false);
}

/** A percentage that always shows which way it goes: +1.24 %. */
export function percent(value: Value, { isSigned = true, decimals = 2 } = {}): string {
  const number = numberOf(value);
  return number === null ? UNKNOWN : `${decimal(number, decimals, isSigned)}%`;
}

/** A whole quantity: 1,50,000. */
export function quantity(value: Value): string {
  return decimal(value, 0);
}

/** A score from −5 to +5, always signed. */
export function score(value: Value): string {
  return decimal(value, 2, true);
}

/** Bytes as MB. */
export function megabytes(value: Value): string {
  const number = numberOf(value);
  return number === null ? UNKNOWN : `${format(0, 0).format(number / 1e6)} MB`;
}

/** Return up, down or flat: what a colour stands for, so that no colour is the only cue. */
export function direction(value: Value): "up" | "down" | "flat" {
  const number = numberOf(value);
  if (number === null || number === 0) return "flat";
  return number > 0 ? "up" : "down";
}
