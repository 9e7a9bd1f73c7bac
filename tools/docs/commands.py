"""The page of the command line: every command with its arguments and options, as Typer knows them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from tools.docs.markdown import page, table

PROGRAM = "niftyflow"


def commands_page() -> str:
    """Return every command of `niftyflow`, and the options before all of them."""
    typer_main = importlib.import_module("typer.main")
    root = typer_main.get_command(importlib.import_module("niftyflow.cli.app").app)
    parts = [section for command, path in commands(root, (PROGRAM,)) for section in command_section(command, path)]
    text = (
        f"`{PROGRAM} [OPTIONS] COMMAND`. What a command returns: [exit codes](exit-codes.md). These options come "
        "before the command:"
    )
    return page("Commands", text, table(("parameter", "meaning"), rows_of(root)), *parts)


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every command that does something, with the words that name it."""
    children = getattr(command, "commands", None)
    if not children:
        yield command, path
        return
    if getattr(command, "invoke_without_command", False) and len(path) > 1:
        yield command, path
    for name in sorted(children):
        if not children[name].hidden:
            yield from commands(children[name], (*path, name))


def command_section(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the heading, the help and the parameters of one command."""
    usage = list(path)
    if any(parameter.param_type_name == "option" for parameter in command.params):
        usage.append("[OPTIONS]")
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            label = parameter.metavar or parameter.name.upper()
            usage.append(label if parameter.required else f"[{label}]")
    text = inspect.cleandoc(command.help or "").strip()
    yield f"## {' '.join(path)}\n\n```\n{' '.join(usage)}\n```\n\n{text}".rstrip()
    rows = rows_of(command)
    if rows:
        yield table(("parameter", "meaning"), rows)


def rows_of(command: Any) -> list[tuple[str, ...]]:
    """Return a row for each argument and option of a command."""
    rows = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            label = parameter.metavar or parameter.name.upper()
        else:
            label = ", ".join(parameter.opts + parameter.secondary_opts)
        meaning = getattr(parameter, "help", None) or ""
        variable = getattr(parameter, "envvar", None)
        rows.append((f"`{label}`", f"{meaning} In the environment: `{variable}`." if variable else meaning))
    return rows
