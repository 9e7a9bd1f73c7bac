import { expect, test } from "vitest";

import { causeText, type Explanation, stepsOf } from "./why";

type Link = Explanation["links"][number];
type Ground = NonNullable<Explanation["ground"]>;

const CAUSE: Link["cause"] = {
  text: "signal-follower/signal/1f46", kind: "signal", instrument: "", reference: "1f46", time: 0, is_exit: false,
  has_failed: false,
}; // prettier-ignore

function link(id: string, part: Partial<Link> = {}, isPassed = true): Link {
  const check = { name: "order_rate", is_passed: isPassed, value: "9 in a second", limit: "8" };
  const order = {
    client_order_id: id, symbol: "BAJAJ-AUTO", side: "SELL", quantity: 5, order_type: "MARKET", product: "MIS",
    validity: "DAY", price: null, trigger: null, strategy: "signal-follower", decided_at: 1795148400000,
    state: isPassed ? "filled" : "rejected", reason: null, risk: { verdict: isPassed ? "pass" : "reject", checks: [check] },
  } as unknown as Link["order"]; // prettier-ignore
  return { order, events: [], fills: [], cause: CAUSE, strategy: { kind: "signal-follower" }, ...part };
}

const FILL = {
  fill_id: "f1", quantity: 5, price: "8901.5000", at: 1795148401000, charges: { brokerage: "13.3500", stt: "11.1300" },
} as unknown as Link["fills"][number]; // prettier-ignore

const GROUND: Ground = {
  instrument: "NSE:BAJAJ-AUTO", is_cause: true, corrections: [], market_view: null,
  candle: {
    time: "2026-11-20T04:19:00Z", open: 8896.1, high: 8905.65, low: 8896.1, close: 8901.75, volume: 589, trades: 51,
    vwap: 8900.04, provenance: "synthetic", incomplete: false,
  },
  scorecard: {
    timestamp: "2026-11-20T04:20:00Z", trend_score: -5, momentum_score: -4.58, composite_score: -4.79, rsi: 38.4,
    atr: 11.5, vwap: 8931.7, recommendation: "STRONG_SELL", parts: { ema_9_21: -1 },
  },
  prediction: {
    timestamp: "2026-11-20T04:20:00Z", prediction: 0.35, confidence: 0.3, model_version: "v1", outcome: "answered",
  },
  made_of: {
    trades: [{ price: 8896.1, traded_at: 1795148340000 }, { price: 8901.75, traded_at: 1795148398000 }],
    ticks: 60, late: 0, is_flat: false, agrees: true, verdict: "agrees",
  },
  missing: { market_view: "the topic holds no view of that minute any more" },
}; // prettier-ignore

const SIGNAL: Explanation["signal"] = {
  id: "1f46", strategy: "composite-v1", timestamp: "2026-11-20T04:20:00Z", valid_until: "2026-11-20T04:23:00Z",
  action: "SELL", strength: 0.958, price: 8901.75, stop: 8919.02, target: 8867.21,
  reason: [{ rule: "composite_score <= -3.5", value: -4.79 }],
}; // prettier-ignore

const WHY: Explanation = {
  links: [link("nf1", { fills: [FILL] })], signal: SIGNAL, command: null, result: null, ground: GROUND, missing: {},
}; // prettier-ignore

test("the chain runs from the ticks to the fills", () => {
  expect(stepsOf(WHY).map(({ kind }) => kind)).toEqual([
    "ticks", "candle", "scorecard", "prediction", "view", "signal", "cause", "risk", "order", "fills",
  ]); // prettier-ignore
});

test("each step says what was known, at its moment", () => {
  const of = new Map(stepsOf(WHY).map((step) => [step.kind, step]));
  expect(of.get("ticks")?.summary).toBe(
    "2 trades in 60 ticks made the candle. Folded again, they give the candle exactly.",
  );
  expect(of.get("candle")?.at).toBe(Date.parse("2026-11-20T04:20:00Z"));
  expect(of.get("candle")?.facts).toContainEqual(["Close", "8,901.75"]);
  expect(of.get("scorecard")?.notes).toEqual(["Parts: EMA 9 21 −1.00."]);
  expect(of.get("prediction")?.summary).toBe("The model said rather down.");
  expect(of.get("signal")?.notes).toEqual(["Composite score −4.79, at most −3.5."]);
  expect(of.get("fills")?.facts).toEqual([["Value", "₹44,507.50"], ["Charges", "₹24.48"]]); // prettier-ignore
});

test("what is missing is a step that says why, never left out", () => {
  const view = stepsOf(WHY).find(({ kind }) => kind === "view");
  expect(view?.tone).toBe("unknown");
  expect(view?.summary).toContain("holds no view of that minute");
  const bare = stepsOf({ ...WHY, ground: null, missing: { candle: "none is stored" } });
  expect(bare[0]).toMatchObject({ title: "Candle", tone: "unknown", summary: "Not known: none is stored." });
});

test("a refused order shows the checks that failed and has no fills", () => {
  const steps = stepsOf({ ...WHY, links: [link("nf1", {}, false)] });
  const risk = steps.find(({ kind }) => kind === "risk");
  expect(risk?.tone).toBe("bad");
  expect(risk?.checks?.map(({ name }) => name)).toEqual(["order_rate"]);
  expect(steps.at(-1)?.kind).toBe("order");
});

test("an order that follows from another's fill comes after it, and the other can be opened", () => {
  const cause = { ...CAUSE, kind: "fill", reference: "f1" };
  const steps = stepsOf({ ...WHY, links: [link("nf2", { cause }), link("nf1", { fills: [FILL] })] });
  const orders = steps.filter(({ kind }) => kind === "order");
  expect(orders.map(({ order }) => order)).toEqual(["nf1", undefined]);
  expect(new Set(steps.map(({ key }) => key)).size).toBe(steps.length);
});

test("trades that do not give the candle are told as a fault", () => {
  const made_of = { ...GROUND.made_of, agrees: false, verdict: "volume 589, trades give 580" };
  const ticks = stepsOf({ ...WHY, ground: { ...GROUND, made_of } })[0];
  expect(ticks?.tone).toBe("bad");
  expect(ticks?.summary).toContain("volume 589, trades give 580");
});

test("causes are told in words, an unknown one as it is", () => {
  expect(
    causeText({ ...CAUSE, kind: "timer", reference: "exit NSE:TRENT", time: 1795166700000, is_exit: true }),
  ).toBe("Decided when the timer “exit NSE:TRENT” was due at 14:55:00, to bring its position back.");
  expect(causeText({ ...CAUSE, kind: "other", text: "moon" })).toBe("Decided on moon.");
});
