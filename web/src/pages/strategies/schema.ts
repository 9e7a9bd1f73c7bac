/** Turns a JSON schema of parameters into fields of a form, and what was typed into parameters. Pure. */

import { numberOf, words } from "../../format";

export type FieldKind = "number" | "integer" | "boolean" | "choice" | "time" | "text" | "list";
export type Value = number | string | boolean | readonly string[] | null;

export interface Field {
  name: string;
  label: string;
  meaning: string;
  kind: FieldKind;
  first: Value;
  isRequired: boolean;
  /** An empty field is null, and that means something. */
  mayBeNull: boolean;
  choices: readonly string[];
  least: number | null;
  most: number | null;
  isLeastOut: boolean;
  isMostOut: boolean;
}

export type Values = Readonly<Record<string, Value>>;

interface Schema {
  type?: string;
  $ref?: string;
  $defs?: Record<string, Schema>;
  anyOf?: Schema[];
  allOf?: Schema[];
  enum?: unknown[];
  format?: string;
  title?: string;
  description?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
}

/** Follow references and unions with null, and lay what stands beside them over what they name. */
function resolved(part: Schema, whole: Schema): { schema: Schema; mayBeNull: boolean } {
  const { $ref, anyOf, allOf, ...own } = part;
  if ($ref !== undefined) {
    const found = resolved(whole.$defs?.[$ref.split("/").at(-1) ?? ""] ?? {}, whole);
    return { schema: { ...found.schema, ...own }, mayBeNull: found.mayBeNull };
  }
  if (anyOf !== undefined || allOf !== undefined) {
    const options = anyOf ?? allOf ?? [];
    const one = options.find(({ type }) => type !== "null") ?? {};
    const found = resolved(one, whole);
    const mayBeNull = found.mayBeNull || options.some(({ type }) => type === "null");
    return { schema: { ...found.schema, ...own }, mayBeNull };
  }
  return { schema: part, mayBeNull: part.type === "null" };
}

function kindOf(schema: Schema): FieldKind {
  if (schema.enum !== undefined) return "choice";
  if (schema.type === "integer" || schema.type === "number" || schema.type === "boolean") return schema.type;
  if (schema.type === "array") return "list";
  return schema.format === "time" ? "time" : "text";
}

function firstOf(value: unknown, kind: FieldKind): Value {
  if (Array.isArray(value)) return value.map(String);
  if (typeof value === "string") return kind === "time" ? value.slice(0, 5) : value;
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (kind === "list") return [];
  return kind === "boolean" ? false : null;
}

/** Return the fields of a schema in its order. */
export function fieldsOf(parameters: Readonly<Record<string, unknown>>): Field[] {
  const whole = parameters as Schema;
  return Object.entries(whole.properties ?? {}).map(([name, part]) => {
    const { schema, mayBeNull } = resolved(part, whole);
    const kind = kindOf(schema);
    return {
      name,
      label: words(name),
      meaning: schema.description ?? "",
      kind,
      first: firstOf(schema.default, kind),
      isRequired: whole.required?.includes(name) ?? false,
      mayBeNull,
      choices: (schema.enum ?? []).map(String),
      least: schema.minimum ?? schema.exclusiveMinimum ?? null,
      most: schema.maximum ?? schema.exclusiveMaximum ?? null,
      isLeastOut: schema.minimum === undefined && schema.exclusiveMinimum !== undefined,
      isMostOut: schema.maximum === undefined && schema.exclusiveMaximum !== undefined,
    };
  });
}

/** Return what a form begins with; `given` are parameters of before. */
export function firstValues(fields: readonly Field[], given: Readonly<Record<string, unknown>> = {}): Values {
  return Object.fromEntries(
    fields.map((field) => [
      field.name,
      field.name in given ? firstOf(given[field.name], field.kind) : field.first,
    ]),
  );
}

function numberProblem(field: Field, value: number): string | null {
  const { least, most, isLeastOut, isMostOut } = field;
  if (field.kind === "integer" && !Number.isInteger(value)) return "A whole number";
  if (least !== null && (isLeastOut ? value <= least : value < least))
    return isLeastOut ? `Above ${least}` : `${least} or more`;
  if (most !== null && (isMostOut ? value >= most : value > most))
    return isMostOut ? `Below ${most}` : `${most} or less`;
  return null;
}

/** Return what is wrong with a value, or null. */
export function problemOf(field: Field, value: Value): string | null {
  const isEmpty = value === null || value === "";
  if (isEmpty) {
    if (field.mayBeNull || (field.kind === "text" && !field.isRequired)) return null;
    return `Give ${field.label.toLowerCase()}`;
  }
  if (field.kind === "number" || field.kind === "integer") {
    const number = typeof value === "number" || typeof value === "string" ? numberOf(value) : null;
    return number === null ? "A number" : numberProblem(field, number);
  }
  if (field.kind === "choice" && !field.choices.includes(String(value)))
    return `One of ${field.choices.join(", ")}`;
  if (field.kind === "time" && !/^([01]\d|2[0-3]):[0-5]\d$/.test(String(value))) return "As HH:MM";
  return null;
}

function parameterOf(field: Field, value: Value): unknown {
  if (value === null || value === "") return field.mayBeNull ? null : field.kind === "text" ? "" : undefined;
  if (field.kind === "number" || field.kind === "integer") return Number(value);
  if (field.kind === "time") return `${String(value)}:00`;
  return value;
}

/** Return the parameters to send: those that are not what the server takes by itself. */
export function parametersOf(fields: readonly Field[], values: Values): Record<string, unknown> {
  const said: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.name] ?? null;
    if (!field.isRequired && JSON.stringify(value) === JSON.stringify(field.first)) continue;
    const parameter = parameterOf(field, value);
    if (parameter !== undefined) said[field.name] = parameter;
  }
  return said;
}

/** Write a parameter as people read it. */
export function parameterText(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(String).join(", ");
  if (typeof value === "number")
    return new Intl.NumberFormat("en-IN", { maximumFractionDigits: 4 }).format(value);
  if (typeof value === "string") return /^\d\d:\d\d:00$/.test(value) ? value.slice(0, 5) : value;
  return JSON.stringify(value);
}

/** A name that is not taken yet: `ema-cross`, `ema-cross-2`, … */
export function freeName(kind: string, taken: readonly string[]): string {
  if (!taken.includes(kind)) return kind;
  for (let number = 2; ; number++) if (!taken.includes(`${kind}-${number}`)) return `${kind}-${number}`;
}

export const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
