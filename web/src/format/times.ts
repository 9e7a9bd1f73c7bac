/** Times as a trader in India reads them: IST, 24 hours. Nothing here reads the clock of this computer. */

import { UNKNOWN } from "./numbers";

const ZONE = "Asia/Kolkata";
type Moment = number | string | null | undefined;

function formatter(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, hourCycle: "h23", ...options });
}

const CLOCK = formatter({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = formatter({ hour: "2-digit", minute: "2-digit" });
const DAY = formatter({ day: "2-digit", month: "short", year: "numeric" });
const SHORT_DAY = formatter({ weekday: "short", day: "2-digit", month: "short" });

/** Return ms UTC of a time given as a number or as ISO text; null for what is none. */
export function millisecondsOf(moment: Moment): number | null {
  if (moment === null || moment === undefined || moment === "") return null;
  const number = typeof moment === "number" ? moment : Date.parse(moment);
  return Number.isFinite(number) ? number : null;
}

function write(moment: Moment, form: Intl.DateTimeFormat): string {
  const at = millisecondsOf(moment);
  return at === null ? UNKNOWN : form.format(at);
}

/** 10:30:05 */
export const clockTime = (moment: Moment): string => write(moment, CLOCK);
/** 10:30 */
export const minuteTime = (moment: Moment): string => write(moment, MINUTE);
/** 25 Jan 2024 */
export const day = (moment: Moment): string => write(moment, DAY);
/** Thu, 25 Jan */
export const shortDay = (moment: Moment): string => write(moment, SHORT_DAY);
/** 25 Jan 2024 10:30:05 */
export const dayTime = (moment: Moment): string =>
  millisecondsOf(moment) === null ? UNKNOWN : `${day(moment)} ${clockTime(moment)}`;

/** How long, in its two largest units: 4 s, 2 min 5 s, 3 h 10 min, 2 d 4 h. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return seconds > 0 && seconds < 1 ? `${seconds.toFixed(1)} s` : "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}
