"""Writes the reference pages that are generated from the code, and checks that the committed ones are current.

Each page is rendered from what the program itself uses (metrics, topics, tables, settings, commands), so it cannot
say anything else than the program does. `make docs` writes them, `make check` compares.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Written by `make docs` from the code: change it there. -->"


def metrics_page() -> str:
    """Return every Prometheus metric with its labels."""
    module = importlib.import_module("niftyflow.kit.metrics")
    rows = []
    for one in vars(module).values():
        if isinstance(one, MetricWrapperBase):
            for family in one.describe():
                name = f"{family.name}_total" if family.type == "counter" else family.name
                labels = ", ".join(f"`{label}`" for label in one._labelnames)  # noqa: SLF001 - there is no public way
                rows.append((f"`{name}`", family.type, labels, family.documentation))
    text = "Updated per batch, never per tick. A name once published is kept."
    return page("Metrics", text, table(("metric", "type", "labels", "what it says"), sorted(rows)))


def topics_page() -> str:
    """Return every topic with what it carries."""
    module = importlib.import_module("niftyflow.bus.topics")
    rows = []
    for name, topic in sorted(module.with_dead_letters(module.TOPICS).items()):
        size = f", {topic.retention_bytes / 2**30:.0f} GiB" if topic.retention_bytes > 0 else ""
        kept = f"{topic.retention_ms / module.HOUR_MS:.0f} h{size}"
        records = ", ".join(one.__name__ for one in get_args(topic.record) or (topic.record,))
        rows.append((f"`{name}`", records, str(topic.partitions), kept))
    text = "The embedded log keeps each topic in one partition; the number of partitions is that of Kafka."
    return page("Topics", text, table(("topic", "records", "partitions", "kept"), rows))


def tables_page() -> str:
    """Return every table of the market database with its columns."""
    text = "Times are ms UTC, prices float8 rupees, exact amounts integers of 1/10,000 rupee."
    return tables("Tables of the market database", text, importlib.import_module("niftyflow.storage.schema").metadata)


def book_tables_page() -> str:
    """Return every table of the book database with its columns."""
    text = "Times are ms UTC, money integers of 1/10,000 rupee; verdicts, parameters, states and bodies are JSON."
    return tables("Tables of the book", text, importlib.import_module("niftyflow.storage.book_schema").metadata)


def tables(title: str, text: str, metadata: Any) -> str:
    """Return the page of a database's tables."""
    parts = []
    for one in metadata.sorted_tables:
        keys = set(one.primary_key.columns.keys())
        rows = [
            (f"`{column.name}`", str(column.type), "key" if column.name in keys else "null" if column.nullable else "")
            for column in one.columns
        ]
        parts.append(f"## `{one.name}`\n\n{table(('column', 'type', ''), rows)}")
    return page(title, text, *parts)


def settings_page() -> str:
    """Return every settings group with its fields, defaults and descriptions."""
    parts = []
    for path, group in settings_groups(importlib.import_module("niftyflow.runtime.settings").AppSettings, ()):
        rows = [
            (f"`{name}`", f"`{_type(field)}`", _default(field), field.description or "")
            for name, field in group.model_fields.items()
            if not _is_group(field)
        ]
        if rows:
            variable = "NIFTYFLOW_" + "".join(f"{part.upper()}__" for part in path) + rows[0][0].strip("`").upper()
            text = f"{inspect.cleandoc(group.__doc__ or '')} In the environment, for example: `{variable}`."
            parts.append(
                f"## `[{'.'.join(path)}]`\n\n{text}\n\n{table(('setting', 'type', 'default', 'meaning'), rows)}"
            )
    text = (
        "A TOML file in the workspace, and environment variables, which win. An unknown setting is refused: a misspelt "
        "one must not pass for the default."
    )
    return page("Settings", text, *parts)


