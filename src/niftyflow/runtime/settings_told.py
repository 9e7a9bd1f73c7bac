"""Settings as people ask about them: every one with its meaning and limits, its value now and where that comes from.

It reads the same tree as `settings.py`, and a secret's value never leaves it.
"""

from __future__ import annotations

import difflib
import inspect
import os
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import tomlkit
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from niftyflow.kit.files import write_whole
from niftyflow.kit.settings import Settings
from niftyflow.model import Misconfigured, Refused
from niftyflow.runtime.settings import OTHERS, PREFIX, AppSettings, BrokerAccount, checked, load

HIDDEN: Final = "(hidden)"
ACCOUNTS: Final = "brokers"
"""The one group of groups: its settings are told as brokers.NAME.…, whatever the accounts are called."""
OPTIONS: Final = "options"
REQUIRED: Final = "required"
SECRET_NAMES: Final = ("api_key", "token", "secret", "password")
LIMITS: Final = {
    "ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}", "min_length": "{} characters or more",
    "max_length": "{} characters or fewer", "pattern": "of the form {}", "decimal_places": "{} decimals or fewer",
}  # fmt: skip


class Setting(msgspec.Struct, frozen=True):
    """One setting; `name` is its path with dots, `limits` what a value must keep to."""

    name: str
    type: str
    default: str
    description: str
    limits: list[str]
    variable: str
    is_secret: bool


class Value(msgspec.Struct, frozen=True):
    """What a setting is now, and where that comes from: `default`, a file, or a variable of the environment."""

    name: str
    value: str
    source: str


def all_settings() -> dict[str, Setting]:
    """Return every setting by name, in the order of the tree."""
    return {name: _setting(name, field) for name, field in _fields(AppSettings, ())}


def account_settings(name: str = "NAME") -> dict[str, Setting]:
    """Return every setting of an account at a broker by its name in the tree."""
    told = {last: _setting(f"{ACCOUNTS}.{name}.{last}", field) for last, field in BrokerAccount.model_fields.items()}
    options = told[OPTIONS]
    told[OPTIONS] = msgspec.structs.replace(options, variable=f"{options.variable}__OPTION")
    return {each.name: each for each in told.values()}


def values(file: Path) -> list[Value]:
    """Return every setting's value, as a process of this workspace would have it.

    Raises:
        Misconfigured: they are not valid.
    """
    settings, told = load(file), all_settings()
    in_file = tomllib.loads(file.read_text()) if file.exists() else {}
    shown: list[Value] = []
    for name, setting in told.items():
        if name == ACCOUNTS and settings.brokers:
            shown += _of_accounts(settings, in_file, file)
            continue
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        shown.append(Value(name, _spelled(value, is_secret=setting.is_secret), _source(name, in_file, file)))
    return shown


def explained(name: str) -> list[Setting]:
    """Return a setting, or those of a group.

    Raises:
        Refused: there is none of that name; the message says which are like it.
    """
    told = all_settings() | account_settings()
    wanted = name.strip().strip("[]").lower()
    if wanted.upper().startswith(PREFIX):
        wanted = wanted[len(PREFIX) :].replace("__", ".")
    if wanted.startswith(f"{ACCOUNTS}."):
        wanted = ".".join([ACCOUNTS, "NAME", *wanted.split(".")[2:3]])
    found = [each for each in told.values() if each.name == wanted or each.name.startswith(f"{wanted}.")]
    if not found:
        ends = [each for each in told if each.rpartition(".")[2] == wanted]
        like = ends or difflib.get_close_matches(wanted, list(told), 3)
        hint = f"did you mean {', '.join(like)}?" if like else "`niftyflow config show` names all"
        raise Refused(f"there is no setting {name}: {hint}")
    return found


def written(chosen: Mapping[str, Any]) -> str:
    """Return the text of a settings file: what was chosen, and every other setting as a comment with its default.

    Raises:
        Misconfigured: what was chosen cannot be.
    """
    lines = [
        "# Settings of this niftyflow. A line that begins with # stands at its default; take the # away to change it.",
        "# The environment wins over this file; `niftyflow config explain NAME` says more of each.",
    ]
    group = ""
    for name, field in _fields(AppSettings, ()):
        if name == ACCOUNTS:
            continue
        of, _, last = name.rpartition(".")
        if of != group:
            group = of
            lines += ["", f"[{of}]"]
        default = _toml(field.get_default(call_default_factory=True))
        lines.append(f"# {field.description}")
        lines.append(f"{last} = {_toml(chosen[name])}" if name in chosen else f"# {last} = {default or '...'}")
    text = "\n".join([*lines, *_written_accounts(chosen)]) + "\n"
    checked(tomlkit.parse(text).unwrap(), "what was chosen")
    return text


