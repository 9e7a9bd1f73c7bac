/** Codes of the gateway in the words of people. */

/** `NSE:RELIANCE` without its exchange when that is the usual one. */
export function shortSymbol(symbol: string): string {
  return symbol.startsWith("NSE:") ? symbol.slice(4) : symbol;
}

/** `NSE:RELIANCE` from `RELIANCE`, `reliance` or itself. */
export function fullSymbol(symbol: string): string {
  const upper = symbol.trim().toUpperCase();
  return upper.includes(":") ? upper : `NSE:${upper}`;
}

/** `part_filled` → `Part filled`, `STRONG_BUY` → `Strong buy`. */
export function words(code: string | null | undefined): string {
  if (code === null || code === undefined || code === "") return "–";
  const text = code.replaceAll("_", " ").replaceAll("-", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}
