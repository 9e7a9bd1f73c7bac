// Writes src/api/schema.d.ts from the gateway's OpenAPI document: node generate_api.js DOCUMENT TYPES, as
// `python -m tools.web api` does. Examples and the answers of errors are left out: every error has one shape, which
// src/api/errors.ts names.
import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import openapiTS, { astToString } from "openapi-typescript";

const document = JSON.parse(readFileSync(argv[2], "utf8"));
const UNUSED = new Set(["/health/live", "/health/ready", "/metrics"]);

const only = (object, isKept) => Object.fromEntries(Object.entries(object).filter(isKept));

function bare(value) {
  if (Array.isArray(value)) return value.map(bare);
  if (value === null || typeof value !== "object") return value;
  const kept = only(
    value,
    ([name, inner]) => !(/^examples?$/.test(name) || (name === "title" && typeof inner === "string")),
  );
  return Object.fromEntries(Object.entries(kept).map(([name, inner]) => [name, bare(inner)]));
}

document.paths = only(document.paths, ([path]) => !UNUSED.has(path));
for (const operations of Object.values(document.paths)) {
  for (const operation of Object.values(operations)) {
    operation.responses = only(operation.responses, ([status]) => status.startsWith("2"));
  }
}

const types = astToString(
  await openapiTS(
    { ...bare(document), info: document.info },
    { alphabetize: true, defaultNonNullable: false },
  ),
);
const head =
  "// Generated from the gateway's OpenAPI document by `python -m tools.web api`. Do not edit.\n\n";
writeFileSync(argv[3], head + types);
