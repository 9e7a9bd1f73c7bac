/** One strategy. */

import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import type { Strategy } from "../../api";
import { Money, Moment, StateBadge } from "../../components";
import { quantity, shortSymbol, words } from "../../format";
import { parameterText } from "./schema";
import classes from "./Strategies.module.css";

const SHOWN = 6;

interface StrategyCardProps {
  strategy: Strategy;
  mayTrade: boolean;
  onStop: () => void;
  onStart: () => void;
}

export function StrategyCard({ strategy, mayTrade, onStop, onStart }: StrategyCardProps) {
  const { name, kind, status, reason } = strategy;
  const isRunning = status === "running";
  return (
    <article className={classes.card} data-status={status} aria-label={name}>
      <div className={classes.head}>
        <div>
          <h2>{name}</h2>
          {kind !== name && <span className="dim">{kind}</span>}
        </div>
        <StateBadge state={status} />
      </div>
      {reason !== "" && <p className={classes.reason}>{reason}</p>}
      <dl className={classes.figures}>
        <div>
          <dt>Profit after charges</dt>
          <dd className={classes.profit}>
            <Money value={strategy.profit} isSigned />
          </dd>
        </div>
        <div>
          <dt>Open</dt>
          <dd className="num">{quantity(strategy.open_positions)}</dd>
        </div>
        <div>
          <dt>Orders today</dt>
          <dd className="num">{quantity(strategy.orders)}</dd>
        </div>
      </dl>
      <dl className={classes.told}>
        <dt>Instruments</dt>
        <dd>
          <Instruments symbols={strategy.instruments} />
        </dd>
        {Object.entries(strategy.parameters).map(([parameter, value]) => (
          <Parameter key={parameter} name={parameter} value={value} />
        ))}
        {Object.keys(strategy.parameters).length === 0 && (
          <Parameter name="parameters" value="as they come" />
        )}
      </dl>
      <div className={classes.foot}>
        <span className="dim">
          {words(status)} since <Moment value={strategy.at} withDay />
        </span>
        <Button
          variant="default"
          disabled={!mayTrade}
          onClick={isRunning ? onStop : onStart}
          aria-label={`${isRunning ? "Stop" : "Start"} ${name}`}
        >
          {isRunning ? "Stop" : "Start again"}
        </Button>
      </div>
    </article>
  );
}

function Parameter({ name, value }: { name: string; value: unknown }) {
  return (
    <>
      <dt>{words(name)}</dt>
      <dd className="num">{parameterText(value)}</dd>
    </>
  );
}

function Instruments({ symbols }: { symbols: readonly string[] }) {
  const more = symbols.length - SHOWN;
  return (
    <>
      {symbols.slice(0, SHOWN).map((symbol, at) => (
        <span key={symbol}>
          {at > 0 && ", "}
          <Link to="/chart/$symbol" params={{ symbol }}>
            {shortSymbol(symbol)}
          </Link>
        </span>
      ))}
      {more > 0 && (
        <details className={classes.rest}>
          <summary>and {more} more</summary>
          {symbols.slice(SHOWN).map(shortSymbol).join(", ")}
        </details>
      )}
    </>
  );
}
