"""`niftyflow why`: every order of a played session, back to the trades that made its candle."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from niftyflow.cli.app import app
from niftyflow.model import Order, OrderState, milliseconds
from niftyflow.runtime.explanation import Explanation, explain, sources
from niftyflow.runtime.workspace import Workspace
from support.decided_days import decided_workspace


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with orders of every cause a session brings."""
    return decided_workspace(tmp_path_factory.mktemp("decided"))


@pytest.fixture(scope="module")
def chains(played: Path) -> dict[str, Explanation]:
    """The chain of every order, refused ones too, by its id."""

    async def gather() -> dict[str, Explanation]:
        async with sources(Workspace(played)) as on:
            orders = await on.stores.book.orders()
            found = await explain(on, orders)
            return {order.client_order_id: chain for order, chain in zip(orders, found, strict=True)}

    return asyncio.run(gather())


def why(workspace: Path, *arguments: str) -> Result:
    """Run `niftyflow why`."""
    return CliRunner().invoke(app, ["--workspace", str(workspace), "why", *arguments])


def test_every_order_walks_back_to_trades_that_give_its_candle(chains: dict[str, Explanation]):
    """Whatever it followed from: a candle, a signal, or the fill of another order; nothing on the way is missing."""
    assert len(chains) > 50
    assert [chain.ground.made_of.verdict for chain in chains.values() if not chain.agrees] == []
    assert {reason for chain in chains.values() for reason in (chain.missing | chain.ground.missing).items()} == set()
    assert Counter(chain.links[-1].cause.kind for chain in chains.values()).keys() == {"candle", "signal"}
    assert Counter(len(chain.links) for chain in chains.values()).keys() == {1, 2, 3}


def test_an_order_is_decided_when_the_candle_of_its_chain_has_closed(chains: dict[str, Explanation]):
    """The chain's last order at that minute's end; its trades lie inside the minute and came before."""
    for chain in chains.values():
        decided, ground = chain.links[-1].order.decided_at, chain.ground
        begins = milliseconds(ground.candle.time)
        assert ground.is_cause
        assert begins + 60_000 <= decided < begins + 62_000
        assert all(begins <= trade.traded_at < begins + 60_000 for trade in ground.made_of.trades)
        assert all(trade.received < decided for trade in ground.made_of.trades)
        assert len(ground.made_of.trades) == ground.candle.trades == 4


def test_what_a_signal_saw_is_what_the_chain_shows(chains: dict[str, Explanation]):
    """The scorecard computed again is the one it named, with the very value its condition held for."""
    seen = 0
    for chain in chains.values():
        if chain.signal is None:
            continue
        seen += 1
        ground, saw = chain.ground, chain.signal.saw
        assert saw["scorecard"] == ground.scorecard.id
        assert chain.signal.reason[0].value == ground.scorecard.rsi
        assert saw.get("prediction") in {None, ground.prediction.id}
        assert saw.get("market_view") in {None, ground.market_view.id}
        assert milliseconds(chain.signal.timestamp) == milliseconds(ground.candle.time) + 60_000
    assert seen > 10


def test_a_stop_is_led_back_to_its_entry(chains: dict[str, Explanation]):
    """Its cause is the entry's fill: the entry's own chain follows."""
    chain = next(chain for chain in chains.values() if chain.links[0].order.tag == "stop")
    stop, entry = chain.links[:2]
    assert stop.cause.kind == "fill"
    assert stop.cause.reference in {fill.fill_id for fill in entry.fills}
    assert entry.order.tag == "entry"
    assert stop.order.decided_at >= entry.fills[0].at
    assert [event.state for event in entry.events][-1] is OrderState.FILLED


def test_the_text_tells_the_whole_chain(played: Path, chains: dict[str, Explanation]):
    """From the fill's charges to the journal's offsets; a beginning of the id is enough."""
    key, chain = next(
        (key, chain) for key, chain in chains.items()
        if chain.signal is not None and len(chain.links) == 1 and chain.links[0].fills
    )  # fmt: skip
    ran = why(played, key[:10])
    assert ran.exit_code == 0, ran.stderr
    (link,), ground, fill = chain.links, chain.ground, chain.links[0].fills[0]
    value = next(check.value for check in link.order.risk.checks if check.name == "order_value")
    said = (
        f"order {key} of account paper-1: filled",
        f"{fill.quantity} at {fill.price:,.2f}",
        f"charges {fill.total_charges:,.2f}: brokerage",
        "intended",
        f"passed  order_value    {value}",
        f"strategy signal-follower, cause {link.order.cause}",
        f"signal {chain.signal.id}: rsi-turn says {chain.signal.action}",
        f"held: rsi >= 60 ({ground.scorecard.rsi:,.2f})",
        f"prediction {ground.prediction.id}:",
        f"scorecard {ground.scorecard.id} of",
        f"market view {ground.market_view.id}:",
        f"close {ground.candle.close:,.2f}  volume {ground.candle.volume:,}",
        f"offsets {ground.made_of.trades[0].offset:,} to {ground.made_of.trades[-1].offset:,} of the journal",
        "the trades, folded again, give this candle: agrees",
    )
    places = [ran.stdout.find(each) for each in said]
    assert -1 not in places, said[places.index(-1)]
    assert places == sorted(places)