def keep(text: str, file: Path) -> None:
    """Write a settings file for its owner alone, whole or not at all.

    Raises:
        Misconfigured: it cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, text.encode())
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written ({error.strerror}): choose another with --workspace") from error


# -- the tree ------------------------------------------------------------------------------------------------------


def _fields(group: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield each setting of a group, then those of the groups inside it."""
    inner = []
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            inner.append((name, kind))
        else:
            yield ".".join((*path, name)), field
    for name, kind in inner:
        yield from _fields(kind, (*path, name))


def _setting(name: str, field: FieldInfo) -> Setting:
    is_secret = SecretStr in (field.annotation, *get_args(field.annotation)) or name.endswith(SECRET_NAMES)
    default = field.get_default(call_default_factory=True)
    return Setting(
        name=name, type=_type(field.annotation),
        default=REQUIRED if field.is_required() else _spelled(default, is_secret=is_secret),
        description=field.description or "",
        limits=list(_limits(field)), variable=_variable(name), is_secret=is_secret,
    )  # fmt: skip


def _limits(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        for name, text in LIMITS.items():
            if (limit := getattr(rule, name, None)) is not None:
                yield text.format(limit)
    if isinstance(field.annotation, type) and issubclass(field.annotation, Enum):
        yield f"one of {', '.join(str(each.value) for each in field.annotation)}"


def _type(kind: Any) -> str:
    if isinstance(kind, type) and not get_args(kind):
        return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path",
                "Decimal": "amount", "SecretStr": "secret"}.get(kind.__name__, kind.__name__)  # fmt: skip
    inner = [_type(each) for each in get_args(kind) if each is not type(None) and each is not Ellipsis]
    origin = getattr(kind, "__origin__", None)
    if origin in (list, tuple, set, frozenset):
        return f"list of {' or '.join(inner)}"
    return "table" if origin is dict else " or ".join(inner) or str(kind)


def _written_accounts(chosen: Mapping[str, Any]) -> Iterator[str]:
    """Yield the accounts at brokers that were chosen, and how one is written."""
    told = account_settings()
    yield ""
    yield f"# {inspect.cleandoc(BrokerAccount.__doc__ or '')}"
    yield f"# [{ACCOUNTS}.NAME]"
    for setting in told.values():
        yield f"# {setting.description}"
        yield f"# {setting.name.rpartition('.')[2]} = ..."
    names = dict.fromkeys(name.split(".")[1] for name in chosen if name.startswith(f"{ACCOUNTS}."))
    for name in names:
        yield ""
        yield f"[{ACCOUNTS}.{name}]"
        for full in account_settings(name):
            if full in chosen:
                yield f"{full.rpartition('.')[2]} = {_toml(chosen[full])}"


def _of_accounts(settings: AppSettings, in_file: Mapping[str, Any], file: Path) -> Iterator[Value]:
    """Yield the settings of each account at a broker; of its options nothing but their names."""
    for name, account in settings.brokers.items():
        for full in account_settings(name):
            last = full.rpartition(".")[2]
            if last != OPTIONS:
                yield Value(full, _spelled(getattr(account, last), is_secret=False), _source(full, in_file, file))
                continue
            for option in account.options:
                yield Value(f"{full}.{option}", HIDDEN, _source(f"{full}.{option}", in_file, file))


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace(".", "__")


def _source(name: str, in_file: Mapping[str, Any], file: Path) -> str:
    variable = _variable(name)
    if variable in os.environ and variable.removeprefix(PREFIX) not in OTHERS:
        return variable
    place: Any = in_file
    for part in name.split("."):
        if not isinstance(place, Mapping) or part not in place:
            return "default"
        place = place[part]
    return str(file)


def _spelled(value: Any, *, is_secret: bool) -> str:
    if is_secret:
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
        return HIDDEN if text else ""
    return _toml(value)


def _toml(value: Any) -> str:
    """Return a value as it stands in a settings file, on one line; nothing for one that has no spelling there."""
    if isinstance(value, BaseModel):
        value = {name: each for name, each in value.model_dump(exclude_defaults=True).items() if each is not None}
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        shown = [f"{tomlkit.key(name).as_string()} = {_toml(each)}" for name, each in value.items()]
        return f"{{ {', '.join(shown)} }}" if shown else "{}"
    if isinstance(value, Decimal) and value == int(value):
        value = int(value)
    if value is None:
        return ""
    return str(tomlkit.item(_plain(value)).as_string())


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, str | int | float | bool) else str(value)
