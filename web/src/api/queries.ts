/** What the pages ask for by TanStack Query: one key and one staleness for each question, named once. */

import { QueryClient, queryOptions } from "@tanstack/react-query";

import { takeTicket } from "../session/ticket";
import { api } from "./calls";
import { ApiError } from "./errors";
import type { Instrument, Interval } from "./types";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

function isWorthAnother(count: number, error: Error): boolean {
  return error instanceof ApiError && error.isPassing && count < 5;
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10 * SECOND,
      retry: isWorthAnother,
      retryDelay: (count) => Math.min(500 * 2 ** count, 5 * SECOND),
    },
    // What changes the world is never sent twice by itself.
    mutations: { retry: false },
  },
});

async function openSession() {
  const ticket = takeTicket();
  if (ticket !== null) {
    try {
      await api.openSession({ ticket });
    } catch (error) {
      // A used ticket does no harm where the cookie of its first use is still there.
      if (!(error instanceof ApiError) || error.isPassing) throw error;
    }
  }
  return api.session();
}

export const queries = {
  session: () =>
    queryOptions({
      queryKey: ["session"],
      queryFn: openSession,
      staleTime: Infinity,
      // A server that starts answers 503 for a moment: wait for it as long as it takes.
      retry: (_count, error) => error instanceof ApiError && error.isPassing,
      retryDelay: (count) => Math.min(300 * 1.5 ** count, 3 * SECOND),
    }),
  instruments: (query: { query?: string; kind?: Instrument["kind"]; limit?: number } = {}) =>
    queryOptions({
      queryKey: ["instruments", query],
      queryFn: () => api.instruments(query),
      staleTime: 10 * MINUTE,
    }),
  quotes: (symbols: readonly string[]) =>
    queryOptions({
      queryKey: ["quotes", symbols],
      queryFn: () => api.quotes(symbols),
      enabled: symbols.length > 0,
      refetchInterval: 15 * SECOND,
    }),
  candles: (symbol: string, interval: Interval, limit: number) =>
    queryOptions({
      queryKey: ["candles", symbol, interval, limit],
      queryFn: () => api.candles({ symbol, interval, limit }),
    }),
  /** `minute` is the scorecard's time: a new one is a new question. */
  analyze: (symbol: string, minute = 0) =>
    queryOptions({
      queryKey: ["analyze", symbol, minute],
      queryFn: () => api.analyze(symbol),
      gcTime: MINUTE,
    }),
  analyzeMarket: () => queryOptions({ queryKey: ["analyze-market"], queryFn: api.analyzeMarket }),
  indicators: () => queryOptions({ queryKey: ["indicators"], queryFn: api.indicators, staleTime: Infinity }),
  signals: (query: { symbol?: string; strategy?: string; since?: number; limit?: number } = {}) =>
    queryOptions({ queryKey: ["signals", query], queryFn: () => api.signals(query) }),
  orders: (query: { state?: string; strategy?: string; symbol?: string; limit?: number } = {}) =>
    queryOptions({ queryKey: ["orders", query], queryFn: () => api.orders(query) }),
  order: (id: string) => queryOptions({ queryKey: ["order", id], queryFn: () => api.order(id) }),
  why: (id: string) => queryOptions({ queryKey: ["why", id], queryFn: () => api.why(id) }),
  trades: (query: { symbol?: string; limit?: number } = {}) =>
    queryOptions({ queryKey: ["trades", query], queryFn: () => api.trades(query) }),
  positions: () => queryOptions({ queryKey: ["positions"], queryFn: api.positions }),
  portfolio: () => queryOptions({ queryKey: ["portfolio"], queryFn: api.portfolio }),
  strategies: () =>
    queryOptions({ queryKey: ["strategies"], queryFn: api.strategies, refetchInterval: 5 * SECOND }),
  strategyKinds: () =>
    queryOptions({ queryKey: ["strategy-kinds"], queryFn: api.strategyKinds, staleTime: Infinity }),
  killSwitch: () => queryOptions({ queryKey: ["kill-switch"], queryFn: api.killSwitch }),
  system: () => queryOptions({ queryKey: ["system"], queryFn: api.system }),
};

/** What an event of the account makes stale. */
export const ACCOUNT_KEYS = ["orders", "order", "trades", "positions", "portfolio", "kill-switch"] as const;
