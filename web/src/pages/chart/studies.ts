/** The indicators that the chart can show: their call to the gateway, and the lines their answer makes. */

import type { IndicatorValues, Interval } from "../../api";

export type Pane = "price" | "rsi" | "macd";
/** A colour of the palette in `theme.css`: `--nf-NAME`. */
export type Hue = "blue" | "amber" | "violet" | "grey" | "teal" | "up" | "down";

export interface Line {
  id: string;
  pane: Pane;
  hue: Hue;
  form: "line" | "dashed" | "histogram";
  values: readonly (number | null)[];
  /** The hue of each point, where it differs. */
  hues?: readonly Hue[];
}

export interface Study {
  id: string;
  label: string;
  indicator: string;
  parameters?: string;
  pane: Pane;
  /** Not for these intervals. */
  notFor?: readonly Interval[];
  lines: (values: IndicatorValues["values"]) => Line[];
}

function average(period: number, hue: Hue): Study {
  const id = `ema${period}`;
  return {
    id,
    label: `EMA ${period}`,
    indicator: "ema",
    parameters: `period:${period}`,
    pane: "price",
    lines: (values) => [{ id, pane: "price", hue, form: "line", values: values.value ?? [] }],
  };
}

const bySign = (values: readonly (number | null)[]): Hue[] =>
  values.map((value) => ((value ?? 0) < 0 ? "down" : "up"));

export const STUDIES: readonly Study[] = [
  average(9, "blue"),
  average(21, "amber"),
  average(50, "violet"),
  average(200, "grey"),
  {
    id: "bollinger",
    label: "Bollinger bands 20, 2",
    indicator: "bollinger",
    pane: "price",
    lines: (values) =>
      ["upper", "middle", "lower"].map((name) => ({
        id: `bollinger-${name}`,
        pane: "price",
        hue: "teal",
        form: name === "middle" ? "dashed" : "line",
        values: values[name] ?? [],
      })),
  },
  {
    id: "vwap",
    label: "VWAP of the session",
    indicator: "vwap",
    pane: "price",
    notFor: ["1d"],
    lines: (values) => [
      { id: "vwap", pane: "price", hue: "violet", form: "dashed", values: values.value ?? [] },
    ],
  },
  {
    id: "supertrend",
    label: "Supertrend 10, 3",
    indicator: "supertrend",
    pane: "price",
    lines: (values) => [
      {
        id: "supertrend",
        pane: "price",
        hue: "up",
        form: "line",
        values: values.value ?? [],
        hues: bySign(values.direction ?? []),
      },
    ],
  },
  {
    id: "rsi",
    label: "RSI 14",
    indicator: "rsi",
    pane: "rsi",
    lines: (values) => [{ id: "rsi", pane: "rsi", hue: "blue", form: "line", values: values.value ?? [] }],
  },
  {
    id: "macd",
    label: "MACD 12, 26, 9",
    indicator: "macd",
    pane: "macd",
    lines: (values) => [
      {
        id: "macd-histogram",
        pane: "macd",
        hue: "up",
        form: "histogram",
        values: values.histogram ?? [],
        hues: bySign(values.histogram ?? []),
      },
      { id: "macd-value", pane: "macd", hue: "blue", form: "line", values: values.value ?? [] },
      { id: "macd-signal", pane: "macd", hue: "amber", form: "line", values: values.signal ?? [] },
    ],
  },
];

export const FIRST_STUDIES: readonly string[] = ["ema9", "ema21", "rsi"];
