/** Single values as the desk shows them. A sign or a word always stands beside the colour. */

import { useState } from "react";

import {
  clockTime,
  dayTime,
  direction,
  duration,
  percent,
  price as priceText,
  rupees,
  score as scoreText,
  UNKNOWN,
  words,
} from "../format";
import classes from "./values.module.css";

type Value = number | string | null | undefined;

/** An amount in rupees: `isSigned` colours it and writes + or −. */
export function Money({
  value,
  isSigned = false,
  decimals = 2,
}: {
  value: Value;
  isSigned?: boolean;
  decimals?: number;
}) {
  const tone = isSigned ? direction(value) : "";
  return <span className={`num ${tone}`}>{rupees(value, { isSigned, decimals })}</span>;
}

/** A percentage, signed and coloured. */
export function Change({ value, decimals = 2 }: { value: Value; decimals?: number }) {
  return <span className={`num ${direction(value)}`}>{percent(value, { decimals })}</span>;
}

type Moved = "up" | "down" | "";

function moved(from: Value, to: Value): Moved {
  if (typeof from !== "number" || typeof to !== "number" || from === to) return "";
  return to > from ? "up" : "down";
}

/** A price that flashes when it moves. */
export function PriceText({ value }: { value: number | null | undefined }) {
  const [last, setLast] = useState<{ value: Value; moves: number; way: Moved }>({ value, moves: 0, way: "" });
  if (value !== last.value) setLast({ value, moves: last.moves + 1, way: moved(last.value, value) });
  return (
    <span key={last.moves} className={`num ${classes.flash ?? ""}`} data-moved={last.way}>
      {priceText(value)}
    </span>
  );
}

/** A moment in IST: the time, with the day in the tooltip; `withDay` writes both. */
export function Moment({
  value,
  withDay = false,
}: {
  value: number | string | null | undefined;
  withDay?: boolean;
}) {
  const whole = dayTime(value);
  return (
    <span className="num" title={whole === UNKNOWN ? undefined : `${whole} IST`}>
      {withDay ? whole : clockTime(value)}
    </span>
  );
}

/** How old something is; it warns by colour and word past `staleAfter` seconds. */
export function Age({
  seconds,
  staleAfter = 5,
}: {
  seconds: number | null | undefined;
  staleAfter?: number;
}) {
  const isStale = seconds !== null && seconds !== undefined && seconds > staleAfter;
  return (
    <span
      className="num"
      style={isStale ? { color: "var(--nf-warn)" } : undefined}
      title={isStale ? "Older than it should be" : undefined}
    >
      {duration(seconds)}
      {isStale ? " old" : ""}
    </span>
  );
}

export type Tone = "good" | "bad" | "busy" | "warn" | "plain";

const TONES: Record<string, Tone> = {
  running: "good",
  filled: "good",
  live: "good",
  buy: "good",
  strong_buy: "good",
  bullish: "good",
  very_bullish: "good",
  ok: "good",
  healthy: "good",
  continuous: "good",
  open: "busy",
  accepted: "busy",
  sent: "busy",
  intended: "busy",
  part_filled: "busy",
  starting: "busy",
  connecting: "busy",
  pre_open: "busy",
  waiting: "warn",
  unknown: "warn",
  expired: "warn",
  rejected: "bad",
  failed: "bad",
  sell: "bad",
  strong_sell: "bad",
  bearish: "bad",
  very_bearish: "bad",
  away: "bad",
};

/** A state in words on a quiet tint. Give `tone` for what is not a state of ours. */
export function StateBadge({ state, tone, label }: { state: string; tone?: Tone; label?: string }) {
  return (
    <span className={classes.badge} data-tone={tone ?? TONES[state.toLowerCase()] ?? "plain"}>
      {label ?? words(state)}
    </span>
  );
}

/** A score from −5 to +5: a bar from the middle, and the number. */
export function Score({ value }: { value: number | null | undefined }) {
  const way = direction(value);
  const width = `${Math.min(Math.abs(value ?? 0), 5) * 10}%`;
  return (
    <span className={classes.score}>
      <span className={classes.track} aria-hidden="true">
        <span
          className={classes.fill}
          data-way={way}
          style={way === "down" ? { right: "50%", width } : { left: "50%", width }}
        />
      </span>
      <span className={`num ${way}`}>{scoreText(value)}</span>
    </span>
  );
}
