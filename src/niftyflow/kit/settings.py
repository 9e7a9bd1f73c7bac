"""Base of every settings group: unknown names are refused, values are frozen, errors become one readable line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from niftyflow.model import Misconfigured


class Settings(BaseModel):
    """A group of settings; each field has a description, and its unit in its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def readable(error: ValidationError, where: str, *, shows_values: bool = True) -> Misconfigured:
    """Turn pydantic's report into one line that names the setting and what to do; values only where they may be."""
    problems = []
    for detail in error.errors():
        name = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            problems.append(f"unknown setting {name}: remove it or correct its name")
        elif detail["type"] == "model_type":
            problems.append(f"{name} is a group of settings, not a value")
        elif detail["type"] == "missing":  # its input is all that stands beside it, secrets too
            problems.append(f"setting {name} is missing: set it")
        elif not shows_values or _is_secret(name):
            problems.append(f"setting {name}: {detail['msg'].lower()}")
        else:
            problems.append(f"setting {name} is {detail.get('input')!r}: {detail['msg'].lower()}")
    return Misconfigured(f"{where}: " + "; ".join(problems))


def _is_secret(name: str) -> bool:
    if name == "brokers" or (name.startswith("brokers.") and "options" in name.split(".")):
        return True  # whatever is there may be a secret of a broker's
    return name.endswith(("key", "token", "secret", "password", "database.url", "hot.url"))
