"""A case must be able to fail: adapters bent at one place are found out, and the reason names the place."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.conformance.testkit import LiveGround, Needs, Outcome, Result, Stage, run_case
from niftyflow.brokers.errors import InputRefused, OutcomeUnknown, PermissionRefused
from niftyflow.brokers.kite.simulated import KiteSimulator
from niftyflow.model import Refused
from support.bent_brokers import BY_NAME, Bent, BentGround, bent, lesser


def says(result: Result, words: str) -> bool:
    """Return whether a case failed for this reason."""
    return result.outcome is Outcome.FAILED and words in result.reason


async def test_an_order_without_our_id_is_found():
    """The book has lost the tag."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def orders() -> list[Any]:
            return [msgspec.structs.replace(each, client_order_id="") for each in await broker.orders()]

        return {"orders": orders}

    result = await bent("limit-order", bend)
    assert says(result, "the order carries the id '', ours is 'nf"), result


async def test_an_order_sent_twice_is_found():
    """An adapter that tries again what may have been taken buys twice."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def place(*order: Any) -> Any:
            try:
                return await broker.place(*order)
            except OutcomeUnknown:
                return await broker.place(*order)

        return {"place": place}

    result = await bent("lost-answer", bend)
    assert says(result, "without an answer counts as placed: it was sent again"), result


async def test_a_lost_answer_that_counts_as_refused_is_found():
    """A rejection is final, and this order stands."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def place(*order: Any) -> Any:
            try:
                return await broker.place(*order)
            except OutcomeUnknown:
                raise InputRefused("bent", "", "no answer", "try again") from None

        return {"place": place}

    result = await bent("failed-answer", bend)
    assert says(result, "raised InputRefused, where OutcomeUnknown is due"), result


async def test_trades_that_do_not_add_up_are_found():
    """One rupee on every price."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def trades(order_id: str = "") -> list[Any]:
            return [msgspec.structs.replace(each, price=each.price + 1) for each in await broker.trades(order_id)]

        return {"trades": trades}

    result = await bent("market-order", bend)
    assert says(result, "the trades average"), result


async def test_a_refusal_that_says_not_what_to_do_is_found():
    """The words alone leave a person with nothing."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def place(*order: Any) -> Any:
            try:
                return await broker.place(*order)
            except InputRefused as refused:
                raise InputRefused(refused.broker, refused.words, refused.meaning, "") from None

        return {"place": place}

    result = await bent("off-the-tick", bend)
    assert says(result, "does not say what to do"), result


async def test_a_refusal_that_is_no_refusal_is_found():
    """An order that the broker took is not refused, whatever the price."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def place(order: Any, *terms: Any) -> Any:
            price = await stage.price(stage.shares[0], "0.95")
            return await broker.place(msgspec.structs.replace(order, price=price), *terms)

        return {"place": place}

    result = await bent("outside-the-band", bend)
    assert says(result, "half the last price was taken: the broker says OPEN"), result


async def test_candles_outside_what_was_asked_are_found():
    """A minute too many, at the beginning."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def history(instrument: Any, interval: Any, since: int, until: int) -> Any:
            return await broker.history(instrument, interval, since, until + 60_000)

        return {"history": history}

    result = await bent("history", bend)
    assert says(result, "is outside what was asked"), result


async def test_a_price_of_nobody_is_found():
    """An instrument that there is none of has no price, not even nought."""

    def bend(stage: Stage) -> dict[str, Any]:
        broker = stage.broker

        async def last_prices(keys: Any) -> dict[Any, Any]:
            known = await broker.last_prices(keys)
            return dict.fromkeys(keys, 1) | known

        return {"last_prices": last_prices}

    result = await bent("last-prices", bend)
    assert says(result, "NSE:NIFTYFLOWNOBODY is told, and there is none"), result


async def test_a_dead_token_that_is_told_otherwise_is_found():
    """Whoever reads an empty profile trades on with a dead session."""

    def bend(stage: Stage) -> dict[str, Any]:
        async def profile() -> None:
            return None

        return {"profile": profile}

    assert says(await bent("logout", bend), "a question after the logout was answered")


async def test_calls_that_pass_no_gate_are_found():
    """The simulator keeps the broker's limits, and answers the eleventh order of a second with 429."""

    def bend(stage: Stage) -> dict[str, Any]:
        class Open:
            async def take(self, kind: str, *, is_urgent: bool = False) -> None:
                del kind, is_urgent

            def slowed(self, kind: str, seconds: float) -> None:
                del kind, seconds

        stage.broker._rest._gate = Open()
        return {}

    result = await bent("rate-limits", bend)
    assert says(result, "a call of the burst was refused by the broker"), result


