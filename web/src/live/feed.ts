/** What comes live, kept where components look: one socket for the market, one for the account. */

import { ACCOUNT_KEYS, queryClient } from "../api/queries";
import type {
  Clock,
  Fill,
  MarketView,
  OpenCandle,
  OrderEvent,
  Portfolio,
  Position,
  Recommendation,
  Signal,
  System,
} from "../api/types";
import type { Channel, Frame } from "./frames";
import { LiveSocket, socketAddress } from "./socket";
import { Cell, Events, Keyed } from "./store";

export interface LivePrice {
  ltp: number | null;
  bid: number | null;
  ask: number | null;
  volume: number | null;
  change_percent: number | null;
  time: number | null;
}

export interface LiveScorecard {
  composite_score: number | null;
  trend_score: number | null;
  momentum_score: number | null;
  recommendation: Recommendation;
  rsi: number | null;
  ltp: number | null;
  change_percent: number | null;
  time: number;
}

export interface LiveCandle extends OpenCandle {
  symbol: string;
  revision?: number;
  incomplete?: boolean;
}

/** `gap` says that events were lost: fetch what is missing. */
export interface CandleEvent {
  closed: LiveCandle[];
  open: LiveCandle[];
  isGap: boolean;
}

export interface LiveAccount {
  portfolio: Portfolio;
  positions: Position[];
}

export type AccountEvent =
  | ({ type: "order"; exchange?: string } & OrderEvent)
  | ({ type: "fill"; exchange?: string } & Fill)
  | { type: "position"; symbol: string; exchange?: string; strategy: string };

/** A clock of the data, with the wall time at which it came. */
export interface HeardClock {
  clock: Clock;
  heardAt: number;
}

const SIGNALS_KEPT = 500;

export const prices = new Keyed<LivePrice>();
export const scorecards = new Keyed<LiveScorecard>();
export const signals = new Cell<readonly Signal[]>([]);
export const marketView = new Cell<MarketView | null>(null);
export const clock = new Cell<HeardClock | null>(null);
export const system = new Cell<System | null>(null);
export const account = new Cell<LiveAccount | null>(null);
export const accountEvents = new Events<AccountEvent[]>();

const isData = (frame: Frame): boolean =>
  (frame.type === "snapshot" || frame.type === "delta") && frame.data !== undefined && frame.data !== null;

export const market = new LiveSocket(socketAddress("/ws/market"), () => {
  // The browser hides why a socket was refused; the session's own answer says whether a login is due.
  if (queryClient.getQueryData(["session"]) !== undefined) {
    void queryClient.invalidateQueries({ queryKey: ["session"] });
  }
});
const heard: { orders: LiveSocket | null } = { orders: null };

function hear(channel: Channel, take: (data: never, frame: Frame) => void): () => void {
  return market.subscribe(channel, (frame) => {
    if (isData(frame)) take(frame.data as never, frame);
  });
}

/** Records of topics name the exchange beside the symbol; everything else here has the full key. */
export function withKey<T extends { symbol: string; exchange?: string }>(record: T): T {
  if (record.exchange === undefined || record.symbol.includes(":")) return record;
  return { ...record, symbol: `${record.exchange}:${record.symbol}` };
}

/** Keep the newest signals once each: a resumed line may tell one again. */
export function withSignals(known: readonly Signal[], told: readonly Signal[]): readonly Signal[] {
  const byId = new Map([...known, ...told].map((signal) => [signal.id, signal]));
  return [...byId.values()]
    .sort((one, other) => Date.parse(other.timestamp) - Date.parse(one.timestamp))
    .slice(0, SIGNALS_KEPT);
}

/** Open the sockets of a session. Returns what closes them. */
export function startFeed(accountName: string): () => void {
  const ends = [
    hear("prices", (data: Record<string, LivePrice>, frame) => prices.merge(data, frame.type === "snapshot")),
    hear("scorecards", (data: Record<string, LiveScorecard>, frame) =>
      scorecards.merge(data, frame.type === "snapshot"),
    ),
    hear("signals", (data: Signal[]) => signals.set(withSignals(signals.value, data.map(withKey)))),
    hear("market-view", (data: MarketView) => marketView.set(data)),
    hear("clock", (data: Clock) => clock.set({ clock: data, heardAt: performance.now() })),
  ];
  market.start();
  const orders = startAccount(accountName);
  return () => {
    for (const end of ends) end();
    market.stop();
    orders.stop();
    heard.orders = null;
  };
}

function startAccount(name: string): LiveSocket {
  const socket = new LiveSocket(socketAddress(`/ws/orders/${encodeURIComponent(name)}`));
  socket.subscribe("account", (frame) => {
    if (isData(frame)) account.set(frame.data as LiveAccount);
  });
  socket.subscribe("orders", (frame) => {
    if (frame.type === "delta") accountEvents.tell((frame.data as AccountEvent[]).map(withKey));
    if (frame.type !== "error") refreshSoon();
  });
  socket.start();
  heard.orders = socket;
  return socket;
}

let refresh: number | undefined;
const REFRESH_MS = 400;

/** Orders and positions are read again after events, at most twice a second however many come. */
function refreshSoon(): void {
  refresh ??= window.setTimeout(() => {
    refresh = undefined;
    for (const key of ACCOUNT_KEYS) void queryClient.invalidateQueries({ queryKey: [key] });
  }, REFRESH_MS);
}

/** Listen to the candles of one symbol. Returns what ends it. */
export function watchCandles(symbol: string, listener: (event: CandleEvent) => void): () => void {
  let hasSeen = false;
  return market.subscribe(
    "candles",
    (frame) => {
      if (frame.type === "gap") listener({ closed: [], open: [], isGap: true });
      if (!isData(frame)) return;
      const data = frame.data as { closed?: LiveCandle[]; open?: LiveCandle[] };
      const ofSymbol = (candle: LiveCandle): boolean => candle.symbol === symbol;
      const isGap = frame.type === "snapshot" && hasSeen;
      hasSeen = true;
      listener({
        closed: (data.closed ?? []).filter(ofSymbol),
        open: (data.open ?? []).filter(ofSymbol),
        isGap,
      });
    },
    [symbol],
  );
}

/** Listen to the state of the nine layers. Returns what ends it. */
export function watchSystem(): () => void {
  return hear("system", (data: System) => system.set(data));
}

/** Try both lines now. */
export function hasten(): void {
  market.hasten();
  heard.orders?.hasten();
}
