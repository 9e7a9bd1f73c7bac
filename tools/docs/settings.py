"""The page of settings: name, type, default, limits, environment variable and meaning of each.

The words are those of `niftyflow config explain`; here they stand together, a group a table.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tools.docs.markdown import page, table

HEAD = ("setting", "type", "default", "limits", "environment variable", "meaning")
LONGEST_DEFAULT = 60
NOWHERE = Path("there", "is", "no", "such", "file")


def settings_page() -> str:
    """Return every group of settings with its fields."""
    settings = importlib.import_module("niftyflow.runtime.settings").AppSettings
    told = importlib.import_module("niftyflow.runtime.settings_told").all_settings()
    parts = []
    for path, group in settings_groups(settings, ()):
        names = {".".join((*path, name)): field for name, field in group.model_fields.items() if not is_group(field)}
        if names and path:
            rows = [_row(told[name], has_variable=is_settable(name, field)) for name, field in names.items()]
            parts += [f"## `[{'.'.join(path)}]`", inspect.cleandoc(group.__doc__ or ""), table(HEAD, rows)]
        parts += [part for name, field in names.items() for part in (*members(name, field), *accounts(name))]
    text = (
        "They stand in a TOML file, `niftyflow.toml` in the workspace. An environment variable wins over the file; "
        "there a list is written with commas. An unknown setting is refused: a misspelt one must not pass for the "
        "default. `niftyflow config` makes, shows and checks the file ([how](../how-to/set-it-up.md))."
    )
    return page("Settings", text, *parts)


def members(name: str, field: FieldInfo) -> Iterator[str]:
    """Yield the section of a list of tables: what each of them holds."""
    describe = importlib.import_module("niftyflow.runtime.settings_told")._setting  # noqa: SLF001 - the same words
    for model in get_args(field.annotation):
        if _is_model(model) and get_origin(field.annotation) is not dict:
            rows = [_row(describe(each, inner), has_variable=False) for each, inner in model.model_fields.items()]
            yield f"## `[[{name}]]`"
            yield f"{inspect.cleandoc(model.__doc__ or '')} In the file alone, once for each."
            yield table(HEAD, rows)


def accounts(name: str) -> Iterator[str]:
    """Yield the section of the accounts at brokers, each a group with a name of the user's."""
    module = importlib.import_module("niftyflow.runtime.settings_told")
    if name != module.ACCOUNTS:
        return
    account = importlib.import_module("niftyflow.runtime.settings").BrokerAccount
    yield f"## `[{name}.NAME]`"
    option = f"`{module.PREFIX}{name.upper()}__NAME__OPTIONS__API_SECRET`"
    yield (
        f"{inspect.cleandoc(account.__doc__ or '')} A variable has NAME in capitals; it sets one option at a time, as "
        f"{option} does ([how](../how-to/connect-zerodha.md))."
    )
    told = module.account_settings()
    yield table(HEAD, [_row(each, has_variable=True) for each in told.values()])


def settings_groups(group: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Yield a group of settings and those inside it, each with the words that lead to it."""
    yield path, group
    for name, field in group.model_fields.items():
        if is_group(field):
            yield from settings_groups(field.annotation, (*path, name))  # type: ignore[arg-type]


def is_group(field: FieldInfo) -> bool:
    """Whether a field is a group of settings."""
    return _is_model(field.annotation)


def is_settable(name: str, field: FieldInfo) -> bool:
    """Whether a line of text can set it, as a variable does; of lists and tables the program itself is asked."""
    if get_origin(field.annotation) not in (list, tuple, dict):
        return True
    module = importlib.import_module("niftyflow.runtime.settings")
    try:
        module.load(NOWHERE, {name: "NSE:RELIANCE,NSE:TCS"})
    except importlib.import_module("niftyflow.model").Misconfigured as error:
        return f"setting {name} is" not in str(error)
    return True


def _row(told: Any, *, has_variable: bool) -> tuple[str, ...]:
    name = told.name.rpartition(".")[2]
    kind = re.sub(r"[A-Z]\w+", "tables" if "list" in told.type else "text", told.type)  # a class of ours
    limits = re.sub(r"of the form (\S+)", r"of the form `\1`", ", ".join(told.limits))
    return f"`{name}`", kind, _default(told.default), limits, f"`{told.variable}`" * has_variable, told.description


def _default(text: str) -> str:
    if text == "required":
        return text
    if len(text) > LONGEST_DEFAULT:
        return "see `niftyflow config explain`"
    return f"`{text}`" if text not in ("", '""') else ""


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
