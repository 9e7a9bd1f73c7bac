"""How an account gets an owner, on every engine: inside a transaction that the engine began, and commits.

It decides nothing about who should own what: a greater fence wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.storage.book_ports import Account, LeaseLost
from niftyflow.storage.book_reading import account_in
from niftyflow.storage.book_rows import state_text
from niftyflow.storage.book_statements import Insert


async def taken_over(
    connection: AsyncConnection, take_over: Insert, account: str, fence: int, state: Mapping[str, Any], at: int
) -> Account:
    """Make who has this fence the account's owner by the engine's `take_over`; return how the account stands.

    Raises:
        LeaseLost: an owner with this fence or a greater one was there.
    """
    row = {
        "account": account, "fence": fence, "taken_over_at": at, "state": state_text(state), "time": 0, "sequence": 0,
    }  # fmt: skip
    if (await connection.execute(take_over, row)).rowcount == 0:
        raise LeaseLost(f"{account} has an owner whose fence is not below {fence}")
    taken = await account_in(connection, account)
    if taken is None:
        raise AssertionError(f"{account} was taken over and is not there")
    return taken
