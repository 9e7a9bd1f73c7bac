/** The chart on the screen: it owns the objects of lightweight-charts, and knows nothing of where bars come from. */

import {
  CandlestickSeries,
  type CandlestickData,
  createChart,
  createSeriesMarkers,
  CrosshairMode,
  HistogramSeries,
  type HistogramData,
  type IChartApi,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type LineData,
  LineSeries,
  LineStyle,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
} from "lightweight-charts";

import { price } from "../../format";
import type { Bar } from "./bars";
import type { Hue, Line, Pane } from "./studies";

export interface Mark {
  time: number;
  isBuy: boolean;
  text: string;
  kind: "signal" | "fill";
}

type Series = ISeriesApi<"Line"> | ISeriesApi<"Histogram">;
type Point = LineData | HistogramData | WhitespaceData;

const IST_SECONDS = 19_800;
const OLDER_WITHIN = 40;
/** Room for a bar at first, px. */
const FIRST_SPACING = 7;

/** lightweight-charts writes times as UTC: given the wall time of India, it writes that. */
export const toChartTime = (time: number): UTCTimestamp => (time / 1000 + IST_SECONDS) as UTCTimestamp;
export const fromChartTime = (time: number): number => (time - IST_SECONDS) * 1000;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--nf-${name}`).trim();
}

const hueColour = (hue: Hue): string =>
  colour(hue === "up" || hue === "down" ? `candle-${hue}` : `line-${hue}`);

function candleOf({ time, open, high, low, close }: Bar): CandlestickData {
  return { time: toChartTime(time), open, high, low, close };
}

export class Drawing {
  private readonly chart: IChartApi;
  private readonly candles: ISeriesApi<"Candlestick">;
  private readonly volumes: ISeriesApi<"Histogram">;
  private readonly markers: ISeriesMarkersPluginApi<Time>;
  private readonly lines = new Map<string, { series: Series; pane: Pane }>();
  private readonly panes: Pane[] = ["price"];
  private readonly upWash: string;
  private readonly downWash: string;
  private hasShown = false;
  private oldest = 0;
  private newest = 0;

  constructor(
    private readonly room: HTMLElement,
    told: { onOlder: () => void; onHover: (time: number | null) => void; isIntraday: boolean },
  ) {
    this.upWash = colour("volume-up");
    this.downWash = colour("volume-down");
    this.chart = createChart(room, {
      autoSize: true,
      layout: {
        background: { color: "transparent" },
        textColor: colour("dim"),
        fontFamily: getComputedStyle(document.body).fontFamily,
        fontSize: 11,
        panes: { separatorColor: colour("line"), separatorHoverColor: colour("line-strong") },
      },
      grid: { vertLines: { color: colour("grid") }, horzLines: { color: colour("grid") } },
      rightPriceScale: { borderColor: colour("line"), minimumWidth: 64 },
      timeScale: {
        borderColor: colour("line"),
        timeVisible: told.isIntraday,
        secondsVisible: false,
        rightOffset: 4,
        minBarSpacing: 1,
      },
      crosshair: { mode: CrosshairMode.Normal },
      localization: { locale: "en-IN" },
    });
    const [up, down] = [colour("candle-up"), colour("candle-down")];
    this.candles = this.chart.addSeries(CandlestickSeries, {
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
      borderVisible: false,
      priceFormat: { type: "custom", minMove: 0.01, formatter: price },
    });
    this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.2 } });
    this.volumes = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.volumes.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.markers = createSeriesMarkers(this.candles, []);
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range !== null && range.from < OLDER_WITHIN) told.onOlder();
    });
    this.chart.subscribeCrosshairMove(({ time }) =>
      told.onHover(typeof time === "number" ? fromChartTime(time) : null),
    );
  }

  private volumeOf({ time, open, close, volume }: Bar): HistogramData {
    return { time: toChartTime(time), value: volume, color: close >= open ? this.upWash : this.downWash };
  }

  /** Show all bars; what is seen stays in place when older ones are added. */
  setBars(bars: readonly Bar[]): void {
    this.oldest = bars[0]?.time ?? 0;
    this.newest = bars.at(-1)?.time ?? 0;
    this.candles.setData(bars.map(candleOf));
    this.volumes.setData(bars.map((bar) => this.volumeOf(bar)));
    if (!this.hasShown && bars.length > 0) {
      this.hasShown = true;
      this.chart.timeScale().setVisibleLogicalRange({
        from: bars.length - this.room.clientWidth / FIRST_SPACING,
        to: bars.length + 4,
      });
    }
  }

  /** Show the newest bars again, each changed or added at the end. */
  updateBars(bars: readonly Bar[]): void {
    for (const bar of bars) {
      if (bar.time < this.newest) continue;
      this.newest = bar.time;
      this.candles.update(candleOf(bar));
      this.volumes.update(this.volumeOf(bar));
    }
  }

  /** Show these lines, over these times (ms UTC), and no other; where there is no bar, there is no line. */
  setLines(sets: readonly { times: readonly number[]; lines: readonly Line[] }[]): void {
    const wanted = new Set(sets.flatMap(({ lines }) => lines.map(({ id }) => id)));
    for (const [id, { series, pane }] of [...this.lines]) {
      if (wanted.has(id)) continue;
      this.chart.removeSeries(series);
      this.lines.delete(id);
      this.forget(pane);
    }
    for (const { times, lines } of sets) {
      for (const line of lines) this.seriesOf(line).setData(pointsOf(line, times, this.oldest));
    }
  }

  private seriesOf(line: Line): Series {
    const found = this.lines.get(line.id);
    if (found !== undefined) return found.series;
    if (!this.panes.includes(line.pane)) this.panes.push(line.pane);
    const pane = this.panes.indexOf(line.pane);
    const quiet = { priceLineVisible: false, lastValueVisible: line.pane !== "price" };
    const series =
      line.form === "histogram"
        ? this.chart.addSeries(HistogramSeries, { ...quiet, lastValueVisible: false }, pane)
        : this.chart.addSeries(
            LineSeries,
            {
              ...quiet,
              color: hueColour(line.hue),
              lineWidth: line.pane === "price" ? 1 : 2,
              lineStyle: line.form === "dashed" ? LineStyle.Dashed : LineStyle.Solid,
              crosshairMarkerVisible: false,
            },
            pane,
          );
    if (line.pane === "rsi") {
      for (const level of [30, 70])
        series.createPriceLine({
          price: level,
          color: colour("line-strong"),
          lineWidth: 1,
          lineStyle: LineStyle.Dotted,
          axisLabelVisible: false,
        });
    }
    this.lines.set(line.id, { series, pane: line.pane });
    this.chart.panes().forEach((one, at) => one.setStretchFactor(at === 0 ? 4 : 1));
    return series;
  }

  /** The library removes a pane with its last series; ours follows. */
  private forget(pane: Pane): void {
    const isUsed = [...this.lines.values()].some((line) => line.pane === pane);
    if (pane !== "price" && !isUsed) this.panes.splice(this.panes.indexOf(pane), 1);
  }

  setMarks(marks: readonly Mark[]): void {
    const [buy, sell, signal] = [colour("candle-up"), colour("candle-down"), colour("line-amber")];
    this.markers.setMarkers(
      marks.map(({ time, isBuy, text, kind }): SeriesMarker<Time> => ({
        time: toChartTime(time),
        position: isBuy ? "belowBar" : "aboveBar",
        shape: kind === "fill" ? "circle" : isBuy ? "arrowUp" : "arrowDown",
        color: kind === "signal" ? signal : isBuy ? buy : sell,
        text,
      })),
    );
  }

  remove(): void {
    this.chart.remove();
  }
}

function pointsOf(line: Line, times: readonly number[], oldest: number): Point[] {
  return times.flatMap((at, index): Point[] => {
    if (at < oldest) return [];
    const time = toChartTime(at);
    const value = line.values[index];
    if (value === null || value === undefined) return [{ time }];
    const hue = line.hues?.[index];
    return [hue === undefined ? { time, value } : { time, value, color: hueColour(hue) }];
  });
}
