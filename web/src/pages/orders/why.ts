/** Turns what the server knows of an order's origin into steps, from the ticks down to the fills. Pure. */

import type { Check, Fill, Order, OrderEvent, Side } from "../../api";
import { clockTime, decimal, millisecondsOf, minuteTime, price, quantity, reasonText, rupees, score, shortSymbol, words } from "../../format"; // prettier-ignore

export type StepKind =
  "ticks" | "candle" | "scorecard" | "prediction" | "view" | "signal" | "cause" | "risk" | "order" | "fills";

export interface Step {
  key: string;
  kind: StepKind;
  title: string;
  /** ms UTC; null where it has no moment of its own. */
  at: number | null;
  summary: string;
  facts: readonly (readonly [string, string])[];
  notes: readonly string[];
  tone: "plain" | "bad" | "unknown";
  checks?: readonly Check[];
  prices?: readonly number[];
  /** An order that this step is about, when it is not the one asked for. */
  order?: string;
}

interface Cause {
  text: string;
  kind: string;
  instrument: string;
  reference: string;
  time: number;
  is_exit: boolean;
  has_failed: boolean;
}

interface Link {
  order: Order;
  events: OrderEvent[];
  fills: Fill[];
  cause: Cause;
  strategy: { kind: string } | null;
}

interface Candle {
  time: string;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  trades: number;
  vwap: number;
  provenance: string;
  incomplete: boolean;
}

interface Scorecard {
  timestamp: string;
  trend_score: number | null;
  momentum_score: number | null;
  composite_score: number | null;
  rsi: number | null;
  atr: number | null;
  vwap: number | null;
  recommendation: string;
  parts: Record<string, number>;
}

interface Prediction {
  timestamp: string;
  prediction: number;
  confidence: number;
  model_version: string;
  outcome: string;
}

interface View {
  timestamp: string;
  universe: string;
  advances: number;
  declines: number;
  breadth: number;
  sentiment: string;
  sentiment_score: number;
}

interface MadeOf {
  trades: { price: number; traded_at: number }[];
  ticks: number;
  late: number;
  is_flat: boolean;
  agrees: boolean;
  verdict: string;
}

interface Ground {
  instrument: string;
  is_cause: boolean;
  candle: Candle;
  corrections: { field: string; first: unknown; later: unknown }[];
  scorecard: Scorecard | null;
  prediction: Prediction | null;
  market_view: View | null;
  made_of: MadeOf;
  missing: Record<string, string>;
}

interface ChainSignal {
  id: string;
  strategy: string;
  timestamp: string;
  valid_until: string;
  action: Side;
  strength: number;
  price: number;
  stop: number | null;
  target: number | null;
  reason: { rule: string; value: number | null }[];
}

export interface Explanation {
  links: Link[];
  signal: ChainSignal | null;
  command: { kind: string; by: string; issued_at: number } | null;
  result: { is_done: boolean; reason: string } | null;
  ground: Ground | null;
  missing: Record<string, string>;
}

const MINUTE_MS = 60_000;
const NAMES: Readonly<Record<string, string>> = {
  scorecard: "Scorecard",
  prediction: "Prediction",
  market_view: "View of the market",
  signal: "Signal",
  candle: "Candle",
  command: "Command",
  fill: "Fill",
};

function step(kind: StepKind, title: string, at: number | string | null, rest: Partial<Step>): Step {
  return {
    key: kind,
    kind,
    title,
    at: millisecondsOf(at),
    summary: "",
    facts: [],
    notes: [],
    tone: "plain",
    ...rest,
  };
}

function unknown(kind: StepKind, what: string, reason: string): Step {
  const key = `${kind}-${what}`;
  return step(kind, NAMES[what] ?? words(what), null, {
    key,
    summary: `Not known: ${reason}.`,
    tone: "unknown",
  });
}

/** Return the chain of an order, the oldest first. */
export function stepsOf(why: Explanation): Step[] {
  const asked = why.links[0]?.order.client_order_id ?? "";
  const oldestFirst = [...why.links].reverse();
  return [
    ...(why.ground === null ? [] : groundSteps(why.ground)),
    ...Object.entries(why.missing).map(([what, reason]) => unknown("cause", what, reason)),
    ...(why.signal === null ? [] : [signalStep(why.signal)]),
    ...oldestFirst.flatMap((link, at) => linkSteps(link, at === 0 ? why : null, asked)),
  ];
}

