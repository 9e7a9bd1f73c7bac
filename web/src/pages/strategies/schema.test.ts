import { expect, test } from "vitest";

import {
  type Field,
  fieldsOf,
  firstValues,
  freeName,
  parametersOf,
  parameterText,
  problemOf,
} from "./schema";

/** As the gateway gives them: pydantic's schema of ema-cross, shortened, and one list. */
const SCHEMA = {
  $defs: { Product: { enum: ["MIS", "CNC", "NRML"], title: "Product", type: "string" } },
  properties: {
    value_rupees: { default: 50000, description: "Value of a position", exclusiveMinimum: 0, type: "number" },
    product: { $ref: "#/$defs/Product", default: "MIS", description: "How positions are held" },
    allow_short: { default: true, type: "boolean" },
    exit_minutes_before_close: { anyOf: [{ minimum: 1, type: "integer" }, { type: "null" }], default: 20 },
    fast: { default: 9, maximum: 500, minimum: 1, type: "integer" },
    trade_from: { default: "09:20:00", format: "time", type: "string" },
    rules: { default: [], items: { type: "string" }, type: "array" },
  },
  type: "object",
};

const FIELDS = fieldsOf(SCHEMA);
const field = (name: string): Field => {
  const found = FIELDS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found;
};

test("every parameter becomes a field of its kind, in order", () => {
  expect(FIELDS.map(({ name, kind }) => [name, kind])).toEqual([
    ["value_rupees", "number"], ["product", "choice"], ["allow_short", "boolean"],
    ["exit_minutes_before_close", "integer"], ["fast", "integer"], ["trade_from", "time"], ["rules", "list"],
  ]); // prettier-ignore
  expect(field("product")).toMatchObject({
    choices: ["MIS", "CNC", "NRML"],
    meaning: "How positions are held",
  });
  expect(field("exit_minutes_before_close")).toMatchObject({ mayBeNull: true, least: 1, first: 20 });
});

test("a form begins with the defaults, or with the parameters of before", () => {
  expect(firstValues(FIELDS)).toMatchObject({ value_rupees: 50000, trade_from: "09:20", rules: [] });
  expect(firstValues(FIELDS, { fast: 12, exit_minutes_before_close: null })).toMatchObject({
    fast: 12, exit_minutes_before_close: null,
  }); // prettier-ignore
});

test("bounds are kept, with those that are themselves left out", () => {
  expect(problemOf(field("value_rupees"), 0)).toBe("Above 0");
  expect(problemOf(field("fast"), 501)).toBe("500 or less");
  expect(problemOf(field("fast"), 2.5)).toBe("A whole number");
  expect(problemOf(field("fast"), null)).toBe("Give fast");
  expect(problemOf(field("exit_minutes_before_close"), null)).toBeNull();
  expect(problemOf(field("trade_from"), "25:00")).toBe("As HH:MM");
  expect(problemOf(field("product"), "XYZ")).toBe("One of MIS, CNC, NRML");
});

test("only what differs from the default is sent, as the schema wants it", () => {
  expect(parametersOf(FIELDS, firstValues(FIELDS))).toEqual({});
  const values = {
    ...firstValues(FIELDS), fast: "12", exit_minutes_before_close: null, trade_from: "10:00", rules: ["composite-v1"],
    allow_short: false,
  }; // prettier-ignore
  expect(parametersOf(FIELDS, values)).toEqual({
    fast: 12, exit_minutes_before_close: null, trade_from: "10:00:00", rules: ["composite-v1"], allow_short: false,
  }); // prettier-ignore
});

test("a schema without properties has no fields", () => {
  expect(fieldsOf({ type: "object" })).toEqual([]);
});

test("parameters are read as people write them", () => {
  expect([true, null, 50000, "09:20:00", ["a", "b"], []].map(parameterText)).toEqual([
    "yes", "none", "50,000", "09:20", "a, b", "none",
  ]); // prettier-ignore
});

test("a new strategy gets a name that nobody has", () => {
  expect(freeName("ema-cross", [])).toBe("ema-cross");
  expect(freeName("ema-cross", ["ema-cross", "ema-cross-2"])).toBe("ema-cross-3");
});