async def test_what_is_denied_and_done_all_the_same_is_found():
    """Capabilities are read by the platform: they must be true in both directions."""
    result = await bent(
        "gtt", lambda stage: {"capabilities": msgspec.structs.replace(stage.broker.capabilities, has_gtt=False)}
    )
    assert says(result, "the capabilities deny a GTT, and yet it was answered"), result


async def test_an_error_that_is_none_of_the_port_fails_the_case():
    """Nothing that an adapter lets through ends the run of the cases."""

    def bend(_: Stage) -> dict[str, Any]:
        async def funds() -> None:
            raise KeyError("net")

        return {"funds": funds}

    assert says(await bent("funds", bend), "KeyError through, which is no error of the port: 'net'")


async def test_an_adapter_that_hangs_fails_the_case():
    """The next case is run all the same."""

    def bend(_: Stage) -> dict[str, Any]:
        async def funds() -> None:
            await asyncio.Event().wait()

        return {"funds": funds}

    result = await run_case(BY_NAME["funds"], BentGround(bend), seconds=3)
    assert says(result, "did not end within 3 s"), result


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("gtt", Outcome.NOT_OFFERED), ("convert", Outcome.NOT_OFFERED), ("margins", Outcome.NOT_OFFERED),
     ("charges", Outcome.NOT_OFFERED), ("variety-iceberg", Outcome.NOT_OFFERED),
     ("no-protection", Outcome.NOT_OFFERED), ("limit-order", Outcome.PASSED), ("market-order", Outcome.PASSED)],
)  # fmt: skip
async def test_a_broker_that_can_do_less_conforms_as_well(name: str, outcome: Outcome):
    """What the capabilities deny is not offered, and what they do not promise is not asked for."""
    result = await bent(name, lesser)
    assert result.outcome is outcome, result


@pytest.fixture
def calls() -> list[str]:
    """What arrived at the broker: method and path."""
    return []


@asynccontextmanager
async def live_ground(calls: list[str]):
    """Yield a ground that takes the simulator's account for a real one, and tell what arrived there."""
    async with KiteSimulator().stage(BY_NAME["profile"]) as stage:
        broker = stage.broker
        assert stage.arrivals is not None
        before = len(await stage.arrivals())
        yield LiveGround(broker, stage.clock)
        calls += [call.kind for call in (await stage.arrivals())[before:]]


async def test_a_live_account_is_read_and_nothing_else(calls: list[str]):
    """Cases that change something are not run, and no call of the kind orders arrives."""
    async with live_ground(calls) as ground:
        results = {
            name: await run_case(case, ground)
            for name, case in BY_NAME.items()
            if name not in {"history", "quotes", "ohlc"}
        }  # fmt: skip
    asked = {name for name, case in BY_NAME.items() if case.needs is Needs.READS} & results.keys() - {"wrong-token"}
    assert {name: results[name].reason for name in asked if results[name].outcome is not Outcome.PASSED} == {}
    others = {result.outcome for name, result in results.items() if name not in asked}
    assert others == {Outcome.NOT_RUN}
    assert "other" in calls
    assert "orders" not in calls


async def test_what_a_live_account_may_not_ask_is_no_failure_of_the_adapter():
    """An app without market data cannot show quotes; on the simulator, which may ask everything, it is a failure."""

    async def refuse(_: object) -> None:
        raise PermissionRefused("kite", "Insufficient permission for that call.", "this app may not", "subscribe")

    async with KiteSimulator().stage(BY_NAME["quotes"]) as stage:
        ground = LiveGround(cast("OrderBroker", Bent(stage.broker, quotes=refuse)), stage.clock)
        result = await run_case(BY_NAME["quotes"], ground)
    assert result.outcome is Outcome.NOT_RUN
    assert "Insufficient permission" in result.reason
    assert says(await bent("quotes", lambda _: {"quotes": refuse}), "PermissionRefused: ")


async def test_a_case_that_would_change_something_cannot_on_a_live_account():
    """Also one that is wrongly said to read only."""
    async with live_ground([]) as ground, ground.stage(BY_NAME["profile"]) as stage:
        with pytest.raises(Refused, match="place may change something"):
            await stage.broker.place(stage.intent(stage.shares[0], price=1))
        assert ground.lacks(BY_NAME["limit-order"]) == "it changes something: never on a live account"
