/** Ties a drawing to its bars, its indicator lines and its marks. */

import { useComputedColorScheme } from "@mantine/core";
import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useMemo, useRef, useState } from "react";

import { api, type Fill, type Interval, queries, type Signal } from "../../api";
import { millisecondsOf } from "../../format";
import { useCandles, useConnection, useSignals } from "../../live";
import { BarFeed, type BarsState, PAGE } from "./barFeed";
import { type Bar, placeOf } from "./bars";
import { Drawing, type Mark } from "./drawing";
import { STUDIES, type Study } from "./studies";

const MOST = 5000;
const NOTHING: BarsState = { bars: [], isLoading: true, error: null, closedAt: 0 };

export interface ChartState extends BarsState {
  /** The bar under the pointer, else the last one. */
  shown: Bar | undefined;
  before: Bar | undefined;
  retry: () => void;
}

/** Draw a symbol in `room`. A change of symbol, interval or colours draws anew. */
export function useChart(
  room: RefObject<HTMLDivElement | null>,
  symbol: string,
  interval: Interval,
  chosen: readonly string[],
): ChartState {
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const drawing = useRef<Drawing | null>(null);
  const feed = useRef<BarFeed | null>(null);
  const [state, setState] = useState(NOTHING);
  const [hovered, setHovered] = useState<number | null>(null);

  useEffect(() => {
    if (room.current === null) return undefined;
    const drawn = new Drawing(room.current, {
      onOlder: () => void feed.current?.loadOlder(),
      onHover: setHovered,
      isIntraday: interval !== "1d",
    });
    const fed = new BarFeed(symbol, interval, (next, isTail) => {
      if (isTail) drawn.updateBars(next.bars.slice(-2));
      else drawn.setBars(next.bars);
      setState(next);
    });
    drawing.current = drawn;
    feed.current = fed;
    fed.start();
    return () => {
      fed.stop();
      drawn.remove();
      drawing.current = null;
      feed.current = null;
      setState(NOTHING);
      setHovered(null);
    };
  }, [room, symbol, interval, scheme]);

  useCandles(symbol, (event) => feed.current?.take(event));
  useWholeAfterCut(feed);
  useLines(drawing, state, symbol, interval, chosen);
  useMarks(drawing, state.bars, symbol);

  const place = hovered === null ? state.bars.length - 1 : placeOf(state.bars, hovered);
  return {
    ...state,
    shown: state.bars[place],
    before: state.bars[place - 1],
    retry: () => void feed.current?.refill(),
  };
}

/** Whatever the resumed line tells: after a cut, the bars since the last whole one are fetched again. */
function useWholeAfterCut(feed: RefObject<BarFeed | null>): void {
  const { phase } = useConnection();
  const wasCut = useRef(false);
  useEffect(() => {
    if (phase === "waiting") wasCut.current = true;
    if (phase === "live" && wasCut.current) {
      wasCut.current = false;
      void feed.current?.refill();
    }
  }, [feed, phase]);
}

function useLines(
  drawing: RefObject<Drawing | null>,
  state: BarsState,
  symbol: string,
  interval: Interval,
  chosen: readonly string[],
): void {
  const studies = useMemo(() => studiesOf(chosen, interval), [chosen, interval]);
  // Whole pages, so that one more bar is no other question.
  const limit = Math.min(MOST, Math.max(1, Math.ceil(state.bars.length / PAGE)) * PAGE);
  const { closedAt } = state;
  const sets = useQueries({
    queries: studies.map((study) => ({
      queryKey: ["indicator", symbol, interval, study.id, limit, closedAt],
      queryFn: () =>
        api.indicator(study.indicator, {
          symbol,
          interval,
          limit,
          ...(study.parameters === undefined ? {} : { parameters: study.parameters }),
        }),
      enabled: closedAt > 0,
      staleTime: Infinity,
      gcTime: 30_000,
      placeholderData: keepPreviousData,
    })),
    combine: (results) =>
      results.flatMap(({ data }, at) => {
        const study = studies[at];
        if (data === undefined || study === undefined) return [];
        return data.symbol === symbol && data.interval === interval
          ? [{ times: data.time, lines: study.lines(data.values) }]
          : [];
      }),
  });
  const first = state.bars[0]?.time;
  useEffect(() => {
    if (first !== undefined) drawing.current?.setLines(sets);
  }, [drawing, sets, first]);
}

function studiesOf(chosen: readonly string[], interval: Interval): Study[] {
  return STUDIES.filter(({ id, notFor }) => chosen.includes(id) && notFor?.includes(interval) !== true);
}

/** Return the marks of signals and own fills on the bars that hold them. */
export function marksOf(bars: readonly Bar[], signals: readonly Signal[], fills: readonly Fill[]): Mark[] {
  const at = (time: number | null): number | undefined =>
    time === null ? undefined : bars[placeOf(bars, time)]?.time;
  const marks: Mark[] = [];
  for (const signal of signals) {
    // A signal is told when its candle ends: it belongs to the bar that ended then.
    const told = millisecondsOf(signal.timestamp);
    const time = at(told === null ? null : told - 1);
    if (time !== undefined) marks.push({ time, isBuy: signal.action === "BUY", text: "", kind: "signal" });
  }
  // One mark a bar and side: an order filled in many parts would hide the candles.
  const totals = new Map<string, { time: number; isBuy: boolean; quantity: number }>();
  for (const fill of fills) {
    const time = at(fill.at);
    const isBuy = fill.side === "BUY";
    if (time === undefined) continue;
    const key = `${fill.side} ${time}`;
    const known = totals.get(key)?.quantity ?? 0;
    totals.set(key, { time, isBuy, quantity: known + fill.quantity });
  }
  for (const { time, isBuy, quantity } of totals.values())
    marks.push({ time, isBuy, text: `${isBuy ? "B" : "S"} ${quantity}`, kind: "fill" });
  return marks.sort((one, other) => one.time - other.time);
}

function useMarks(drawing: RefObject<Drawing | null>, bars: readonly Bar[], symbol: string): void {
  const past = useQuery(queries.signals({ symbol, limit: 200 })).data;
  const fills = useQuery(queries.trades({ symbol, limit: 200 })).data;
  const live = useSignals();
  const count = bars.length;
  const first = bars[0]?.time;
  const marks = useMemo(() => {
    const byId = new Map<string, Signal>();
    for (const signal of [...(past ?? []), ...live.filter((one) => one.symbol === symbol)])
      byId.set(signal.id, signal);
    return marksOf(bars, [...byId.values()], fills ?? []);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a bar that only moves carries the same marks
  }, [past, fills, live, symbol, count, first]);
  useEffect(() => {
    if (count > 0) drawing.current?.setMarks(marks);
  }, [drawing, marks, count]);
}
