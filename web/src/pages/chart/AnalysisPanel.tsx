/** What the scorecard says of an instrument after its last closed minute, and what each part of it gave. */

import { useQuery } from "@tanstack/react-query";

import { type Analysis, queries } from "../../api";
import { Failed, Loading, Panel, Score, StateBadge } from "../../components";
import { decimal, direction, duration, percent, UNKNOWN, words } from "../../format";
import { useScorecard } from "../../live";
import classes from "./AnalysisPanel.module.css";

const TREND = ["ema_9_21", "ema_50_200", "price_ema_50", "supertrend", "adx"];
const MOMENTUM = ["rsi", "macd", "macd_histogram", "stochastic", "vwap"];

const PARTS: Record<string, string> = {
  ema_9_21: "EMA 9 over EMA 21",
  ema_50_200: "EMA 50 over EMA 200",
  price_ema_50: "Price over EMA 50",
  supertrend: "Supertrend",
  adx: "Strength of trend (ADX)",
  rsi: "RSI",
  macd: "MACD over its signal",
  macd_histogram: "MACD histogram rises",
  stochastic: "Stochastic",
  vwap: "Price over VWAP",
};

const VALUES: readonly [string, string, number][] = [
  ["rsi", "RSI 14", 1],
  ["macd", "MACD", 2],
  ["adx", "ADX 14", 1],
  ["atr", "ATR 14", 2],
  ["stochastic_k", "Stochastic %K", 1],
  ["vwap", "VWAP", 2],
  ["ema_50", "EMA 50", 2],
  ["ema_200", "EMA 200", 2],
];

export function AnalysisPanel({ symbol, className }: { symbol: string; className?: string | undefined }) {
  const minute = useScorecard(symbol)?.time ?? 0;
  const answer = useQuery({
    ...queries.analyze(symbol, minute),
    placeholderData: (previous) => (previous?.symbol === symbol ? previous : undefined),
  });
  const analysis = answer.data;
  return (
    <Panel title="Analysis" className={className}>
      {analysis === undefined ? (
        answer.error === null ? (
          <Loading />
        ) : (
          <Failed error={answer.error} onRetry={() => void answer.refetch()} />
        )
      ) : (
        <Found analysis={analysis} />
      )}
    </Panel>
  );
}

function Found({ analysis }: { analysis: Analysis }) {
  const { scores, ai, indicators, meta, missing } = analysis;
  const missed = Object.entries(missing);
  return (
    <div className={classes.panel}>
      <div className={classes.advice}>
        <StateBadge state={analysis.recommendation} />
        <Score value={scores.composite} />
      </div>
      <Parts title="Trend" score={scores.trend} names={TREND} parts={analysis.parts} />
      <Parts title="Momentum" score={scores.momentum} names={MOMENTUM} parts={analysis.parts} />
      <section>
        <h3>Model</h3>
        <dl>
          <Row term="Outlook" value={outlook(ai.prediction)} title="0 is bearish, 1 is bullish" />
          <Row
            term="Confidence"
            value={ai.confidence === null ? UNKNOWN : percent(ai.confidence * 100, PLAIN)}
          />
          <Row term="Version" value={ai.model_version === "" ? UNKNOWN : ai.model_version} />
        </dl>
      </section>
      <section>
        <h3>Indicators</h3>
        <dl>
          {VALUES.filter(([name]) => name in indicators).map(([name, label, decimals]) => (
            <Row key={name} term={label} value={decimal(indicators[name], decimals)} title={missing[name]} />
          ))}
        </dl>
      </section>
      {missed.length > 0 && (
        <details className={classes.missing}>
          <summary>{missed.length} values are not known yet</summary>
          <ul>
            {missed.map(([name, reason]) => (
              <li key={name}>
                {words(name)}: {reason}
              </li>
            ))}
          </ul>
        </details>
      )}
      <p className={classes.age}>Scorecard of {duration(meta.data_age_seconds)} ago, in the data's time.</p>
    </div>
  );
}

const PLAIN = { isSigned: false, decimals: 0 };

/** From 0, bearish, to 1, bullish. */
function outlook(prediction: number | null): string {
  if (prediction === null) return UNKNOWN;
  const word = prediction > 0.6 ? "Bullish" : prediction < 0.4 ? "Bearish" : "Neutral";
  return `${word}, ${decimal(prediction, 2)}`;
}

function Row({ term, value, title }: { term: string; value: string; title?: string | undefined }) {
  return (
    <div title={title}>
      <dt>{term}</dt>
      <dd className="num">{value}</dd>
    </div>
  );
}

interface PartsProps {
  title: string;
  score: number | null;
  names: readonly string[];
  parts: Record<string, number>;
}

function Parts({ title, score, names, parts }: PartsProps) {
  return (
    <section>
      <h3>
        {title} <Score value={score} />
      </h3>
      <dl>
        {names.map((name) => {
          const value = parts[name];
          return (
            <div key={name}>
              <dt>{PARTS[name]}</dt>
              <dd className={`num ${direction(value)}`}>
                <span aria-hidden="true">{{ up: "▲", down: "▼", flat: "•" }[direction(value)]}</span>{" "}
                {decimal(value, 2, true)}
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}
