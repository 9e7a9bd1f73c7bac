"""What is in every book when its writer is killed: each commit whole or absent, and what was said to be there."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from niftyflow.storage.book_ports import BookStore
from support import books
from support.books import PAPER

TESTS = str(Path(books.__file__).parents[1])
KILLS = 5


async def start_buyer(engine: str, folder: Path, fence: int) -> asyncio.subprocess.Process:
    """Start the program that commits one purchase after another."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # its folder holds modules with names of packages
        books.__file__,
        engine,
        str(folder),
        str(fence),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": TESTS},
    )


async def check_balance(book: BookStore, said: int) -> None:
    """Assert that order, event, fill, position, cash, input and progress agree on how many purchases there were."""
    account = await book.account(PAPER)
    count = account.sequence
    assert count in (said, said + 1)
    fills = await book.fills(PAPER)
    assert [fill.price for fill in fills] == list(range(1, count + 1))
    (position,) = account.positions
    assert position.net_quantity == sum(fill.quantity for fill in fills) == count
    assert position.realised == account.state["cash"] == -sum(fill.price for fill in fills)
    assert [each.sequence for each in await book.inputs(PAPER)] == list(range(1, count + 1))
    orders = await book.orders(PAPER)
    assert [order.client_order_id for order in orders] == [fill.client_order_id for fill in fills]
    assert len(await book.position_events(PAPER)) == count
    assert len(await book.order_events(orders[-1].client_order_id)) == 1
    assert account.progress == {("market_candles", 0): count}
    assert account.orders == []


@pytest.mark.timeout(KILLS * 60)
async def test_a_killed_owner_leaves_each_commit_whole_or_absent(
    book_engine: str, book_handles: Callable[[], BookStore], tmp_path: Path
):
    """Killed with -9 anywhere, five times; the next owner goes on, and what was said to be committed is there."""
    said = 0
    for fence in range(1, KILLS + 1):
        buyer = await start_buyer(book_engine, tmp_path, fence)
        try:
            async with asyncio.timeout(60):
                for _ in range(5):
                    said = int(await buyer.stdout.readline())
                await asyncio.sleep(random.uniform(0, 0.05))
        finally:
            buyer.send_signal(signal.SIGKILL)
            rest, _ = await buyer.communicate()
        said = max([said, *map(int, rest.split(b"\n")[:-1])])
        book = book_handles()
        await book.open()
        await check_balance(book, said)
        await book.close()
