/** Every route of the gateway that the pages use, as one typed function each. */

import { answered, client } from "./client";
import type * as t from "./types";

const listed = (symbols: readonly string[]): string => symbols.join(",");

export const api = {
  session: () => answered(client.GET("/api/v1/session")),
  openSession: (proof: { ticket: string } | { key: string }) =>
    answered(client.POST("/api/v1/session", { body: proof })),
  closeSession: () => answered(client.DELETE("/api/v1/session")),

  clock: () => answered(client.GET("/api/v1/clock")),
  instruments: (query: { query?: string; kind?: t.Instrument["kind"]; limit?: number } = {}) =>
    answered(client.GET("/api/v1/instruments", { params: { query } })),
  prices: (symbols: readonly string[]) =>
    answered(client.GET("/api/v1/prices", { params: { query: { symbols: listed(symbols) } } })),
  quotes: (symbols: readonly string[]) =>
    answered(client.GET("/api/v1/quotes", { params: { query: { symbols: listed(symbols) } } })),
  candles: (query: {
    symbol: string;
    interval: t.Interval;
    since?: number;
    until?: number;
    limit?: number;
  }) => answered(client.GET("/api/v1/candles", { params: { query } })),
  marketView: () => answered(client.GET("/api/v1/market-view")),

  analyze: (symbol: string, at?: number) =>
    answered(
      client.GET("/api/v1/analyze", { params: { query: at === undefined ? { symbol } : { symbol, at } } }),
    ),
  analyzeMarket: () => answered(client.GET("/api/v1/analyze/market")),
  indicators: () => answered(client.GET("/api/v1/indicators")),
  indicator: (
    name: string,
    query: { symbol: string; interval: t.Interval; limit: number; parameters?: string },
  ) => answered(client.GET("/api/v1/indicators/{name}", { params: { path: { name }, query } })),
  signals: (
    query: { since?: number; until?: number; symbol?: string; strategy?: string; limit?: number } = {},
  ) => answered(client.GET("/api/v1/signals", { params: { query } })),

  orders: (query: { state?: string; strategy?: string; symbol?: string; limit?: number } = {}) =>
    answered(client.GET("/api/v1/orders", { params: { query } })),
  order: (id: string) =>
    answered(client.GET("/api/v1/orders/{order_id}", { params: { path: { order_id: id } } })),
  why: (id: string) =>
    answered(client.GET("/api/v1/orders/{order_id}/why", { params: { path: { order_id: id } } })),
  /** `key` makes a repeated press harmless: the same key is the same order. */
  placeOrder: (order: t.NewOrder, key: string) =>
    answered(client.POST("/api/v1/orders", { params: { header: { "Idempotency-Key": key } }, body: order })),
  changeOrder: (id: string, change: t.OrderChange) =>
    answered(client.PUT("/api/v1/orders/{order_id}", { params: { path: { order_id: id } }, body: change })),
  cancelOrder: (id: string) =>
    answered(client.DELETE("/api/v1/orders/{order_id}", { params: { path: { order_id: id } } })),
  command: (id: string) =>
    answered(client.GET("/api/v1/commands/{command_id}", { params: { path: { command_id: id } } })),
  trades: (query: { symbol?: string; limit?: number } = {}) =>
    answered(client.GET("/api/v1/trades", { params: { query } })),
  positions: () => answered(client.GET("/api/v1/positions")),
  squareOff: (what: { symbol?: string; strategy?: string }) =>
    answered(client.POST("/api/v1/positions/square-off", { body: what })),
  portfolio: () => answered(client.GET("/api/v1/portfolio")),

  strategies: () => answered(client.GET("/api/v1/strategies")),
  strategyKinds: () => answered(client.GET("/api/v1/strategies/kinds")),
  startStrategy: (strategy: t.NewStrategy) => answered(client.POST("/api/v1/strategies", { body: strategy })),
  stopStrategy: (name: string, squareOff: boolean) =>
    answered(
      client.POST("/api/v1/strategies/{name}/stop", {
        params: { path: { name } },
        body: { square_off: squareOff },
      }),
    ),

  killSwitch: () => answered(client.GET("/api/v1/kill-switch")),
  setKillSwitch: (wish: { is_on: boolean; reason: string; square_off: boolean }) =>
    answered(client.PUT("/api/v1/kill-switch", { body: wish })),

  system: () => answered(client.GET("/api/v1/system")),
  demo: () => answered(client.GET("/api/v1/demo")),
  changeDemo: (wish: { speed?: number; is_paused?: boolean }) =>
    answered(client.PUT("/api/v1/demo", { body: wish })),
};
