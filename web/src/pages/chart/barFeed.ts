/** Keeps the bars of a chart whole: the newest first, older ones when scrolled to, live ones as they come, and after a
 * cut line everything since the last bar it is sure of. It draws nothing. */

import { api, type Candles, type Interval } from "../../api";
import type { CandleEvent } from "../../live";
import { type Bar, barsOf, formed, merged } from "./bars";

export const PAGE = 500;
const MOST = 5000;
const RETRY_MS = 2000;
const REFILL_MS = 700;

export interface BarsState {
  bars: readonly Bar[];
  isLoading: boolean;
  error: unknown;
  /** The start of the newest closed bar: when it changes, what is computed from closed bars is out of date. */
  closedAt: number;
}

/** `isTail`: only the last bar changed, or bars were added after it. */
export type BarsListener = (state: BarsState, isTail: boolean) => void;

type Fetch = (query: {
  symbol: string;
  interval: Interval;
  since?: number;
  until?: number;
  limit?: number;
}) => Promise<Candles>;

export class BarFeed {
  state: BarsState = { bars: [], isLoading: true, error: null, closedAt: 0 };
  private readonly symbol: string;
  private readonly interval: Interval;
  private readonly listener: BarsListener;
  private readonly fetch: Fetch;
  private hasAll = false;
  private isOlderDue = false;
  private isOver = false;
  private timer: number | undefined;

  constructor(symbol: string, interval: Interval, listener: BarsListener, fetch: Fetch = api.candles) {
    this.symbol = symbol;
    this.interval = interval;
    this.listener = listener;
    this.fetch = fetch;
  }

  start(): void {
    void this.refill();
  }

  stop(): void {
    this.isOver = true;
    window.clearTimeout(this.timer);
  }

  /** Take a live event. */
  take(event: CandleEvent): void {
    if (this.state.bars.length === 0) return;
    if (event.isGap) this.refillIn(0);
    for (const closed of event.closed) this.takeClosed(closed);
    for (const forming of event.open) {
      const bar = formed(this.state.bars, this.interval, forming);
      const last = this.state.bars.at(-1);
      // A forming candle of a past minute was overtaken by its closed one.
      if (bar === null) this.refillIn(REFILL_MS);
      else if (last === undefined || bar.time >= last.time) this.put([bar], true);
    }
  }

  private takeClosed(closed: Bar): void {
    if (this.interval !== "1m") {
      this.refillIn(REFILL_MS);
      return;
    }
    const { time, open, high, low, close, volume } = closed;
    const last = this.state.bars.at(-1);
    const isNext = last !== undefined && time >= last.time;
    if (last !== undefined && time > last.time + 60_000) this.refillIn(REFILL_MS);
    this.put([{ time, open, high, low, close, volume }], isNext, Math.max(this.state.closedAt, time));
  }

  /** Fetch everything since the last bar that is surely whole. */
  readonly refill = async (): Promise<void> => {
    const since = this.state.closedAt;
    try {
      const answer = await this.fetch({
        symbol: this.symbol,
        interval: this.interval,
        ...(since > 0 ? { since, limit: MOST } : { limit: PAGE }),
      });
      if (this.isOver) return;
      this.put(barsOf(answer), false, answer.time.at(-1) ?? since);
    } catch (error) {
      if (this.isOver) return;
      this.tell({ ...this.state, isLoading: false, error }, true);
      this.refillIn(RETRY_MS);
    }
  };

  /** Fetch the page of bars before the first one, once at a time. */
  async loadOlder(): Promise<void> {
    const first = this.state.bars[0];
    if (first === undefined || this.hasAll || this.isOlderDue) return;
    this.isOlderDue = true;
    try {
      const answer = await this.fetch({
        symbol: this.symbol,
        interval: this.interval,
        until: first.time,
        limit: PAGE,
      });
      if (this.isOver) return;
      this.hasAll = answer.time.length === 0;
      if (!this.hasAll) this.put(barsOf({ ...answer, open_candle: null }), false);
    } catch {
      // The chart stays as it is; scrolling on asks again.
    } finally {
      this.isOlderDue = false;
    }
  }

  private refillIn(wait: number): void {
    if (this.timer !== undefined || this.isOver) return;
    this.timer = window.setTimeout(() => {
      this.timer = undefined;
      void this.refill();
    }, wait);
  }

  private put(bars: readonly Bar[], isTail: boolean, closedAt = this.state.closedAt): void {
    this.tell({ bars: merged(this.state.bars, bars), isLoading: false, error: null, closedAt }, isTail);
  }

  private tell(state: BarsState, isTail: boolean): void {
    this.state = state;
    this.listener(state, isTail);
  }
}
