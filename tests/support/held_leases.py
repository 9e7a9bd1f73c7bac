"""Leases in memory that a test lets lapse, come back, or be taken by another owner."""

from __future__ import annotations

import asyncio
from collections import Counter


class HeldLease:
    """A lease whose state a test sets."""

    def __init__(self, name: str, fence: int) -> None:
        self.name = name
        self.fence = fence
        self.is_sure = True
        self.is_taken = self.is_given_back = False

    @property
    def is_held(self) -> bool:
        """Whether it is surely ours."""
        return self.is_sure and not self.is_taken and not self.is_given_back

    async def lost(self) -> None:
        """Wait until it is not surely ours."""
        while self.is_sure and not self.is_taken:  # noqa: ASYNC110 - a test sets them
            await asyncio.sleep(0.002)

    async def release(self) -> None:
        """Give it back."""
        self.is_given_back = True


class HeldLeases:
    """Leases that are free; `held` are those given out last, `fences` may be counted on by a test."""

    def __init__(self) -> None:
        self.fences: Counter[str] = Counter()
        self.held: list[HeldLease] = []

    async def acquire(self, name: str) -> HeldLease:
        """Give one out."""
        self.fences[name] += 1
        self.held = [lease for lease in self.held if not lease.is_given_back]
        self.held.append(HeldLease(name, self.fences[name]))
        return self.held[-1]

    def lapse(self, *, is_sure: bool = False) -> None:
        """Let nobody be sure of them, or everybody again."""
        for lease in self.held:
            lease.is_sure = is_sure

    def take(self, name: str) -> None:
        """Let another process have one, for a moment or longer."""
        self.fences[name] += 1
        for lease in self.held:
            lease.is_taken |= lease.name == name
