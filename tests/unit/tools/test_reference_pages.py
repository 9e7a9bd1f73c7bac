"""Reference pages say what the code says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.main import get_command

from niftyflow.bus.topics import TOPICS
from niftyflow.gateway.envelope import CODES
from niftyflow.kit import metrics
from niftyflow.runtime.graph import GRAPH
from niftyflow.runtime.settings import AppSettings, FeedSettings
from niftyflow.runtime.settings_told import ACCOUNTS, account_settings, all_settings
from niftyflow.storage import book_schema
from niftyflow.storage.schema import metadata
from niftyflow.trading.settings import TradingSettings
from tools.docs import api, drawing, inventory, settings
from tools.docs.__main__ import DOCS, PAGES, main, stale
from tools.docs.commands import command_section, commands
from tools.docs.markdown import table
from tools.openapi import document
from tools.openapi import main as write_openapi


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
    found = commands(get_command(app), ("niftyflow",))
    text = "\n".join(section for command, path in found for section in command_section(command, path))
    assert "## niftyflow candles\n\n```\nniftyflow candles [OPTIONS] SYMBOL\n```\n\nPrint stored candles." in text
    assert "| `SYMBOL` | EXCHANGE:SYMBOL |" in text
    assert "| `--json` | one object \\| a line |" in text
    assert "## niftyflow dlq list\n\n```\nniftyflow dlq list [TOPIC]\n```\n\nList dead letters." in text


def test_every_metric_is_on_its_page() -> None:
    """A counter is named as Prometheus shows it."""
    text = inventory.metrics_page()
    assert "| `ticks_total` | counter | `vendor`, `outcome` |" in text
    assert text.count("\n| `") == sum(isinstance(one, inventory.MetricWrapperBase) for one in vars(metrics).values())


def test_every_topic_and_its_dead_letters_are_on_the_page() -> None:
    """With what they carry and how long it is kept."""
    text = inventory.topics_page()
    assert "| `raw-ticks` | Tick | 50 | 24 h, 10 GiB |" in text
    assert all(f"| `{topic.name}` |" in text and f"| `dlq.{topic.name}` |" in text for topic in TOPICS)


def test_every_table_is_on_its_page() -> None:
    """Keys are marked."""
    text = inventory.tables_page()
    assert all(f"## `{table.name}`\n" in text for table in metadata.sorted_tables)
    assert "| `instrument` | VARCHAR | key |" in text
    text = inventory.book_tables_page()
    assert all(f"## `{table.name}`\n" in text for table in book_schema.metadata.sorted_tables)
    assert "| `client_order_id` | VARCHAR | key |" in text


def test_every_setting_is_on_its_page_and_says_what_it_means() -> None:
    """A setting without a description cannot be used by anyone who did not write it."""
    text = settings.settings_page()
    groups = [(path, group) for path, group in settings.settings_groups(AppSettings, ()) if path]
    fields = {(*path, name): field for path, group in groups for name, field in group.model_fields.items()}
    assert [name for name, field in fields.items() if not field.description] == []
    told = all_settings()
    accounts = told.pop(ACCOUNTS)
    assert not accounts.is_secret
    assert "## `[brokers.NAME]`\n" in text
    assert all(f"\n| `{field_name(name)}` | " in text for name in account_settings())
    assert set(told) == {".".join(path) for path, field in fields.items() if not settings.is_group(field)}
    for name, one in told.items():
        field = fields[tuple(name.split("."))]
        assert f"\n| `{field_name(name)}` | " in text
        assert one.description in text
        assert (f"`{one.variable}`" in text) == settings.is_settable(name, field)


def field_name(name: str) -> str:
    """Return the last word of a setting's path."""
    return name.rpartition(".")[2]


def test_a_setting_that_no_variable_can_set_has_none_on_the_page() -> None:
    """A list of tables stands in the file; what is told of a variable must be so."""
    text = settings.settings_page()
    assert settings.is_settable("feed.symbols", FeedSettings.model_fields["symbols"])
    assert "`NIFTYFLOW_FEED__SYMBOLS`" in text
    assert not settings.is_settable("trading.strategies", TradingSettings.model_fields["strategies"])
    assert "NIFTYFLOW_TRADING__STRATEGIES" not in text
    assert "## `[[trading.strategies]]`\n" in text
    assert "\n| `kind` | text | required |" in text
    assert '\n| `on_error` | text | `"square_off"` | one of hold, square_off |' in text


