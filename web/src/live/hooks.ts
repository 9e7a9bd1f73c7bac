/** Live values for components. A component renders when what it looks at changes, and for nothing else. */

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";

import type { MarketView, Signal, System } from "../api/types";
import {
  account,
  type AccountEvent,
  accountEvents,
  type CandleEvent,
  clock,
  type HeardClock,
  type LiveAccount,
  type LivePrice,
  type LiveScorecard,
  market,
  marketView,
  prices,
  scorecards,
  signals,
  system,
  watchCandles,
  watchSystem,
} from "./feed";
import type { Connection } from "./socket";
import type { Cell, Keyed } from "./store";

function useCell<T>(cell: Cell<T>): T {
  return useSyncExternalStore(cell.watch, cell.read);
}

function useKey<T extends object>(store: Keyed<T>, key: string): T | undefined {
  const watch = useCallback((listener: () => void) => store.watch(key, listener), [store, key]);
  return useSyncExternalStore(watch, () => store.get(key));
}

/** The last price of one symbol; undefined before the first. */
export const usePrice = (symbol: string): LivePrice | undefined => useKey(prices, symbol);

/** All prices, at most twice a second: for sorting and totals. A cell of a table takes `usePrice`. */
export const usePrices = (): ReadonlyMap<string, LivePrice> =>
  useSyncExternalStore(prices.watchAll, prices.readAll);

/** The newest scorecard of one symbol. */
export const useScorecard = (symbol: string): LiveScorecard | undefined => useKey(scorecards, symbol);

/** All scorecards, at most twice a second. */
export const useScorecards = (): ReadonlyMap<string, LiveScorecard> =>
  useSyncExternalStore(scorecards.watchAll, scorecards.readAll);

/** Signals that came since the page was opened, newest first; older ones are in `queries.signals`. */
export const useSignals = (): readonly Signal[] => useCell(signals);
export const useMarketView = (): MarketView | null => useCell(marketView);
export const useClock = (): HeardClock | null => useCell(clock);
/** Portfolio and positions, twice a second while they change. */
export const useAccount = (): LiveAccount | null => useCell(account);
export const useConnection = (): Connection => useCell(market.connection);

/** The nine layers, once a second while a component looks. */
export function useSystem(): System | null {
  useEffect(watchSystem, []);
  return useCell(system);
}

/** Call `listener` with each candle event of a symbol; the newest listener is the one called. */
export function useCandles(symbol: string, listener: (event: CandleEvent) => void): void {
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => watchCandles(symbol, (event) => newest.current(event)), [symbol]);
}

/** Call `listener` with what happens to the account's orders. Queries of orders and positions refresh by themselves. */
export function useAccountEvents(listener: (events: AccountEvent[]) => void): void {
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => accountEvents.on((events) => newest.current(events)), []);
}

/** Render again every `everyMs`, and return the wall time since the page was opened, ms. */
export function useTicking(everyMs: number): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(performance.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}
