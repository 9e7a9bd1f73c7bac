"""The documentation is true where a machine can tell: code runs, messages parse, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

from niftyflow.gateway.board import CANDLE_RING
from niftyflow.gateway.channels import RING_EVENTS, SNAPSHOT_EVENTS
from niftyflow.gateway.sockets import MARKET, MOST_FORMING, MOST_SYMBOLS, ORDERS, POSITIONS, Request
from niftyflow.model import (
    Candle,
    Command,
    CommandResult,
    DeadLetter,
    FillEvent,
    MarketView,
    OrderEvent,
    PositionEvent,
    Prediction,
    Scorecard,
    Signal,
    Tick,
    Watermark,
)
from tools.docs.commands import commands

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
TRIED_ON_A_SERVER = {"simulator"}
"""Pages whose Python needs one: tests/integration/brokers/test_sim_guide.py runs it."""
PARTS = ["Context", "Decision", "Consequences", "Alternatives", "Kept by"]


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language on a page."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "python") and page.stem not in TRIED_ON_A_SERVER],
    ids=lambda page: page.stem,
)
def test_python_on_a_page_runs(page: Path) -> None:
    """The blocks of a page are one program: it runs to its end, and its own assertions hold."""
    code = "\n".join(blocks(page, "python"))
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(f"{code}\nran_to_its_end = True\n", str(page), "exec"), names)
    assert names["ran_to_its_end"]


def test_the_messages_of_the_contracts_are_real_ones() -> None:
    """Each example is read by its own record, and written back letter for letter."""
    found = blocks(ROOT / "docs" / "reference" / "contracts.md", "json")
    lines = [line for text in found for line in text.splitlines()]
    kinds = (
        Tick, Watermark, Candle, Scorecard, Prediction, MarketView, Signal, Command, CommandResult, OrderEvent,
        FillEvent, PositionEvent, DeadLetter,
    )  # fmt: skip
    for line, kind in zip(lines, kinds, strict=True):
        assert msgspec.json.encode(msgspec.json.decode(line, type=kind)).decode() == line


def anchors(page: Path) -> set[str]:
    """Return the names under which the headings of a page can be linked to."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and a heading in it."""
    found = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page.read_text())
    links = [link.partition("#") for link in map("".join, found) if "://" not in link]
    targets = [((page.parent / name) if name else page, heading) for name, _, heading in links]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [f"{target}#{heading}" for target, heading in targets if heading and heading not in anchors(target)] == []


def test_every_page_can_be_found_from_the_index() -> None:
    """A page nobody links to is a page nobody reads."""
    reached: set[Path] = set()
    ahead = [ROOT / "docs" / "index.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached and page.exists():
            reached.add(page)
            links = re.findall(r"\]\(([^)#\s:]+\.md)", page.read_text())
            ahead += [(page.parent / link).resolve() for link in links]
    assert {str(page.relative_to(ROOT)) for page in PAGES if page.is_relative_to(ROOT / "docs")} <= {
        str(page.relative_to(ROOT)) for page in reached
    }


def test_commands_on_the_pages_exist() -> None:
    """`niftyflow something` on any page is a command of the program."""
    from niftyflow.cli.app import app  # noqa: PLC0415 - the rest of the pages can be checked without it

    known = {" ".join(path) for _, path in commands(get_command(app), ("niftyflow",))}
    lines = [line.strip() for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    lines = [re.sub(r"^niftyflow --workspace \S+", "niftyflow", line) for line in lines]
    used = [shlex.split(line, comments=True) for line in lines if line.startswith("niftyflow ")]
    assert len(used) > 10
    unknown = [
        words for words in used if not ({" ".join(words[:2]), " ".join(words[:3])} & known or words[1][0] == "-")
    ]
    assert unknown == []


def test_the_page_of_exit_codes_is_the_program_s() -> None:
    """Scripts rely on these numbers."""
    from niftyflow.cli.app import Exit  # noqa: PLC0415 - the rest of the pages can be checked without it

    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([a-z ]+)", page, re.MULTILINE)
    assert [int(code) for code, _ in rows] == [code.value for code in Exit]
    assert [text.split()[0] for _, text in rows] == [code.name.lower().split("_")[0] for code in Exit]


def test_the_page_of_sockets_is_the_gateway_s() -> None:
    """Channels, frames and limits are those of the program; what a client says is read by the gateway's own type."""
    text = (ROOT / "docs" / "reference" / "sockets.md").read_text()
    rows = dict(re.findall(r"^\| `(/ws/[^`]+)` \| (.+) \|$", text, re.MULTILINE))
    for path, names in (
        ("/ws/market", MARKET),
        ("/ws/orders/{account}", ORDERS),
        ("/ws/positions/{account}", POSITIONS),
    ):
        assert rows[path].replace("`", "").split(", ") == list(names)
    assert all(f"\n| `{name}` | " in text for name in {*MARKET, *ORDERS, *POSITIONS})
    frames = [
        line for block in blocks(ROOT / "docs" / "reference" / "sockets.md", "json") for line in block.splitlines()
    ]
    said = [msgspec.json.decode(line, type=Request) for line in frames if '"op"' in line]
    assert {request.op for request in said} == {"auth", "subscribe", "unsubscribe", "resume", "ping"}
    told = [msgspec.json.decode(line) for line in frames if '"op"' not in line]
    assert {frame["type"] for frame in told} == {"snapshot", "delta", "gap", "error", "pong"}
    assert f"{MOST_FORMING} at most; other channels take {MOST_SYMBOLS:,}" in text
    kept = (
        f"newest {RING_EVENTS:,} are kept (of candles {CANDLE_RING:,}), and a snapshot has the newest {SNAPSHOT_EVENTS}"
    )
    assert kept in " ".join(text.split())


@pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.stem)
def test_a_decision_is_short_and_whole(record: Path) -> None:
    """Five parts in order, at most forty lines."""
    text = record.read_text()
    assert re.findall(r"^\*\*([A-Z][a-z ]+)\.\*\*", text, re.MULTILINE) == PARTS
    assert text.count("\n") <= 40
    assert re.match(rf"# {int(record.stem[:4])}\. \S", text)
