/** The market in five cards: how many rise, how broadly, what the mood is, and who stands out. */

import { Link } from "@tanstack/react-router";

import type { MarketView, Mover } from "../../api";
import { Change, Panel, Score, StateBadge } from "../../components";
import { decimal, percent, shortSymbol, UNKNOWN } from "../../format";
import classes from "./ViewCards.module.css";

const SHOWN = 3;

export function ViewCards({ view }: { view: MarketView | null }) {
  return (
    <div className={classes.cards}>
      <Breadth view={view} />
      <Mood view={view} />
      <Movers title="Gainers" movers={view?.gainers} />
      <Movers title="Losers" movers={view?.losers} />
      <Movers title="Unusual volume" movers={view?.volume_shockers} isVolume />
    </div>
  );
}

function Breadth({ view }: { view: MarketView | null }) {
  const counts = [view?.advances ?? 0, view?.unchanged ?? 0, view?.declines ?? 0];
  const total = counts.reduce((sum, count) => sum + count, 0);
  const share = (count = 0): string => `${total === 0 ? 0 : (count / total) * 100}%`;
  return (
    <Panel title="Advances and declines">
      <div className={classes.balance} aria-hidden="true">
        <span data-way="up" style={{ width: share(counts[0]) }} />
        <span style={{ width: share(counts[1]) }} />
        <span data-way="down" style={{ width: share(counts[2]) }} />
      </div>
      <dl className={classes.counts}>
        <Fact term="Up" tone="up" value={view?.advances} />
        <Fact term="Unchanged" value={view?.unchanged} />
        <Fact term="Down" tone="down" value={view?.declines} />
        <Fact term="New highs" value={view?.new_highs} />
        <Fact term="New lows" value={view?.new_lows} />
      </dl>
    </Panel>
  );
}

function Fact({ term, value, tone = "" }: { term: string; value: number | undefined; tone?: string }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd className={`num ${tone}`}>{value ?? UNKNOWN}</dd>
    </div>
  );
}

function Mood({ view }: { view: MarketView | null }) {
  return (
    <Panel title="Breadth and sentiment">
      <dl className={classes.lines}>
        <div>
          <dt>Sentiment</dt>
          <dd>
            {view === null ? UNKNOWN : <StateBadge state={view.sentiment} />}{" "}
            <span className="num">{decimal(view?.sentiment_score, 2, true)}</span>
          </dd>
        </div>
        <div>
          <dt>Breadth</dt>
          <dd>
            <Score value={view?.breadth} />
          </dd>
        </div>
        <div>
          <dt>Above EMA 50, EMA 200</dt>
          <dd className="num">
            {percent(view?.above_ema50_percent, { isSigned: false, decimals: 0 })},{" "}
            {percent(view?.above_ema200_percent, { isSigned: false, decimals: 0 })}
          </dd>
        </div>
      </dl>
    </Panel>
  );
}

interface MoversProps {
  title: string;
  movers: readonly Mover[] | undefined;
  isVolume?: boolean;
}

function Movers({ title, movers, isVolume = false }: MoversProps) {
  return (
    <Panel title={title}>
      {movers === undefined || movers.length === 0 ? (
        <span className="dim">{movers === undefined ? UNKNOWN : "None this minute"}</span>
      ) : (
        <ol className={classes.movers}>
          {movers.slice(0, SHOWN).map((mover) => (
            <li key={mover.symbol}>
              <Link to="/chart/$symbol" params={{ symbol: mover.symbol }}>
                {shortSymbol(mover.symbol)}
              </Link>
              {isVolume ? (
                <span className="num">{decimal(mover.volume_ratio, 1)}×</span>
              ) : (
                <Change value={mover.change_percent} />
              )}
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
