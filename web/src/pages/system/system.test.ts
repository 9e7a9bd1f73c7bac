import { expect, test } from "vitest";

import type { Layer, System } from "../../api";
import { bridge, level, ordered, pictureOf } from "./layout";
import { latencyText, rateText } from "./rates";
import { troubled, verdictOf } from "./verdict";

const layer = (name: string, state: Layer["state"] = "running", reason = ""): Layer => ({
  name, layer: 1, title: name, state, reason, rates: { in: 1, out: 1 }, lag: 0, latency_ms: null, restarts: 0,
}); // prettier-ignore

const ROW = [
  "ingestion",
  "processing",
  "storage",
  "analysis",
  "signals",
  "ai",
  "trading",
  "gateway",
  "presentation",
];
const edge = (from: string, to: string, topic: string, rate = 1) => ({ from, to, topic, rate });
const SYSTEM: System = {
  time: 0, uptime_seconds: 1, memory_bytes: 1, is_healthy: true, topics: [], stores: [],
  layers: ROW.map((name) => layer(name)),
  edges: [
    edge("ingestion", "processing", "raw-ticks"), edge("ingestion", "trading", "raw-ticks"),
    edge("ingestion", "gateway", "raw-ticks"), edge("processing", "analysis", "market_candles"),
    edge("signals", "trading", "signals"), edge("trading", "gateway", "order_events"),
    edge("gateway", "trading", "commands", 0),
  ],
}; // prettier-ignore

const WIDTH = 1300;
const picture = pictureOf(SYSTEM, WIDTH);
const boxOf = (name: string) => {
  const found = picture.boxes.find((box) => box.layer.name === name);
  if (found === undefined) throw new Error(`no box of ${name}`);
  return found;
};

test("layers stand in a row in the graph's order and none covers another", () => {
  const row = picture.boxes.filter(({ y }) => y === boxOf("ingestion").y);
  expect(row.map((box) => box.layer.name)).toEqual(ROW.filter((name) => name !== "storage" && name !== "ai"));
  for (const [at, box] of row.entries()) {
    const next = row[at + 1];
    expect(box.x + box.width).toBeLessThanOrEqual(next === undefined ? WIDTH + 0.001 : next.x);
  }
});

test("storage and ai stand below whoever works with them", () => {
  expect(boxOf("storage").x).toBe(boxOf("processing").x);
  expect(boxOf("ai").x).toBe(boxOf("analysis").x);
  expect(boxOf("storage").y).toBeGreaterThan(boxOf("processing").y + boxOf("processing").height);
});

test("every edge is drawn, and every layer is reached by a line", () => {
  for (const { from, to, topic } of SYSTEM.edges)
    expect(picture.lines.some((line) => line.from === from && line.to === to && line.topic === topic)).toBe(
      true,
    );
  for (const name of ROW)
    expect(picture.lines.some((line) => line.from === name || line.to === name)).toBe(true);
  expect(new Set(picture.lines.map(({ key }) => key)).size).toBe(picture.lines.length);
});

test("a topic that passes over layers runs above them, one that goes back below", () => {
  const labelOf = (topic: string) => picture.labels.find((label) => label.topic === topic);
  expect(labelOf("raw-ticks")?.y).toBeLessThan(boxOf("ingestion").y);
  expect(labelOf("commands")?.y).toBeGreaterThan(boxOf("gateway").y + boxOf("gateway").height);
  expect(labelOf("order_events")?.y).toBeGreaterThan(boxOf("gateway").y + boxOf("gateway").height);
});

test("lines that arrive at a layer from the left nest instead of crossing", () => {
  const above = pictureOf(
    { ...SYSTEM, edges: [...SYSTEM.edges, edge("processing", "gateway", "market_candles")] },
    WIDTH,
  );
  const endOf = (topic: string): number =>
    Number(
      /H(\d+)/.exec(
        above.lines.find((line) => line.to === "gateway" && line.topic === topic)?.path ?? "",
      )?.[1],
    );
  expect(endOf("raw-ticks")).toBeGreaterThan(endOf("market_candles"));
});

test("an unknown layer takes its place in the row, and an edge to nobody is left out", () => {
  const more = { layers: [...SYSTEM.layers, layer("forwarder")], edges: [edge("forwarder", "nobody", "x")] };
  const drawn = pictureOf(more, WIDTH);
  expect(drawn.boxes.at(-3)?.layer.name).toBe("forwarder");
  expect(drawn.lines.some(({ topic }) => topic === "x")).toBe(false);
});

test("a bridge begins and ends at the layers and runs along its lane", () => {
  const path = bridge(10, 200, 100, 40);
  expect(path.startsWith("M10 100")).toBe(true);
  expect(path.endsWith("V100")).toBe(true);
  expect(path).toContain("10 40");
});

test("below each layer follow those that work with it", () => {
  expect(ordered(SYSTEM.layers).map(({ name }) => name).slice(0, 5)).toEqual([
    "ingestion", "processing", "storage", "analysis", "ai",
  ]); // prettier-ignore
});

test("the busier a line, the higher its step; nothing and the unknown do not move", () => {
  expect([0, Number.NaN, 0.02, 0.5, 8, 90, 500].map(level)).toEqual([0, 0, 1, 2, 3, 4, 5]);
});

test("rates are told a second, or a minute where records are rare", () => {
  expect([504, 8.42, 1, 0.5, 0.02, 0, null].map(rateText)).toEqual([
    "504/s", "8.4/s", "1.0/s", "30/min", "1.2/min", "0/s", "–",
  ]); // prettier-ignore
  expect([0.41, 12.3, 1300, null].map(latencyText)).toEqual(["0.41 ms", "12 ms", "1.3 s", "–"]);
});

test("the verdict names the worst layer and counts the others", () => {
  expect(verdictOf(SYSTEM)).toEqual({ mood: "good", text: "Every layer runs" });
  const ill = [layer("signals", "waiting"), layer("ingestion"), layer("aggregation", "failed")];
  expect(troubled(ill).map(({ name }) => name)).toEqual(["aggregation", "signals"]);
  const { mood, text } = verdictOf({ ...SYSTEM, layers: ill });
  expect(mood).toBe("bad");
  expect(text).toBe("Aggregation has failed, and 1 more do not run");
});

test("a store that is away and records that could not be taken spoil a good verdict", () => {
  const away = { ...SYSTEM, stores: [{ name: "book", state: "waiting" as const, detail: "" }] };
  expect(verdictOf(away)).toEqual({ mood: "warn", text: "Every layer runs, but store book is waiting" });
  const dead = { ...SYSTEM, topics: [{ topic: "signals", records: 9, rate: 0, dead_letters: 2 }] };
  expect(verdictOf(dead).mood).toBe("warn");
});
