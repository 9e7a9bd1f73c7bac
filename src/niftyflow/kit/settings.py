"""Base of every settings group: unknown names are refused, values are frozen, errors become one readable line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from niftyflow.model import Misconfigured


class Settings(BaseModel):
    """A group of settings; each field has a description, and its unit in its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def readable(error: ValidationError, where: str) -> Misconfigured:
    """Turn pydantic's report into one line that names the setting and what to do."""
    problems = []
    for detail in error.errors():
        name = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            problems.append(f"unknown setting {name}: remove it or correct its name")
        elif detail["type"] == "model_type":
            problems.append(f"{name} is a group of settings, not a value")
        elif _is_secret(name):
            problems.append(f"setting {name}: {detail['msg'].lower()}")
        else:
            problems.append(f"setting {name} is {detail.get('input')!r}: {detail['msg'].lower()}")
    return Misconfigured(f"{where}: " + "; ".join(problems))


def _is_secret(name: str) -> bool:
    return name.endswith(("key", "token", "secret", "password", "database.url", "hot.url"))