def settings_groups(group: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Yield a group of settings and those inside it, each with the words that lead to it."""
    yield path, group
    for name, field in group.model_fields.items():
        if _is_group(field):
            yield from settings_groups(field.annotation, (*path, name))  # type: ignore[arg-type]


def indicators_page() -> str:
    """Return every indicator with its parameters, warm-up, formula and source."""
    registry = importlib.import_module("niftyflow.kernels.indicators.registry").REGISTRY
    parts = []
    for name, one in registry.items():
        parameters = [
            (f"`{each.name}`", str(each.default), f"{each.minimum} to {each.maximum}", each.meaning)
            for each in one.parameters
        ]
        text = [
            f"{one.formula}",
            f"In: {_names(one.inputs)}. Out: {_names(one.outputs)}.",
            f"Defined after {one.defined_after({})} candles with the defaults; {_warm(one)}",
            f"A series without movement: {one.flat}. Source: {one.source}.",
        ]
        parts.append("\n\n".join([f"## `{name}`: {one.title}", *text]))
        if parameters:
            parts.append(table(("parameter", "default", "range", "meaning"), parameters))
    text = (
        "Each is written once, as a step over arrays of (symbols, time); live, history and restarts give the same "
        "bits. A candle with an unknown value changes nothing and has no answer."
    )
    return page("Indicators", text, *parts)


def _names(fields: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in fields)


def _warm(one: Any) -> str:
    if one.memory == "session":
        return "it begins anew with each session."
    if one.memory == "window":
        return "it remembers its window alone, so it is exact from then on."
    percent, millionth = one.bars_for(0.01, {}), one.bars_for(1e-6, {})
    return f"what is left of its beginning is at most 1 % after {percent}, a millionth after {millionth}."


def commands_page() -> str:
    """Return every command of `niftyflow` with its arguments and options."""
    typer_main = importlib.import_module("typer.main")
    app = importlib.import_module("niftyflow.cli.app").app
    root = typer_main.get_command(app)
    parts = [section for command, path in commands(root, ("niftyflow",)) for section in command_section(command, path)]
    return page("Commands", "See [exit codes](exit-codes.md) for what a command returns.", *parts)


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every command that does something, with the words that name it."""
    children = getattr(command, "commands", None)
    if not children:
        yield command, path
        return
    for name in sorted(children):
        if not children[name].hidden:
            yield from commands(children[name], (*path, name))


def command_section(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the heading, the help and the parameters of one command."""
    usage, rows = list(path), []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            label = parameter.metavar or parameter.name.upper()
            usage.append(label if parameter.required else f"[{label}]")
        else:
            label = ", ".join(parameter.opts + parameter.secondary_opts)
        rows.append((f"`{label}`", getattr(parameter, "help", None) or ""))
    if any(parameter.param_type_name == "option" for parameter in command.params):
        usage.insert(len(path), "[OPTIONS]")
    text = inspect.cleandoc(command.help or "").strip()
    yield f"## {' '.join(path)}\n\n```\n{' '.join(usage)}\n```\n\n{text}".rstrip()
    if rows:
        yield table(("parameter", "meaning"), rows)


def page(title: str, text: str, *parts: str) -> str:
    """Return a page with its title, a sentence and its parts."""
    return "\n\n".join([f"# {title}", MADE, text, *parts]) + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _type(field: FieldInfo) -> str:
    kind = field.annotation
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else re.sub(r"\b[a-z_]+\.", "", str(kind))


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required" if field.default_factory is None else ""
    return f"`{field.default}`" if field.default not in ("", None, []) and str(field.default) else ""


PAGES: dict[str, Callable[[], str]] = {
    "book-tables.md": book_tables_page,
    "commands.md": commands_page,
    "indicators.md": indicators_page,
    "metrics.md": metrics_page,
    "settings.md": settings_page,
    "tables.md": tables_page,
    "topics.md": topics_page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that are not current."""
    parser = argparse.ArgumentParser(prog="tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    stale = []
    for name, render in PAGES.items():
        text, path = render(), REFERENCE / name
        if options.check:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        print(f"not current, run make docs: {', '.join(stale)}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
