/** The market as one picture: an instrument's area is its traded value, its colour and text the change. */

import { useElementSize } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { Empty } from "../../components";
import { percent, shortSymbol, words } from "../../format";
import classes from "./HeatMap.module.css";
import type { MarketRow } from "./rows";
import { type Placed, treemap } from "./treemap";

/** From this change on the colour is at its fullest, percent. */
const FULL_PERCENT = 2.5;
const LABEL_HEIGHT = 18;
const GROUPS = ["STRONG_BUY", "BUY", "HOLD", "SELL", "STRONG_SELL", null] as const;

export type Grouping = "none" | "recommendation";

interface HeatMapProps {
  rows: readonly MarketRow[];
  grouping: Grouping;
  isSized: boolean;
}

interface Group {
  label: string;
  rows: MarketRow[];
}

function groupsOf(rows: readonly MarketRow[], grouping: Grouping): Group[] {
  if (grouping === "none") return [{ label: "", rows: [...rows] }];
  return GROUPS.map((name) => ({
    label: name === null ? "No scorecard yet" : words(name),
    rows: rows.filter((row) => row.recommendation === name),
  })).filter((group) => group.rows.length > 0);
}

export function HeatMap({ rows, grouping, isSized }: HeatMapProps) {
  const { ref, width, height } = useElementSize();
  const groups = useMemo(() => {
    const priced = rows.filter((row) => row.changePercent !== null);
    // A square root keeps the largest from hiding the rest.
    const size = (row: MarketRow): number => (isSized ? Math.sqrt(row.turnover ?? 0) : 1);
    const sum = (group: Group): number => group.rows.reduce((total, row) => total + size(row), 0);
    return treemap(groupsOf(priced, grouping), sum, { x: 0, y: 0, width, height }).map((box) => {
      const top = box.item.label === "" ? 0 : LABEL_HEIGHT;
      const room = { ...box, y: box.y + top, height: Math.max(0, box.height - top) };
      return { box, tiles: treemap(box.item.rows, size, room) };
    });
  }, [rows, grouping, isSized, width, height]);
  return (
    <div ref={ref} className={classes.map} role="list" aria-label="Heat map of changes">
      {groups.length === 0 && width > 0 && <Empty>No price yet.</Empty>}
      {groups.map(({ box, tiles }) => (
        <div key={box.item.label} role="presentation">
          {box.item.label !== "" && (
            <div
              className={classes.group}
              title={box.item.label}
              style={{ left: box.x, top: box.y, width: box.width, height: LABEL_HEIGHT }}
            >
              {box.item.label} ({box.item.rows.length})
            </div>
          )}
          {tiles.map((tile) => (
            <Tile key={tile.item.symbol} tile={tile} />
          ))}
        </div>
      ))}
    </div>
  );
}

function Tile({ tile }: { tile: Placed<MarketRow> }) {
  const { symbol, name, changePercent } = tile.item;
  const change = changePercent ?? 0;
  const strength = Math.round(Math.min(Math.abs(change) / FULL_PERCENT, 1) * 100);
  const letters = Math.max(6, shortSymbol(symbol).length);
  const font = Math.max(8, Math.min(15, (tile.width * 1.35) / letters, tile.height / 3));
  const text = percent(changePercent);
  return (
    <div
      role="listitem"
      className={classes.place}
      style={{ left: tile.x, top: tile.y, width: tile.width, height: tile.height }}
    >
      <Link
        to="/chart/$symbol"
        params={{ symbol }}
        className={classes.tile}
        data-way={change > 0 ? "up" : change < 0 ? "down" : "flat"}
        style={{ "--strength": `${strength}%`, fontSize: font } as React.CSSProperties}
        title={`${name} ${text}`}
        aria-label={`${shortSymbol(symbol)} ${text}`}
      >
        {tile.width > 34 && tile.height > 20 && <strong>{shortSymbol(symbol)}</strong>}
        {tile.width > 34 && tile.height > 34 && <span className="num">{text}</span>}
      </Link>
    </div>
  );
}
