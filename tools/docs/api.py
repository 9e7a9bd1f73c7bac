"""The page of the HTTP API: routes by tag with scope, parameters, answers and errors, from the OpenAPI document."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

from tools.docs.markdown import page, table

SCHEMAS = "#/components/schemas/"
ENVELOPE, FAILURE = "Envelope_", ("Failure", "Fault")
LONGEST_EXAMPLE = 110
TEXT = """\
`niftyflow demo` and `niftyflow up` serve it at `http://127.0.0.1:8000`. The same, to try out, is at `/docs` there, and
as OpenAPI at `/openapi.json`. [Use the API](../how-to/use-the-api.md) tells how to ask, [sockets](sockets.md) what is
told without asking.

An answer is `{"status": "success", "data": …}`; below, *answers* names what `data` holds. An error is
`{"status": "error", "error": {"code", "message", "details", "request_id"}}`: `code` is for programs and is kept,
`message` is for people.

A key goes into `X-API-KEY` or `Authorization: Bearer`; a browser has a cookie instead. Each route needs one scope, and
no scope includes another. Symbols are `NSE:RELIANCE`, or `RELIANCE` for one of the NSE. Times are ms UTC, prices
numbers of rupees, amounts of orders and accounts text with four decimals. What is not known is null."""
JSON_KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false",
              "object": "object", "null": "null"}  # fmt: skip
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}",
          "minLength": "{} characters or more", "maxLength": "{} characters at most", "minItems": "{} or more",
          "maxItems": "{} at most", "pattern": "`{}`"}  # fmt: skip


def api_page() -> str:
    """Return every route of the gateway."""
    document = importlib.import_module("tools.openapi").document()
    codes = importlib.import_module("niftyflow.gateway.envelope").CODES
    everywhere = importlib.import_module("niftyflow.gateway.schemas_common").EVERYWHERE
    errors = [(f"`{code}`", str(status), meaning) for code, (status, meaning) in codes.items()]
    any_route = ", ".join(f"`{code}`" for code in everywhere)
    parts = [
        "## Errors",
        table(("code", "status", "meaning"), errors),
        f"Any route may answer with {any_route}; below, *errors* names the others of a route.",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            sections = by_tag.setdefault(operation["tags"][-1], [])
            sections += route(f"{method.upper()} {path}", operation, document["components"]["schemas"], set(everywhere))
    for tag, sections in by_tag.items():
        parts += [f"## {tag.capitalize()}", *sections]
    parts += ["## What answers and bodies hold", *schemas(document["components"]["schemas"])]
    return page("API", TEXT, *parts)


def route(name: str, operation: dict[str, Any], known: dict[str, Any], everywhere: set[str]) -> Iterator[str]:
    """Yield the section of one route."""
    yield f"### {name}"
    text = " ".join(operation.get("description", "").split())
    yield f"**{operation['summary']}.** {text}".rstrip()
    scope = operation.get("x-scope")
    facts = [f"Scope: `{scope}`." if scope else "No key needed."]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        facts.append(f"Body: {kind_of(body['schema'])}.")
    facts += [f"Answers {status}: {text}." for status, text in _answers(operation, known)]
    special = sorted(_codes(operation) - everywhere)
    if special:
        facts.append(f"Errors: {', '.join(f'`{code}`' for code in special)}.")
    yield " ".join(facts)
    rows = [_parameter(one) for one in operation.get("parameters", ())]
    if rows:
        yield table(("parameter", "in", "type", "default", "limits", "meaning"), rows)


def schemas(known: dict[str, Any]) -> Iterator[str]:
    """Yield the fields of each object that answers and bodies are made of."""
    for name in sorted(known):
        if name.startswith(ENVELOPE) or name in FAILURE:
            continue
        schema = known[name]
        yield f"### {name}"
        text = " ".join(schema.get("description", "").split())
        if text:
            yield text
        if "enum" in schema:
            yield f"One of {_values(schema['enum'])}."
        required = set(schema.get("required", ()))
        rows = [
            (f"`{field}`", kind_of(one), _default(one, is_required=field in required), limits_of(one), _meaning(one))
            for field, one in schema.get("properties", {}).items()
        ]
        if rows:
            yield table(("field", "type", "default", "limits", "meaning"), rows)


def kind_of(schema: dict[str, Any]) -> str:
    """Return in plain words what a schema allows; an object of its own as a link to its table."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(SCHEMAS)
        return f"[{name}](#{name.lower()})"
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(kind_of(one) for one in choices))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"one of {_values(values)}" if len(values) > 1 else _values(values)
    kind = schema.get("type", "")
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict) and values:
        return f"object of {kind_of(values)}"
    return f"list of {kind_of(schema.get('items', {}))}" if kind == "array" else JSON_KINDS.get(kind, "anything")


def limits_of(schema: dict[str, Any]) -> str:
    """Return what a value must keep to."""
    found = [schema, *schema.get("anyOf", ()), schema.get("items", {})]
    limits = [(name, one[name]) for one in found for name in BOUNDS if name in one]
    return ", ".join(
        dict.fromkeys(
            "not empty" if limit == ("minLength", 1) else BOUNDS[limit[0]].format(limit[1]) for limit in limits
        )
    )


def _answers(operation: dict[str, Any], known: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            continue
        means = answer["description"][:1].lower() + answer["description"][1:]
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        kind = _data_of(schema.get("$ref", ""), known)
        yield status, ", ".join(text for text in (kind, means) if text and (text != "done" or not kind))


def _data_of(reference: str, known: dict[str, Any]) -> str:
    """Return what an envelope holds."""
    name = reference.removeprefix(SCHEMAS)
    if not name.startswith(ENVELOPE):
        return ""
    schema = known[name]["properties"]["data"]
    return "" if schema.get("type") == "null" else kind_of(schema)


def _codes(operation: dict[str, Any]) -> set[str]:
    contents = [answer.get("content", {}).get("application/json", {}) for answer in operation["responses"].values()]
    return {
        code for content in contents for code, example in content.get("examples", {}).items()
        if example.get("value", {}).get("status") == "error"
    }  # fmt: skip


def _parameter(one: dict[str, Any]) -> tuple[str, ...]:
    schema = one.get("schema", {})
    return (
        f"`{one['name']}`", one["in"], kind_of(schema).removesuffix(" or null"),
        _default(schema, is_required=one.get("required", False)), limits_of(schema),
        one.get("description") or _meaning(schema),
    )  # fmt: skip


def _default(schema: dict[str, Any], *, is_required: bool) -> str:
    if "default" in schema and schema["default"] is not None:
        return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"
    return "required" if is_required else ""


def _meaning(schema: dict[str, Any]) -> str:
    text = str(schema.get("description", ""))
    examples = schema.get("examples") or ()
    example = json.dumps(examples[0], ensure_ascii=False) if examples else ""
    return f"{text} (`{example}`)".strip() if 0 < len(example) <= LONGEST_EXAMPLE else text


def _values(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)
