"""`niftyflow broker`: which brokers there are, and whether an adapter does what every adapter must.

It runs cases and shows cards. What a case is, and when a card has passed, `niftyflow.brokers.conformance` says.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console

import niftyflow
from niftyflow.brokers.conformance.cards import Card, GroundName, Outcome, is_experimental, read_card, write_card
from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, clock, nothing, show
from niftyflow.kit.clock import WallClock
from niftyflow.kit.log import configure
from niftyflow.model import Misconfigured

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from niftyflow.brokers.capabilities import Capabilities, RateLimit
    from niftyflow.brokers.conformance.testkit import Ground, Kit
    from niftyflow.runtime.workspace import Workspace

broker = typer.Typer(no_args_is_help=True, help="Brokers: which there are, and whether an adapter conforms.")

CASES_OF_A_REASON = 4
_CARD_WIDTH = 150
_SECONDS = {1: "a second", 60: "a minute", 86_400: "a day"}


class Chosen(NamedTuple):
    """What `verify` was asked."""

    entry: EntryPoint
    grounds: list[GroundName]
    cases: list[str]
    recordings: Path | None
    account: str | None


@broker.command("list")
def list_brokers(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of brokers.")] = False,
) -> None:
    """List the brokers there are, what each can do, and whether live trading there is still experimental."""
    from niftyflow.runtime.broker_accounts import adapter_of  # noqa: PLC0415 - heavy

    workspace = state_of(context).workspace
    entries = _entries()
    if not entries:
        raise nothing("no package has registered a broker")
    able = {name: adapter_of(name).capabilities for name in entries}
    live = {name: read_card(workspace.cards, name, GroundName.LIVE) for name in entries}
    if as_json:
        told = [
            {"name": name, "adapter": entry.value, "is_experimental": is_experimental(live[name], adapter=entry.value),
             "capabilities": able[name]}
            for name, entry in entries.items()
        ]  # fmt: skip
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    facts = {name: _facts(able[name], entry, live[name]) for name, entry in entries.items()}
    names = list(next(iter(facts.values())))
    rows = [Row((fact, *(facts[name][fact] for name in entries))) for fact in names]
    columns = (Column("can"), *(Column(name) for name in entries))
    show("brokers", Layout(columns, 0, ()), rows)


@broker.command("verify")
def verify(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The broker, as `niftyflow broker list` has it.", metavar="BROKER")],
    *,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder of recorded answers of the broker.", metavar="FOLDER")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            help="Account among `brokers` in the settings, logged in today, that is read live. No order is sent."
        ),
    ] = None,
    ground: Annotated[list[GroundName] | None, typer.Option(help="Only this ground; give it again for more.")] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Only this case; give it again for more. No card is kept then.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with the cards.")] = False,
) -> None:
    """Run the cases that every adapter must pass, and keep what came of them as cards; 1 when any failed."""
    entries = _entries()
    if name not in entries:
        raise Misconfigured(f"there is no broker {name!r}: there are {', '.join(entries) or 'none'}")
    configure(json=False, level="error")
    cards: list[Card] = []
    chosen = Chosen(entries[name], list(ground or GroundName), case or [], recordings, account)
    run(_verify(state_of(context).workspace, chosen, cards, is_quiet=as_json))
    live = read_card(state_of(context).workspace.cards, name, GroundName.LIVE)
    still = is_experimental(live, adapter=entries[name].value)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"cards": cards, "is_experimental": still}).decode() + "\n")
    else:
        _print(name, cards)
        typer.echo(_standing(name, live, is_still=still))
        if not chosen.cases:
            typer.echo(f"cards of what was run are kept in {state_of(context).workspace.cards}")
    if any(card.count(Outcome.FAILED) for card in cards):
        raise typer.Exit(1)


def _entries() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - heavy

    from niftyflow.runtime.broker_accounts import GROUP  # noqa: PLC0415 - heavy

    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name)}


async def _verify(workspace: Workspace, chosen: Chosen, cards: list[Card], *, is_quiet: bool) -> None:
    from niftyflow.brokers.conformance.testkit import CASES, kit_beside, run_cases  # noqa: PLC0415 - heavy

    cases = [case for case in CASES if not chosen.cases or case.name in chosen.cases]
    unknown = set(chosen.cases) - {case.name for case in cases}
    if unknown:
        raise Misconfigured(f"there is no case {', '.join(sorted(unknown))}: {', '.join(case.name for case in CASES)}")
    kit = kit_beside(chosen.entry.module)
    with Console(stderr=True, quiet=is_quiet or not sys.stderr.isatty()).status("") as status:
        for name in chosen.grounds:
            done = [0]

            def hear(_: object, name: GroundName = name, done: list[int] = done) -> None:
                done[0] += 1
                status.update(f"{name}: {done[0]} of {len(cases)} cases")

            async with AsyncExitStack() as stack:
                ground = await _ground(workspace, chosen, name, kit, stack)
                results = await run_cases(cases, ground, hear)
            card = Card(
                broker=chosen.entry.name, ground=name, adapter=chosen.entry.value, version=niftyflow.__version__,
                at=WallClock().now(), results=results, account=chosen.account or "" if name is GroundName.LIVE else "",
            )  # fmt: skip
            cards.append(card)
            if not chosen.cases:
                _keep(workspace, card)


async def _ground(
    workspace: Workspace, chosen: Chosen, name: GroundName, kit: Kit, stack: AsyncExitStack
) -> Ground:  # fmt: skip
    """Return a ground, or one that says why it is not there."""
    from niftyflow.brokers.conformance.testkit import Absent  # noqa: PLC0415 - heavy

    if name is GroundName.LIVE:
        if chosen.account is None:
            return Absent(name, "no account is given: --account NAME, which is only read")
        return await _live(workspace, chosen.entry.name, chosen.account, stack)
    if name is GroundName.SIMULATOR:
        return Absent(name, "nothing simulates this broker") if kit.simulator is None else kit.simulator()
    if kit.recorded is None:
        return Absent(name, "the adapter's package reads no recordings of its broker")
    if chosen.recordings is None:
        return Absent(name, "no recordings are given: --recordings FOLDER")
    return kit.recorded(chosen.recordings)


async def _live(workspace: Workspace, broker_name: str, account: str, stack: AsyncExitStack) -> Ground:
    """Return a real account that is logged in, open until the stack is left.

    Raises:
        Misconfigured: there is no such account, or it is at another broker.
    """
    from niftyflow.brokers.conformance.testkit import Absent, LiveGround  # noqa: PLC0415 - heavy
    from niftyflow.runtime.broker_accounts import account_of, broker_account  # noqa: PLC0415 - heavy

    settings, now = settings_of(workspace, {}, quiet=True), WallClock()
    chosen = account_of(settings, account)
    if chosen.settings.broker != broker_name:
        raise Misconfigured(f"the account {account} is at {chosen.settings.broker}, not at {broker_name}")
    if chosen.is_simulated:
        return Absent(GroundName.LIVE, f"the account {account} is at a simulator, which proves nothing of a live one")
    session = await chosen.session(now)
    if session is None or not session.outlives(now.now()):
        return Absent(GroundName.LIVE, f"nobody is logged in to {account} today: {chosen.advice}")
    return LiveGround(await stack.enter_async_context(broker_account(settings, account, now)), now)


def _keep(workspace: Workspace, card: Card) -> None:
    folder = workspace.create().cards
    try:
        write_card(folder, card)
    except OSError as error:
        raise Misconfigured(f"the card cannot be written to {folder} ({error.strerror}): make it writable") from error


def _print(name: str, cards: Sequence[Card]) -> None:
    columns = (Column("case"), Column("what it shows"), *(Column(card.ground) for card in cards))
    stacks = ((0, 1), *((place,) for place in range(2, len(columns))))
    rows = []
    for results in zip(*(card.results for card in cards), strict=True):
        cells = ["FAILED" if each.outcome is Outcome.FAILED else each.outcome for each in results]
        rows.append(Row((results[0].case, results[0].shows, *cells), "red" if "FAILED" in cells else None))
    show(f"{name}: what every adapter must do", Layout(columns, _CARD_WIDTH, stacks), rows)
    out = Console(highlight=False, markup=False, soft_wrap=True)
    for card in cards:
        counts = ", ".join(f"{card.count(outcome)} {outcome}" for outcome in Outcome)
        out.print(f"{card.ground:<9}  {counts}")
        for line in _reasons(card):
            out.print(f"  {line}")


def _reasons(card: Card) -> list[str]:
    """Return why cases did not pass, and what was not there for those that did: a line a reason."""
    by_reason: dict[tuple[Outcome, str], list[str]] = {}
    for result in card.results:
        if result.reason:
            by_reason.setdefault((result.outcome, result.reason), []).append(result.case)
    lines = []
    for (outcome, reason), cases in by_reason.items():
        more = f" and {len(cases) - CASES_OF_A_REASON} more" if len(cases) > CASES_OF_A_REASON else ""
        lines.append(f"{outcome}: {', '.join(cases[:CASES_OF_A_REASON])}{more}: {reason}")
    return lines


def _standing(name: str, live: Card | None, *, is_still: bool) -> str:
    if live is None:
        return f"live trading through {name} is experimental: there is no live card"
    day = f"{clock(live.at)} IST"
    if is_still:
        return f"live trading through {name} is experimental: the live card of {day} has not passed"
    return f"live trading through {name} is not experimental: the live card of {day} has passed"


def _facts(able: Capabilities, entry: EntryPoint, live: Card | None) -> dict[str, str]:
    """Return what a broker can do, a line a fact."""
    offers = {"GTT": able.has_gtt, "conversions": able.has_convert, "margins": able.has_margins,
              "charges": able.has_charges}  # fmt: skip
    minutes = able.token_dies_at_minute
    return {
        "adapter": entry.value,
        "order types": ", ".join(able.order_types),
        "products": ", ".join(able.products),
        "validities": ", ".join(able.validities),
        "varieties": ", ".join(able.varieties),
        "offers": ", ".join(name for name, has in offers.items() if has) or "nothing more",
        "our order id": f"{able.tag_characters} characters" if able.tag_characters else "not carried",
        "market orders": "with protection only" if able.needs_market_protection else "as they are",
        "calls": "\n".join(map(_limit, able.rate_limits)),
        "history": ", ".join(f"{interval} {days} days" for interval, days in able.history_days.items()),
        "feed": f"{able.feed_instruments:,} instruments on each of {able.feed_connections} sockets",
        "token dies": f"{minutes // 60:02}:{minutes % 60:02} IST",
        "live trading": "experimental" if is_experimental(live, adapter=entry.value) else "a live card has passed",
    }


def _limit(limit: RateLimit) -> str:
    return f"{limit.kind}: {limit.count:,} {_SECONDS.get(round(limit.seconds), f'in {limit.seconds:g} s')}"
