/** What the whole system is, in one sentence. */

import type { Layer, System } from "../../api";
import { words } from "../../format";

export type Mood = "good" | "busy" | "warn" | "bad";

const RANK: Readonly<Record<Layer["state"], number>> = {
  failed: 0,
  waiting: 1,
  starting: 2,
  stopped: 3,
  running: 4,
};
const MOODS: Readonly<Record<Layer["state"], Mood>> = {
  failed: "bad",
  waiting: "warn",
  starting: "busy",
  stopped: "warn",
  running: "good",
};

const IS: Readonly<Record<Layer["state"], string>> = {
  failed: "has failed",
  waiting: "waits",
  starting: "starts",
  stopped: "is stopped",
  running: "runs",
};

/** The layers that do not run, the worst first. */
export function troubled(layers: readonly Layer[]): Layer[] {
  return layers
    .filter(({ state }) => state !== "running")
    .sort((one, other) => RANK[one.state] - RANK[other.state]);
}

export function verdictOf(system: System): { mood: Mood; text: string } {
  const [worst, ...others] = troubled(system.layers);
  const stores = system.stores.filter(({ state }) => state !== "running");
  if (worst === undefined) {
    if (stores[0] !== undefined)
      return { mood: "warn", text: `Every layer runs, but store ${stores[0].name} is ${stores[0].state}` };
    const dead = system.topics.reduce((sum, topic) => sum + topic.dead_letters, 0);
    if (dead > 0) return { mood: "warn", text: `Every layer runs; ${dead} records could not be taken` };
    return system.is_healthy
      ? { mood: "good", text: "Every layer runs" }
      : { mood: "warn", text: "Every layer runs, but the process calls itself unhealthy" };
  }
  const more = others.length === 0 ? "" : `, and ${others.length} more do not run`;
  return { mood: MOODS[worst.state], text: `${words(worst.name)} ${IS[worst.state]}${more}` };
}
