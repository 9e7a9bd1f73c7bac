"""Reference pages say what the code says."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.main import get_command

from niftyflow.bus.topics import TOPICS
from niftyflow.kit import metrics
from niftyflow.runtime.settings import AppSettings
from niftyflow.storage import book_schema
from niftyflow.storage.schema import metadata
from tools import docs


@pytest.fixture
def app() -> typer.Typer:
    """A program of two commands, one of them in a group."""
    program = typer.Typer()
    group = typer.Typer()
    program.add_typer(group, name="dlq")

    @program.command()
    def candles(
        symbol: Annotated[str, typer.Argument(help="EXCHANGE:SYMBOL")],
        as_json: Annotated[bool, typer.Option("--json", help="one object | a line")] = False,  # noqa: FBT002
    ) -> None:
        """Print stored candles."""

    @group.command("list")
    def list_letters(topic: Annotated[str, typer.Argument()] = "raw-ticks") -> None:
        """List dead letters."""

    return program


def test_every_command_has_its_section(app: typer.Typer) -> None:
    """Commands of groups too; usage, help and parameters as the program declares them."""
    found = docs.commands(get_command(app), ("niftyflow",))
    text = "\n".join(section for command, path in found for section in docs.command_section(command, path))
    assert "## niftyflow candles\n\n```\nniftyflow candles [OPTIONS] SYMBOL\n```\n\nPrint stored candles." in text
    assert "| `SYMBOL` | EXCHANGE:SYMBOL |" in text
    assert "| `--json` | one object \\| a line |" in text
    assert "## niftyflow dlq list\n\n```\nniftyflow dlq list [TOPIC]\n```\n\nList dead letters." in text


def test_every_metric_is_on_its_page() -> None:
    """A counter is named as Prometheus shows it."""
    text = docs.metrics_page()
    assert "| `ticks_total` | counter | `vendor`, `outcome` |" in text
    assert text.count("\n| `") == sum(isinstance(one, docs.MetricWrapperBase) for one in vars(metrics).values())


def test_every_topic_and_its_dead_letters_are_on_the_page() -> None:
    """With what they carry and how long it is kept."""
    text = docs.topics_page()
    assert "| `raw-ticks` | Tick | 50 | 24 h, 10 GiB |" in text
    assert all(f"| `{topic.name}` |" in text and f"| `dlq.{topic.name}` |" in text for topic in TOPICS)


def test_every_table_is_on_its_page() -> None:
    """Keys are marked."""
    text = docs.tables_page()
    assert all(f"## `{table.name}`\n" in text for table in metadata.sorted_tables)
    assert "| `instrument` | VARCHAR | key |" in text
    text = docs.book_tables_page()
    assert all(f"## `{table.name}`\n" in text for table in book_schema.metadata.sorted_tables)
    assert "| `client_order_id` | VARCHAR | key |" in text


def test_every_setting_is_on_its_page_and_says_what_it_means() -> None:
    """A setting without a description cannot be used by anyone who did not write it."""
    text = docs.settings_page()
    groups = [group for path, group in docs.settings_groups(AppSettings, ()) if path]
    fields = {f"{group.__name__}.{name}": field for group in groups for name, field in group.model_fields.items()}
    assert [name for name, field in fields.items() if not field.description] == []
    plain = [name for name, field in fields.items() if not docs._is_group(field)]
    assert all(f"\n| `{name.rpartition('.')[2]}` | `" in text for name in plain)
    assert "## `[feed]`\n" in text
    assert "`NIFTYFLOW_FEED__BROKER`" in text
