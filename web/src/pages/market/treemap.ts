/** Lays out rectangles whose areas are given, as square as can be (squarified treemap; Bruls, Huizing, van Wijk 2000). */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Placed<T> extends Box {
  item: T;
}

interface Sized<T> {
  item: T;
  area: number;
}

function worstRatio(areas: readonly number[], side: number): number {
  const sum = areas.reduce((total, area) => total + area, 0);
  const square = side * side;
  return Math.max(
    ...areas.map((area) => Math.max((square * area) / (sum * sum), (sum * sum) / (square * area))),
  );
}

/** Lay a row of areas along the shorter side of `room`; return where they lie and the room that is left. */
function layRow<T>(row: readonly Sized<T>[], room: Box): { placed: Placed<T>[]; left: Box } {
  const sum = row.reduce((total, { area }) => total + area, 0);
  const isUpright = room.width >= room.height;
  const depth = sum / (isUpright ? room.height : room.width);
  let along = 0;
  const placed = row.map(({ item, area }) => {
    const length = area / depth;
    const box = isUpright
      ? { x: room.x, y: room.y + along, width: depth, height: length }
      : { x: room.x + along, y: room.y, width: length, height: depth };
    along += length;
    return { item, ...box };
  });
  const left = isUpright
    ? { ...room, x: room.x + depth, width: room.width - depth }
    : { ...room, y: room.y + depth, height: room.height - depth };
  return { placed, left };
}

/** Return a box for each item, in `room`, with areas in proportion to `size`. Items of no size get none. */
export function treemap<T>(items: readonly T[], size: (item: T) => number, room: Box): Placed<T>[] {
  const sizes = items.map((item) => ({ item, area: Math.max(0, size(item)) })).filter(({ area }) => area > 0);
  const total = sizes.reduce((sum, { area }) => sum + area, 0);
  if (total === 0 || room.width <= 0 || room.height <= 0) return [];
  const scale = (room.width * room.height) / total;
  const waiting = sizes
    .map(({ item, area }) => ({ item, area: area * scale }))
    .sort((one, other) => other.area - one.area);
  const placed: Placed<T>[] = [];
  let left = room;
  let row: Sized<T>[] = [];
  for (const next of waiting) {
    const side = Math.min(left.width, left.height);
    const areas = row.map(({ area }) => area);
    if (row.length > 0 && worstRatio([...areas, next.area], side) > worstRatio(areas, side)) {
      const laid = layRow(row, left);
      placed.push(...laid.placed);
      left = laid.left;
      row = [];
    }
    row.push(next);
  }
  return [...placed, ...layRow(row, left).placed];
}