function groundSteps(ground: Ground): Step[] {
  const { made_of: made, candle, scorecard, prediction, market_view: view, missing } = ground;
  const absent = (what: string, kind: StepKind): Step[] => {
    const reason = missing[what];
    return reason === undefined ? [] : [unknown(kind, what, reason)];
  };
  return [
    ticksStep(made),
    candleStep(ground, candle),
    ...(scorecard === null ? absent("scorecard", "scorecard") : [scorecardStep(scorecard)]),
    ...(prediction === null ? absent("prediction", "prediction") : [predictionStep(prediction)]),
    ...(view === null ? absent("market_view", "view") : [viewStep(view)]),
  ];
}

function ticksStep(made: MadeOf): Step {
  const { trades } = made;
  const prices = trades.map((trade) => trade.price);
  const told = made.agrees
    ? "Folded again, they give the candle exactly."
    : `Folded again, they do not give the candle: ${made.verdict}.`;
  const summary = made.is_flat
    ? "No trade in that minute: the candle repeats the price before it."
    : `${quantity(trades.length)} trades in ${quantity(made.ticks)} ticks made the candle. ${told}`;
  return step("ticks", "Ticks", trades[0]?.traded_at ?? null, {
    summary,
    tone: made.agrees || made.is_flat ? "plain" : "bad",
    prices: made.is_flat ? [] : prices,
    notes: made.late > 0 ? [`${quantity(made.late)} ticks of that minute came after it was told.`] : [],
  });
}

function candleStep(ground: Ground, candle: Candle): Step {
  const start = millisecondsOf(candle.time);
  const notes = ground.is_cause ? [] : ["The order names no candle; this is the last one before it."];
  if (candle.incomplete) notes.push("Incomplete: part of its minute was not seen.");
  for (const { field, first, later } of ground.corrections)
    notes.push(`Corrected later: ${field} ${String(first)} became ${String(later)}.`);
  return step(
    "candle",
    `Candle of ${shortSymbol(ground.instrument)}`,
    start === null ? null : start + MINUTE_MS,
    {
      summary: `The minute from ${minuteTime(start)}, as it was first told.`,
      facts: [
        ["Open", price(candle.open)],
        ["High", price(candle.high)],
        ["Low", price(candle.low)],
        ["Close", price(candle.close)],
        ["Volume", quantity(candle.volume)],
        ["VWAP", price(candle.vwap)],
      ],
      notes,
    },
  );
}

const SHORT = /^(ema|rsi|macd|adx|vwap|atr)$/;

/** `ema_9_21` → `EMA 9 21`. */
function partName(name: string): string {
  return name
    .split("_")
    .map((word) => (SHORT.test(word) ? word.toUpperCase() : word))
    .join(" ");
}

function scorecardStep(card: Scorecard): Step {
  const parts = Object.entries(card.parts).map(([name, value]) => `${partName(name)} ${score(value)}`);
  return step("scorecard", "Scorecard", card.timestamp, {
    summary: `It said ${words(card.recommendation).toLowerCase()}.`,
    facts: [
      ["Composite", score(card.composite_score)],
      ["Trend", score(card.trend_score)],
      ["Momentum", score(card.momentum_score)],
      ["RSI", decimal(card.rsi, 1)],
      ["ATR", price(card.atr)],
      ["VWAP", price(card.vwap)],
    ],
    notes: parts.length === 0 ? [] : [`Parts: ${parts.join(", ")}.`],
  });
}

function predictionStep(answer: Prediction): Step {
  const lean = answer.prediction > 0.5 ? "rather up" : answer.prediction < 0.5 ? "rather down" : "undecided";
  return step("prediction", "Prediction", answer.timestamp, {
    summary: `The model said ${lean}.`,
    facts: [
      ["Prediction, 0 to 1", decimal(answer.prediction, 2)],
      ["Confidence", decimal(answer.confidence, 2)],
      ["Model", answer.model_version],
    ],
    notes: answer.outcome === "answered" ? [] : [words(answer.outcome)],
  });
}

function viewStep(view: View): Step {
  return step("view", "View of the market", view.timestamp, {
    summary: `${words(view.sentiment)}: ${view.advances} up, ${view.declines} down.`,
    facts: [
      ["Sentiment", score(view.sentiment_score)],
      ["Breadth", score(view.breadth)],
      ["Universe", view.universe],
    ],
  });
}

