/** The columns of the market's table. Each live cell watches its own instrument, so that a tick renders one row's cells. */

import { Link } from "@tanstack/react-router";

import { Change, type Column, PriceText, Score, StateBadge } from "../../components";
import { compact, decimal, direction, price, quantity, shortSymbol, UNKNOWN } from "../../format";
import { usePrice, useScorecard } from "../../live";
import classes from "./MarketPage.module.css";
import { changeOf, type MarketRow, rankOf } from "./rows";

function Symbol({ row }: { row: MarketRow }) {
  return (
    <span className={classes.symbol}>
      <Link to="/chart/$symbol" params={{ symbol: row.symbol }}>
        {shortSymbol(row.symbol)}
      </Link>
      {row.name !== shortSymbol(row.symbol) && <span className={classes.name}>{row.name}</span>}
    </span>
  );
}

function Last({ row }: { row: MarketRow }) {
  return <PriceText value={usePrice(row.symbol)?.ltp ?? row.ltp} />;
}

function ChangeRupees({ row }: { row: MarketRow }) {
  const live = usePrice(row.symbol);
  const change = live === undefined ? row.change : changeOf(live.ltp, live.change_percent);
  return <span className={`num ${direction(change)}`}>{decimal(change, 2, true)}</span>;
}

function ChangePercent({ row }: { row: MarketRow }) {
  return <Change value={usePrice(row.symbol)?.change_percent ?? row.changePercent} />;
}

function Volume({ row }: { row: MarketRow }) {
  const volume = usePrice(row.symbol)?.volume ?? row.volume;
  return <span title={quantity(volume)}>{compact(volume)}</span>;
}

function BidAsk({ row }: { row: MarketRow }) {
  const live = usePrice(row.symbol);
  return (
    <>
      {price(live?.bid ?? row.bid)} <span className="dim">/</span> {price(live?.ask ?? row.ask)}
    </>
  );
}

function DayRange({ row }: { row: MarketRow }) {
  const { low, high, ltp } = row;
  if (low === null || high === null || ltp === null) return UNKNOWN;
  const share = high > low ? ((ltp - low) / (high - low)) * 100 : 50;
  return (
    <span className={classes.range}>
      <span>{price(low)}</span>
      <span className={classes.track} aria-hidden="true">
        <span style={{ left: `${share}%` }} />
      </span>
      <span>{price(high)}</span>
    </span>
  );
}

function Composite({ row }: { row: MarketRow }) {
  return <Score value={useScorecard(row.symbol)?.composite_score ?? row.composite} />;
}

function Advice({ row }: { row: MarketRow }) {
  const advice = useScorecard(row.symbol)?.recommendation ?? row.recommendation;
  return advice === null ? UNKNOWN : <StateBadge state={advice} />;
}

export const COLUMNS: readonly Column<MarketRow>[] = [
  { id: "symbol", header: "Symbol", cell: (row) => <Symbol row={row} />, sortBy: (row) => row.symbol },
  { id: "ltp", header: "Last", align: "right", cell: (row) => <Last row={row} />, sortBy: (row) => row.ltp },
  {
    id: "change",
    header: "Change",
    align: "right",
    isExtra: true,
    cell: (row) => <ChangeRupees row={row} />,
    sortBy: (row) => row.change,
    meaning: "Against the last session's close, rupees",
  },
  {
    id: "percent",
    header: "Change %",
    align: "right",
    cell: (row) => <ChangePercent row={row} />,
    sortBy: (row) => row.changePercent,
  },
  {
    id: "volume",
    header: "Day volume",
    align: "right",
    isExtra: true,
    cell: (row) => <Volume row={row} />,
    sortBy: (row) => row.volume,
    meaning: "Shares traded today; L is lakh, Cr is crore",
  },
  {
    id: "quote",
    header: "Bid / ask",
    align: "right",
    isExtra: true,
    cell: (row) => <BidAsk row={row} />,
    sortBy: (row) => row.bid,
  },
  {
    id: "range",
    header: "Day's range",
    align: "center",
    isExtra: true,
    cell: (row) => <DayRange row={row} />,
    meaning: "Lowest and highest price of the day, and where the last one stands between them",
  },
  {
    id: "composite",
    header: "Composite",
    align: "right",
    isExtra: true,
    cell: (row) => <Composite row={row} />,
    sortBy: (row) => row.composite,
    meaning: "Mean of the trend and momentum scores, −5 to +5",
  },
  {
    id: "advice",
    header: "Advice",
    cell: (row) => <Advice row={row} />,
    sortBy: (row) => rankOf(row.recommendation),
    meaning: "What the scorecard recommends after the last closed minute",
  },
];
