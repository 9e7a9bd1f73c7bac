"""Where things stand in a rule's file, and what is wrong there, in words; not what rules mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import ValidationError

from niftyflow.model import Misconfigured

Place = tuple[int | str, ...]
"""Field, and number in its list."""


def lines_of(text: str, where: str) -> dict[Place, int]:
    """Return the line, from 1, of each field and list item of a YAML mapping.

    Raises:
        YAMLError: it is no YAML.
        Misconfigured: a field stands there twice.
    """
    lines: dict[Place, int] = {}
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return lines
    for key, value in root.value:
        place: Place = (str(key.value),)
        if place in lines:
            line = key.start_mark.line + 1
            raise Misconfigured(f"{where}:{line}: {key.value} stands there twice: once at line {lines[place]}")
        lines[place] = key.start_mark.line + 1
        if isinstance(value, yaml.SequenceNode):
            lines |= {(*place, at): item.start_mark.line + 1 for at, item in enumerate(value.value)}
    return lines


def problems(
    error: ValidationError, where: str, rule: object, lines: Mapping[Place, int], fields: Sequence[str]
) -> str:
    """Turn pydantic's report into a line that names, for each problem, where it stands and what to do."""
    found = []
    for detail in error.errors():
        place = tuple(str(part) if not at else part for at, part in enumerate(detail["loc"]))
        line = next((lines[place[:size]] for size in range(len(place), 0, -1) if place[:size] in lines), None)
        spot = where if line is None else f"{where}:{line}"
        named = f"rule {rule}" if isinstance(rule, str) else "its rule has no name"
        found.append(f"{spot}: {named}: {_said(detail, place, fields)}")
    return "; ".join(found)


def _said(detail: Any, place: Place, fields: Sequence[str]) -> str:
    field = place[0] if place else ""
    name = f"{field} condition {int(place[1]) + 1}" if len(place) > 1 else str(field)
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] in {"extra_forbidden", "invalid_key"}:
        near = get_close_matches(name, fields, n=1)
        return f"there is no field {name}: {f'did you mean {near[0]}?' if near else 'remove it'}"
    if detail["type"] == "missing":
        return f"{name} is missing"
    if not name:
        return str(message)
    return f"{name} is {detail['input']!r}: {message[:1].lower()}{message[1:]}"