function signalStep(signal: ChainSignal): Step {
  return step("signal", `Signal of ${signal.strategy}`, signal.timestamp, {
    summary: `${words(signal.action)}, strength ${decimal(signal.strength, 2)}, valid until ${clockTime(signal.valid_until)}.`,
    facts: [
      ["Price", price(signal.price)],
      ["Stop", price(signal.stop)],
      ["Target", price(signal.target)],
    ],
    notes: signal.reason.map((reason) => `${reasonText(reason)}.`),
  });
}

/** Say in words what an order follows from. */
export function causeText({ kind, instrument, reference, time, is_exit, has_failed, text }: Cause): string {
  const said: Readonly<Record<string, string>> = {
    candle: `Decided when the ${minuteTime(time)} candle of ${shortSymbol(instrument)} had closed`,
    signal: "Decided on the signal above",
    fill: `Decided on fill ${reference}`,
    timer: `Decided when the timer “${reference}” was due at ${clockTime(time)}`,
    start: `Decided when its strategy was started at ${clockTime(time)}`,
    stop: `Decided when its strategy was stopped at ${clockTime(time)}`,
    "square-off": `Squared off before the close, due at ${clockTime(time)}`,
    "kill-switch": `Squared off before the kill switch came on, asked for at ${clockTime(time)}`,
    command: `Asked for by command ${reference}`,
  };
  const exit = is_exit ? ", to bring its position back" : "";
  return `${said[kind] ?? `Decided on ${text}`}${exit}${has_failed ? ", because its strategy failed" : ""}.`;
}

function linkSteps(link: Link, first: Explanation | null, asked: string): Step[] {
  const { order, cause, strategy } = link;
  const id = order.client_order_id;
  const other = id === asked ? {} : { order: id };
  const kind = strategy === null || strategy.kind === order.strategy ? "" : ` (${strategy.kind})`;
  const command = first?.command ?? null;
  const result = first?.result ?? null;
  const notes = command === null ? [] : [`${words(command.kind)} by ${command.by}.`];
  if (result !== null && !result.is_done) notes.push(`Refused: ${result.reason}.`);
  const failed = order.risk.checks.filter((check) => !check.is_passed);
  const asks = `${words(order.side)} ${quantity(order.quantity)} ${shortSymbol(order.symbol)}`;
  const waits = order.price === null ? "" : ` at ${price(order.price)}`;
  const steps = [
    step(
      "cause",
      order.strategy === "manual" ? "By hand" : `Strategy ${order.strategy}${kind}`,
      order.decided_at,
      {
        key: `cause-${id}`,
        summary: causeText(cause),
        notes,
      },
    ),
    step("risk", "Risk gate", order.decided_at, {
      key: `risk-${id}`,
      summary:
        failed.length === 0
          ? `All ${order.risk.checks.length} checks passed.`
          : `Refused by ${failed.length} of ${order.risk.checks.length} checks.`,
      tone: failed.length === 0 ? "plain" : "bad",
      checks: failed.length === 0 ? [] : failed,
    }),
    step("order", `Order: ${asks}`, order.decided_at, {
      key: `order-${id}`,
      summary: `${order.order_type}${waits}, ${order.product}, ${order.validity}. Now ${words(order.state).toLowerCase()}.`,
      notes: order.reason === null || order.reason === "" ? [] : [order.reason],
      tone: order.state === "rejected" ? "bad" : "plain",
      ...other,
    }),
  ];
  if (link.fills.length > 0) steps.push(fillsStep(link, id));
  return steps;
}

function fillsStep({ fills }: Link, id: string): Step {
  const charges = fills
    .flatMap((fill) => Object.values(fill.charges))
    .reduce((sum, each) => sum + Number(each), 0);
  return step("fills", fills.length === 1 ? "Fill" : "Fills", fills.at(-1)?.at ?? null, {
    key: `fills-${id}`,
    summary: fills.map((fill) => `${quantity(fill.quantity)} at ${price(fill.price)}`).join(", ") + ".",
    facts: [
      ["Value", rupees(fills.reduce((sum, fill) => sum + fill.quantity * Number(fill.price), 0))],
      ["Charges", rupees(charges)],
    ],
  });
}
