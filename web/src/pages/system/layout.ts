/** Where each layer stands and each line runs in the picture of the system. Pure: it is given sizes and gives points.
 *
 * Layers that hand records on stand in one row, in the graph's order. A topic that passes over layers has a lane of its
 * own above them; what goes backwards, or between two neighbours alone, has one below. */

import type { Layer, System } from "../../api";

export interface Box {
  layer: Layer;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Line {
  key: string;
  from: string;
  to: string;
  /** Empty for a call: a question and its answer, no topic. */
  topic: string;
  rate: number;
  path: string;
}

export interface Label {
  topic: string;
  rate: number;
  x: number;
  y: number;
  from: string;
  readers: readonly string[];
}

export interface Picture {
  width: number;
  height: number;
  boxes: Box[];
  lines: Line[];
  labels: Label[];
  /** Free room below the row, right of the layers that stand there. */
  room: { x: number; y: number; width: number };
}

type Edge = System["edges"][number];

/** Layers without a topic of their own, and who works with them. */
const BELOW: Readonly<Record<string, string>> = { storage: "processing", ai: "analysis" };
const CALLED: Readonly<Record<string, string>> = { presentation: "gateway" };

export const NARROWEST = 1000;
const CARD_HEIGHT = 158;
const GAP = 34;
const LANE = 27;
const PAD = 12;
const BEND = 10;

/** How busy a line is, in steps, so that its dots do not jump whenever a rate changes a little. */
export function level(rate: number): 0 | 1 | 2 | 3 | 4 | 5 {
  if (!(rate > 0)) return 0;
  if (rate < 0.1) return 1;
  if (rate < 1) return 2;
  if (rate < 20) return 3;
  return rate < 200 ? 4 : 5;
}

/** Return the layers in the order of the row, each followed by those that work with it. */
export function ordered(layers: readonly Layer[]): Layer[] {
  const names = new Set(layers.map(({ name }) => name));
  const isBelow = ({ name }: Layer): boolean => names.has(BELOW[name] ?? "");
  return layers
    .filter((layer) => !isBelow(layer))
    .flatMap((layer) => [
      layer,
      ...layers.filter((other) => isBelow(other) && BELOW[other.name] === layer.name),
    ]);
}

interface Lane {
  from: string;
  topic: string;
  rate: number;
  readers: string[];
}

/** Gather edges of one topic of one writer: they share a lane. */
function lanesOf(edges: readonly Edge[]): Lane[] {
  const lanes = new Map<string, Lane>();
  for (const { from, to, topic, rate } of edges) {
    const key = `${from} ${topic}`;
    const lane = lanes.get(key) ?? { from, topic, rate, readers: [] };
    lane.readers.push(to);
    lanes.set(key, lane);
  }
  return [...lanes.values()];
}

/** Three straight pieces with round corners: out of a layer, along the lane, into the other. */
export function bridge(x1: number, x2: number, edge: number, lane: number): string {
  const [way, out] = [Math.sign(x2 - x1), Math.sign(lane - edge)];
  const bend = Math.min(BEND, Math.abs(lane - edge), Math.abs(x2 - x1) / 2);
  return [
    `M${x1} ${edge}`,
    `V${lane - out * bend}`,
    `Q${x1} ${lane} ${x1 + way * bend} ${lane}`,
    `H${x2 - way * bend}`,
    `Q${x2} ${lane} ${x2} ${lane - out * bend}`,
    `V${edge}`,
  ].join(" ");
}

/** Spread `count` points over the middle of a layer's side, and return the one at `place`. */
function spread(box: Box, place: number, count: number): number {
  const step = Math.min(14, (box.width * 0.8) / Math.max(1, count));
  return Math.round(box.x + box.width / 2 + (place - (count - 1) / 2) * step);
}

/** Return the picture of a system that is `width` wide. */
export function pictureOf(system: Pick<System, "layers" | "edges">, width: number): Picture {
  const names = new Set(system.layers.map(({ name }) => name));
  const isBelow = ({ name }: Layer): boolean => names.has(BELOW[name] ?? "");
  const row = system.layers.filter((layer) => !isBelow(layer));
  const place = new Map(row.map(({ name }, at) => [name, at]));
  const known = system.edges.filter(({ from, to }) => place.has(from) && place.has(to));
  const distance = ({ from, to }: Edge): number => (place.get(to) ?? 0) - (place.get(from) ?? 0);

  const above = lanesOf(known.filter((edge) => distance(edge) > 1)).sort(
    (one, other) => (place.get(one.from) ?? 0) - (place.get(other.from) ?? 0),
  );
  const hasLane = new Set(above.map(({ from, topic }) => `${from} ${topic}`));
  const below = lanesOf(
    known.filter((edge) => distance(edge) < 0 || !hasLane.has(`${edge.from} ${edge.topic}`)),
  );
  const next = known.filter((edge) => distance(edge) === 1 && hasLane.has(`${edge.from} ${edge.topic}`));

  const top = PAD + above.length * LANE + 14;
  const bottom = top + CARD_HEIGHT;
  const lower = bottom + Math.max(48, below.length * LANE + 26);
  const card = (width - GAP * (row.length - 1)) / Math.max(1, row.length);
  const boxes = row.map((layer, at) => ({
    layer,
    x: at * (card + GAP),
    y: top,
    width: card,
    height: CARD_HEIGHT,
  }));
  const boxOf = new Map(boxes.map((box) => [box.layer.name, box]));
  const lines = [...nextLines(next, boxOf), ...calledLines(system.layers, boxOf)];
  const labels: Label[] = [];
  draw(above, boxOf, top, (at) => PAD + at * LANE + LANE / 2, lines, labels);
  draw(below, boxOf, bottom, (at) => bottom + 18 + at * LANE, lines, labels);

  let right = 0;
  for (const layer of system.layers.filter(isBelow)) {
    const host = boxOf.get(BELOW[layer.name] ?? "");
    if (host === undefined) continue;
    const box = { layer, x: host.x, y: lower, width: host.width, height: CARD_HEIGHT };
    boxes.push(box);
    right = Math.max(right, box.x + box.width + GAP);
    const x = Math.round(host.x + host.width / 2);
    lines.push(call(host.layer.name, layer, `M${x} ${bottom} V${lower}`));
  }
  const hasLower = right > 0;
  return {
    width,
    height: (hasLower ? lower + CARD_HEIGHT : lower) + PAD,
    boxes,
    lines,
    labels,
    room: { x: right, y: lower, width: Math.max(0, width - right) },
  };
}

function call(from: string, to: Layer, path: string): Line {
  return { key: `${from}>${to.name}`, from, to: to.name, topic: "", rate: to.rates.in, path };
}

function nextLines(edges: readonly Edge[], boxOf: ReadonlyMap<string, Box>): Line[] {
  return edges.flatMap(({ from, to, topic, rate }) => {
    const [left, right] = [boxOf.get(from), boxOf.get(to)];
    if (left === undefined || right === undefined) return [];
    const y = left.y + left.height / 2;
    return [
      {
        key: `${from}>${to}:${topic}`,
        from,
        to,
        topic,
        rate,
        path: `M${left.x + left.width} ${y} H${right.x}`,
      },
    ];
  });
}

function calledLines(layers: readonly Layer[], boxOf: ReadonlyMap<string, Box>): Line[] {
  return layers.flatMap((layer) => {
    const [host, box] = [boxOf.get(CALLED[layer.name] ?? ""), boxOf.get(layer.name)];
    if (host === undefined || box === undefined) return [];
    const y = host.y + host.height / 2;
    return [call(host.layer.name, layer, `M${host.x + host.width} ${y} H${box.x}`)];
  });
}

interface Sided {
  lane: Lane;
  depth: number;
}

/** Return where lanes meet a layer, left to right. Lanes from the left come first, the deepest of them last; then those
 * that leave to the right, the deepest first: so none of them crosses another at the layer. */
function portsOf(name: string, lanes: readonly Sided[], place: ReadonlyMap<string, number>): Lane[] {
  const here = place.get(name) ?? 0;
  const comesFromLeft = ({ lane }: Sided): boolean =>
    [lane.from, ...lane.readers].some((other) => (place.get(other) ?? here) < here);
  const left = lanes.filter(comesFromLeft).sort((one, other) => one.depth - other.depth);
  const right = lanes.filter((each) => !comesFromLeft(each)).sort((one, other) => other.depth - one.depth);
  return [...left, ...right].map(({ lane }) => lane);
}

/** Draw lanes on one side of the row. */
function draw(
  lanes: readonly Lane[],
  boxOf: ReadonlyMap<string, Box>,
  edge: number,
  laneY: (at: number) => number,
  lines: Line[],
  labels: Label[],
): void {
  const place = new Map([...boxOf.keys()].map((name, at) => [name, at]));
  const meeting = new Map<string, Sided[]>();
  lanes.forEach((lane, at) => {
    const depth = Math.abs(laneY(at) - edge);
    for (const name of new Set([lane.from, ...lane.readers]))
      meeting.set(name, [...(meeting.get(name) ?? []), { lane, depth }]);
  });
  const ports = new Map([...meeting].map(([name, all]) => [name, portsOf(name, all, place)]));
  const port = (name: string, lane: Lane): number => {
    const [box, all] = [boxOf.get(name), ports.get(name) ?? []];
    return box === undefined ? 0 : spread(box, all.indexOf(lane), all.length);
  };
  lanes.forEach((lane, at) => {
    const { from, topic, rate, readers } = lane;
    const [x1, y] = [port(from, lane), laneY(at)];
    const ends = readers.map((to) => port(to, lane));
    readers.forEach((to, reader) => {
      const path = bridge(x1, ends[reader] ?? x1, edge, y);
      lines.push({ key: `${from}>${to}:${topic}`, from, to, topic, rate, path });
    });
    labels.push({ topic, rate, from, readers, y, x: Math.min(x1, ...ends) + BEND + 8 });
  });
}
