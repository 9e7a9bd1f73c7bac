"""Adapters bent at one place, so that a case of the conformance card has something to find; one that can do less."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.conformance.testkit import CASES, Case, GroundName, Result, Stage, run_case
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.kite.simulated import KiteSimulator

BY_NAME = {case.name: case for case in CASES}


class Bent:
    """An adapter of which some methods are others."""

    def __init__(self, broker: OrderBroker, **instead: Any) -> None:
        self._broker = broker
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        return self._instead[name] if name in self._instead else getattr(self._broker, name)


Bend = Callable[[Stage], dict[str, Any]]
"""What of a stage's adapter is to be otherwise."""


class BentGround:
    """Kite's simulator, with an adapter that is bent."""

    name = GroundName.SIMULATOR

    def __init__(self, bend: Bend) -> None:
        self._ground = KiteSimulator()
        self._bend = bend

    def lacks(self, case: Case) -> str:
        """Return what the simulator lacks."""
        return self._ground.lacks(case)

    @asynccontextmanager
    async def stage(self, case: Case) -> AsyncIterator[Stage]:
        """Yield the simulator's stage, its adapter bent."""
        async with self._ground.stage(case) as stage:
            stage.broker = cast("OrderBroker", Bent(stage.broker, **self._bend(stage)))
            yield stage


async def bent(name: str, bend: Bend) -> Result:
    """Return what comes of a case with an adapter that is bent."""
    return await run_case(BY_NAME[name], BentGround(bend))


LESSER = msgspec.structs.replace(
    KITE, name="kite", has_gtt=False, has_convert=False, has_margins=False, has_charges=False, varieties=(),
    needs_market_protection=False, tag_characters=0,
)  # fmt: skip


def lesser(stage: Stage) -> dict[str, Any]:
    """Return an adapter of a broker that can do less, and carries no ids of ours."""
    broker = stage.broker

    async def refuse(*_: Any, **__: Any) -> Any:
        raise InputRefused("lesser", "", "it is not offered", "use another broker")

    async def orders() -> list[Any]:
        return [msgspec.structs.replace(each, client_order_id="") for each in await broker.orders()]

    return {"capabilities": LESSER, "orders": orders} | dict.fromkeys(
        ("place_gtt", "convert", "margins", "basket_margin", "charges"), refuse
    )