def test_a_refused_order_names_the_check_that_failed(played: Path, chains: dict[str, Explanation]):
    """And that it has no fill."""
    key = next(key for key, chain in chains.items() if chain.links[0].order.state is OrderState.REJECTED)
    out = why(played, key).stdout
    assert f"order {key} of account paper-1: rejected" in out
    assert "FAILED  " in out
    assert "fills: none" in out


def test_json_is_the_whole_chain_as_one_object(played: Path, chains: dict[str, Explanation]):
    """It decodes to the structure that the function gives."""
    key = next(key for key, chain in chains.items() if len(chain.links) == 3)
    ran = why(played, key, "--json")
    assert msgspec.json.decode(ran.stdout, type=Explanation) == chains[key]
    whole: dict[str, Any] = msgspec.json.decode(ran.stdout)
    assert msgspec.convert(whole["links"][0]["order"], Order).client_order_id == key


def test_of_many_trades_the_first_and_last_are_shown_and_all_with_ticks(played: Path):
    """Told apart by their offsets."""
    from niftyflow.cli.why import _made_of  # noqa: PLC0415 - what it prints of a busy minute
    from niftyflow.runtime.candle_trades import MadeOf, Trade  # noqa: PLC0415

    trades = [
        Trade(offset=place, traded_at=place * 1000, received=place * 1000, sequence=place, price=100.0 + place,
              quantity=1, day_volume=place)
        for place in range(20)
    ]  # fmt: skip
    made = MadeOf(trades=trades, ticks=25, late=1, is_flat=False, refolded=None, agrees=True, verdict="agrees")
    few, every = list(_made_of(made, is_every_tick=False)), list(_made_of(made, is_every_tick=True))
    assert sum("day volume" in line for line in few) == 8
    assert sum("day volume" in line for line in every) == 20
    assert "  … 12 more; --ticks lists them" in few
    assert few[0] == "made of 20 trades in 25 ticks, offsets 0 to 19 of the journal"
    assert "  1 ticks of that minute came after it was told" in few


def test_a_beginning_that_several_orders_share_is_refused(played: Path, chains: dict[str, Explanation], tmp_path: Path):
    """2, naming some; ids are random enough that a test has to make the case."""
    from niftyflow.cli.why import _order  # noqa: PLC0415
    from niftyflow.model import Refused  # noqa: PLC0415

    async def ask() -> None:
        async with sources(Workspace(played)) as on:
            await _order(on, "nf")

    with pytest.raises(Refused, match=f"{len(chains)} orders begin with nf: nf"):
        asyncio.run(ask())


@pytest.mark.parametrize(
    ("command", "kind", "says"),
    [
        (("kill", "on", "--square-off", "--reason", "drill"), "kill-switch", "set_kill_switch by cli:"),
        (("strategy", "stop", "ema-cross", "--square-off"), "command", "stop_strategy by cli:"),
    ],
)
def test_an_exit_that_was_asked_for_is_led_back_to_who_asked(
    played: Path, tmp_path: Path, command: tuple[str, ...], kind: str, says: str
):
    """The command as it was given; the candle is then the last one before, and is said to be no cause."""
    workspace = Path(shutil.copytree(played, tmp_path / "ws"))
    assert CliRunner().invoke(app, ["--workspace", str(workspace), *command]).exit_code == 0
    listed = CliRunner().invoke(app, ["--workspace", str(workspace), "orders", "--json"]).stdout
    exits = [each for each in msgspec.json.decode(listed, type=list[Order]) if each.cause.startswith(f"{kind}/")]
    assert exits
    ran = why(workspace, exits[0].client_order_id, "--json")
    chain = msgspec.json.decode(ran.stdout, type=Explanation)
    assert (chain.links[0].cause.kind, chain.links[0].cause.is_exit) == (kind, True)
    assert (chain.result.is_done, chain.missing) == (True, {})
    assert chain.agrees
    assert not chain.ground.is_cause
    assert chain.ground.instrument == exits[0].instrument
    assert milliseconds(chain.ground.candle.time) + 60_000 <= exits[0].decided_at
    out = why(workspace, exits[0].client_order_id).stdout
    assert says in out
    assert "this is the last one of the instrument before it" in out


def test_what_is_not_there_any_more_is_said(played: Path, tmp_path: Path, chains: dict[str, Explanation]):
    """Without the log there are no ticks and no view; the rest of the chain stands."""
    workspace = Path(shutil.copytree(played, tmp_path / "ws"))
    shutil.rmtree(workspace / "log")
    key = next(key for key, chain in chains.items() if chain.signal is not None)
    ran = why(workspace, key)
    assert ran.exit_code == 0
    assert "the journal does not hold its ticks any more (it keeps 24 hours)" in ran.stdout
    assert "market_view: not known" in ran.stdout
    assert f"signal {chains[key].signal.id}: rsi-turn" in ran.stdout
