"""`niftyflow dlq`: list, show, replay, drop, as an operator types them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.model import DeadLetter
from support.command_line import Niftyflow, niftyflow
from support.records import a_tick

__all__ = ["niftyflow"]


def letters() -> tuple[DeadLetter, ...]:
    """Return three letters; the last cannot be sent again, and its reason looks like a terminal's markup."""
    record = msgspec.json.encode(a_tick()).decode()
    rows = [(record, "late"), (record, "ahead"), ('{"ltp":null}', "ltp is nan [/bold] [x]")]
    return tuple(
        DeadLetter(topic="raw-ticks", partition=0, offset=number, key="NSE:RELIANCE", record=text, error=error,
                   stage="processing", at=1_705_560_000_000)
        for number, (text, error) in enumerate(rows)
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with three letters."""

    async def fill() -> None:
        bus = EmbeddedBus(tmp_path / "log")
        await bus.open()
        await bus.publish("dlq.raw-ticks", [letters()])
        await bus.close()

    asyncio.run(fill())
    return tmp_path


def numbers(niftyflow: Niftyflow, workspace: Path) -> list[int]:
    """Return the numbers that wait."""
    ran = niftyflow("--workspace", workspace, "dlq", "list", "--json")
    return [json.loads(line)["number"] for line in ran.out.splitlines()]


def test_the_list_is_a_table_or_json_lines(niftyflow: Niftyflow, workspace):
    """Newest last; at most as many as asked; text of a record is never markup."""
    ran = niftyflow("--workspace", workspace, "dlq", "list")
    assert ran.code == 0
    assert "3 of 3 dead letters" in ran.out
    assert "[/bold]" in ran.out
    ran = niftyflow("--workspace", workspace, "dlq", "list", "--json", "--most", "2")
    assert [json.loads(line)["error"] for line in ran.out.splitlines()] == ["ahead", "ltp is nan [/bold] [x]"]
    assert niftyflow("--workspace", workspace, "dlq", "list", "--most", "0").code == 2


def test_one_is_shown_whole(niftyflow: Niftyflow, workspace):
    """As JSON; a number that does not wait is refused."""
    ran = niftyflow("--workspace", workspace, "dlq", "show", "2")
    assert (ran.code, json.loads(ran.out)["record"]) == (0, '{"ltp":null}')
    ran = niftyflow("--workspace", workspace, "dlq", "show", "17")
    assert (ran.code, ran.out) == (2, "")
    assert "no dead letter 17 waits" in ran.said


def test_some_are_sent_again_and_the_rest_dropped(niftyflow: Niftyflow, workspace):
    """Then none waits, which has a code of its own."""
    ran = niftyflow("--workspace", workspace, "dlq", "replay", "0", "1")
    assert (ran.code, ran.out) == (0, "2 sent again\n")
    assert numbers(niftyflow, workspace) == [2]
    ran = niftyflow("--workspace", workspace, "dlq", "drop", "--all")
    assert (ran.code, ran.out) == (0, "1 dropped\n")
    ran = niftyflow("--workspace", workspace, "dlq", "list")
    assert (ran.code, ran.out, ran.said) == (3, "", "no dead letter waits\n")


def test_letters_of_another_topic_are_listed_and_dropped_by_its_name(niftyflow: Niftyflow, workspace):
    """Each topic has numbers of its own."""

    async def fill() -> None:
        bus = EmbeddedBus(workspace / "log")
        await bus.open()
        await bus.publish("dlq.signals", [(msgspec.structs.replace(letters()[0], topic="signals", at=1),)])
        await bus.close()

    asyncio.run(fill())
    ran = niftyflow("--workspace", workspace, "dlq", "list", "--json")
    assert [json.loads(line)["topic"] for line in ran.out.splitlines()] == ["signals", *["raw-ticks"] * 3]
    ran = niftyflow("--workspace", workspace, "dlq", "drop", "0", "--topic", "signals")
    assert (ran.code, ran.out) == (0, "1 dropped\n")
    assert numbers(niftyflow, workspace) == [0, 1, 2]
    assert niftyflow("--workspace", workspace, "dlq", "list", "--topic", "signals").code == 2
    ran = niftyflow("--workspace", workspace, "dlq", "show", "0", "--topic", "nowhere")
    assert (ran.code, ran.out) == (2, "")
    assert "nowhere" in ran.said


def test_what_cannot_be_sent_again_keeps_all_back(niftyflow: Niftyflow, workspace):
    """2; nothing is sent and all still wait."""
    ran = niftyflow("--workspace", workspace, "dlq", "replay", "--all")
    assert ran.code == 2
    assert "dead letter 2 cannot be sent again" in ran.said
    assert numbers(niftyflow, workspace) == [0, 1, 2]


@pytest.mark.parametrize("action", ["replay", "drop"])
@pytest.mark.parametrize("arguments", [(), ("1", "--all")])
def test_neither_none_nor_all_is_guessed(niftyflow: Niftyflow, workspace, action, arguments):
    """Numbers, or --all, not both."""
    ran = niftyflow("--workspace", workspace, "dlq", action, *arguments)
    assert ran.code == 2
    assert "--all" in ran.said
    assert numbers(niftyflow, workspace) == [0, 1, 2]
