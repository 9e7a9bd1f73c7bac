"""Pages that list what there is: metrics, topics, tables, indicators."""

from __future__ import annotations

import importlib
from typing import Any, get_args

from prometheus_client.metrics import MetricWrapperBase

from tools.docs.markdown import page, table


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
    text = (
        "Updated per batch, never per tick. A name once published is kept. A running gateway shows them at "
        "`/metrics`, with a key of scope `read`, beside those of the Python process. A histogram is three series: "
        "`_bucket` with the label `le`, `_sum` and `_count`."
    )
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
