/** The rows of the market: what is known of an instrument, from the list, the day's quotes and the live stores. */

import type { Instrument, Quote } from "../../api";
import type { LivePrice, LiveScorecard } from "../../live";

/** An instrument with what it is sorted by; cells show the live values themselves. */
export interface MarketRow {
  symbol: string;
  name: string;
  ltp: number | null;
  change: number | null;
  changePercent: number | null;
  volume: number | null;
  /** Traded value of the day, rupees: last price times volume, an estimate. */
  turnover: number | null;
  bid: number | null;
  ask: number | null;
  composite: number | null;
  recommendation: string | null;
  low: number | null;
  high: number | null;
}

export interface Known {
  prices: ReadonlyMap<string, LivePrice>;
  scorecards: ReadonlyMap<string, LiveScorecard>;
  quotes: ReadonlyMap<string, Quote>;
}

/** Return the change in rupees that a percent change means at a price. */
export function changeOf(ltp: number | null | undefined, percent: number | null | undefined): number | null {
  if (ltp === null || ltp === undefined || percent === null || percent === undefined) return null;
  return ltp - ltp / (1 + percent / 100);
}

function least(values: (number | null | undefined)[], pick: (...numbers: number[]) => number): number | null {
  const known = values.filter((value) => typeof value === "number");
  return known.length === 0 ? null : pick(...known);
}

export function marketRows(instruments: readonly Instrument[], known: Known): MarketRow[] {
  return instruments.map(({ symbol, name }) => {
    const price = known.prices.get(symbol);
    const quote = known.quotes.get(symbol);
    const card = known.scorecards.get(symbol);
    const ltp = price?.ltp ?? quote?.ltp ?? null;
    const volume = price?.volume ?? quote?.volume ?? null;
    const changePercent = price?.change_percent ?? quote?.change_percent ?? null;
    return {
      symbol,
      name,
      ltp,
      change: changeOf(ltp, changePercent),
      changePercent,
      volume,
      turnover: ltp === null || volume === null ? null : ltp * volume,
      bid: price?.bid ?? quote?.bid ?? null,
      ask: price?.ask ?? quote?.ask ?? null,
      composite: card?.composite_score ?? null,
      recommendation: card?.recommendation ?? null,
      // The quote is some seconds old: a price beyond it is the new end of the day's range.
      low: quote?.low == null ? null : least([quote.low, ltp], Math.min),
      high: quote?.high == null ? null : least([quote.high, ltp], Math.max),
    };
  });
}

const ORDER = ["STRONG_SELL", "SELL", "HOLD", "BUY", "STRONG_BUY"];

/** Return what a recommendation is sorted by. */
export function rankOf(recommendation: string | null): number | null {
  const rank = recommendation === null ? -1 : ORDER.indexOf(recommendation);
  return rank < 0 ? null : rank;
}
