"""What every engine of leases does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import pytest

from niftyflow.model import LeaseHeld
from niftyflow.storage import Leases

OTHERS = ("a-b", "b", "a%252Fb", "a%2fb", "x" * 499)


async def test_a_lease_has_one_owner_and_says_who(lease_handles: Callable[[], Leases]):
    """Asked for again, by the same or another handle, it is refused with the holder named."""
    one, two = lease_handles(), lease_handles()
    lease = await one.acquire("ingestion/raw-ticks/7")
    assert lease.name == "ingestion/raw-ticks/7"
    for handle in (one, two):
        with pytest.raises(LeaseHeld) as refused:
            await handle.acquire("ingestion/raw-ticks/7")
        assert refused.value.name == "ingestion/raw-ticks/7"
        assert str(os.getpid()) in refused.value.holder
        assert socket.gethostname() in refused.value.holder


async def test_each_owner_has_a_greater_fence_than_the_one_before(lease_handles: Callable[[], Leases]):
    """Whoever takes it; a lease given back twice is given back once."""
    fences = []
    for _ in range(4):
        lease = await lease_handles().acquire("account/paper-1")
        fences.append(lease.fence)
        await lease.release()
        await lease.release()
    assert fences == sorted(set(fences))


async def test_giving_back_late_does_not_take_it_from_the_next_owner(lease_handles: Callable[[], Leases]):
    """The second release of an old owner means nothing."""
    old = await lease_handles().acquire("account/paper-1")
    await old.release()
    new = await lease_handles().acquire("account/paper-1")
    await old.release()
    with pytest.raises(LeaseHeld):
        await lease_handles().acquire("account/paper-1")
    assert new.fence > old.fence


async def test_a_lease_says_whether_it_is_held_and_is_not_lost_by_giving_it_back(lease_handles: Callable[[], Leases]):
    """An owner may ask at any moment; only what was taken from it counts as lost."""
    lease = await lease_handles().acquire("account/paper-1")
    losing = asyncio.create_task(lease.lost())
    assert lease.is_held
    await lease.release()
    await asyncio.wait({losing}, timeout=0.05)
    assert not lease.is_held
    assert not losing.done()
    losing.cancel()


@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "..", ".", "../../etc/passwd", "नमस्ते", "a b\n", "x" * 500, ""])
async def test_any_name_is_a_lease_of_its_own(lease_handles: Callable[[], Leases], name: str):
    """Slashes, dots and length do not lead names together or out of the folder."""
    leases = lease_handles()
    lease = await leases.acquire(name)
    others = [await leases.acquire(other) for other in OTHERS]
    assert (lease.name, {other.fence for other in others}) == (name, {1})
    with pytest.raises(LeaseHeld):
        await leases.acquire(name)


async def test_names_that_look_alike_when_encoded_are_two_leases(lease_handles: Callable[[], Leases]):
    """The encoding has no two names with one result."""
    leases = lease_handles()
    taken = [await leases.acquire(name) for name in ("a/b", "a%2Fb", "A/b", "a/b ")]
    assert [lease.fence for lease in taken] == [1, 1, 1, 1]
