/** What is left of a signal's time, by the data's clock. */

import { StateBadge } from "../../components";
import { minuteTime, duration } from "../../format";
import { useClock } from "../../live";
import { validityOf } from "./validity";

export function Left({ until }: { until: string }) {
  const { isOver, secondsLeft } = validityOf(until, useClock()?.clock.time);
  if (isOver === null) return <span className="num">until {minuteTime(until)}</span>;
  if (isOver) return <span className="dim num">over {minuteTime(until)}</span>;
  return <StateBadge state="live" tone="busy" label={`${duration(secondsLeft)} left`} />;
}