def test_every_route_is_on_the_page_of_the_api() -> None:
    """With its scope, its errors, and tables that its links lead to."""
    text, paths = api.api_page(), document()["paths"]
    names = [f"{method.upper()} {path}" for path, operations in paths.items() for method in operations]
    assert len(names) > 10
    assert [name for name in names if f"\n### {name}\n" not in text] == []
    assert [code for code in CODES if f"| `{code}` |" not in text] == []
    linked = set(re.findall(r"\]\(#([a-z0-9-]+)\)", text))
    assert linked - {heading.lower() for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)} == set()


def test_a_route_says_what_it_needs_and_what_may_go_wrong() -> None:
    """Errors that every route has are not told again."""
    sections = "\n".join(
        api.route(
            "PUT /demo",
            {
                "summary": "Play on", "description": "Change\nthe speed.", "x-scope": "trade",
                "parameters": [{"name": "speed", "in": "query", "required": True,
                                "schema": {"type": "number", "minimum": 0.1, "examples": [10]}}],
                "responses": {
                    "200": {"description": "Done"},
                    "404": {"content": {"application/json": {"examples": {
                        "not_found": {"value": {"status": "error"}}, "timeout": {"value": {"status": "error"}}}}}},
                },
            },
            {}, {"timeout"},
        )
    )  # fmt: skip
    assert "### PUT /demo\n**Play on.** Change the speed.\n" in sections
    assert "Scope: `trade`. Answers 200: done. Errors: `not_found`.\n" in sections
    assert "| `speed` | query | number | required | ≥ 0.1 | (`10`) |" in sections


def test_the_document_of_the_api_is_whole_and_written_as_asked(tmp_path: Path) -> None:
    """Names of operations are unique, as functions of the web client are made of them."""
    file = tmp_path / "openapi.json"
    assert write_openapi([str(file)]) == 0
    written = json.loads(file.read_text())
    assert written == document()
    operations = [one for operations in written["paths"].values() for one in operations.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert [one["operationId"] for one in operations if not one.get("summary") or not one["tags"]] == []


def test_the_pictures_show_the_whole_graph() -> None:
    """Every layer, topic, store and call; a topic and a layer of one name are two things."""
    topics, calls, stores = drawing.topics(GRAPH), drawing.calls(GRAPH), drawing.stores(GRAPH)
    for node in GRAPH:
        for topic in node.writes:
            assert topic.startswith("dlq.") or f"layer_{node.name} --> topic_{topic.replace('-', '_')}\n" in topics
        for reading in node.reads:
            arrow = "-->" if reading.group else "-.->"
            assert f"topic_{reading.topic.replace('-', '_')} {arrow} layer_{node.name}\n" in topics
        for store in node.stores:
            assert f"[({store} store)]" in stores
        for question in node.asks:
            assert question in calls
        assert f"| `{node.name}` | {node.title} |" in drawing.layers(GRAPH)
    assert "layer_signals --> topic_signals\n" in topics


def test_a_page_without_a_place_for_a_picture_is_refused() -> None:
    """A marker lost in an edit must not leave an old picture standing."""
    page = (DOCS / drawing.PAGE).read_text()
    with pytest.raises(ValueError, match="no place for calls"):
        drawing.redrawn(page.replace("<!-- end of calls -->", ""))


def test_a_column_that_says_nothing_is_left_out() -> None:
    """A table of parameters without limits has no column for them."""
    assert table(("a", "b", "c"), [("1", "", "x | y")]) == "| a | c |\n| --- | --- |\n| 1 | x \\| y |"


def test_the_generated_pages_are_current() -> None:
    """Whoever changes a command, setting, metric, route or layer runs `make docs`."""
    assert stale() == []


def test_a_stale_page_is_named_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` changes nothing; without it the page is current afterwards."""
    copy = tmp_path / "docs"
    shutil.copytree(DOCS, copy)
    monkeypatch.setattr("tools.docs.__main__.DOCS", copy)
    for name, render in PAGES.items():
        (copy / name).write_text(render())
    (copy / "reference" / "metrics.md").write_text("old")
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == "not current, run make docs: reference/metrics.md\n"
    assert (copy / "reference" / "metrics.md").read_text() == "old"
    assert main([]) == 0
    assert main(["--check"]) == 0
