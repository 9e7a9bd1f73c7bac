"""A real session of 2016, decided on: every order that traded walks back to the trades that made its candle."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.tape import OneDay
from niftyflow.model import milliseconds
from niftyflow.runtime.explanation import explain, sources
from niftyflow.runtime.workspace import Workspace
from support.data import shared_data
from support.decided_days import play

DAY = date(2016, 8, 16)


@pytest.mark.data
@pytest.mark.timeout(600)
async def test_every_filled_order_of_a_real_session_walks_back_to_its_trades(tmp_path: Path):
    """Ninety instruments, three strategies; the trades give each candle again, and nothing on the way is missing."""
    workspace = Workspace(tmp_path / "ws")
    await play(workspace, OneDay(open_source(shared_data("bars_1m_equity_2016/bars.parquet")), DAY))
    async with sources(workspace) as on:
        filled = [order for order in await on.stores.book.orders() if order.filled]
        chains = await explain(on, filled)
    assert len(filled) > 100
    assert [(chain.links[0].order.cause, chain.ground) for chain in chains if not chain.agrees] == []
    assert {reason for chain in chains for reason in (chain.missing | chain.ground.missing).items()} == set()
    causes = Counter(chain.links[-1].cause.kind.value for chain in chains)
    assert causes["candle"] > 100
    for chain in chains:
        ground, decided = chain.ground, chain.links[-1].order.decided_at
        assert milliseconds(ground.candle.time) + 60_000 == milliseconds(ground.scorecard.timestamp) <= decided
        assert all(trade.received < decided for trade in ground.made_of.trades)
