"""How careful and how generous the rate governor of a broker account is.

The limits themselves are the broker's: they stand in its capabilities, not here.
"""

from __future__ import annotations

from pydantic import Field

from niftyflow.kit.settings import Settings


class GovernorSettings(Settings):
    """The same for every process that shares an account."""

    margin_seconds: float = Field(
        0.1,
        ge=0,
        le=5,
        description="Each window of a limit is made longer by this, as calls are counted where they arrive: two that "
        "leave a second apart may arrive closer. No call may need longer than this on its way than the quickest does, "
        "from `take` to the broker.",
    )
    use_seconds: float = Field(
        0.25,
        ge=0.05,
        le=5,
        description="How long a permit that somebody waits for may be used, the way to us included.",
    )
    lease_seconds: float = Field(
        1.0, ge=0.05, le=10, description="How long permits taken ahead, in quiet times, may be used."
    )
    block_permits: int = Field(3, ge=1, le=100, description="Permits a process takes at once in quiet times.")
    look_seconds: float = Field(
        0.5, ge=0.05, le=5, description="How often unused permits are given back, and a shared ledger is looked at."
    )
    patience_seconds: float = Field(
        2.0, ge=0, le=60, description="How long a call waits for a ledger that is away before it is refused."
    )
    reserve_kinds: tuple[str, ...] = Field(
        ("orders",), description="Kinds of calls of which each process keeps a share for when the ledger is away."
    )
    reserve_permits: int = Field(
        1,
        ge=0,
        le=10,
        description="That share: permits a process holds ready for urgent calls (cancels, what reduces risk) while the "
        "ledger is away. They are missing from what all may use, and no other call leaves meanwhile. 0: none at all.",
    )
    reserve_seconds: float = Field(
        60.0, ge=1, le=3600, description="How long after its last word with the ledger a process may use its share."
    )
    recover_seconds: float = Field(
        30.0, ge=0.1, le=3600, description="After so long without a new 429 a halved rate is doubled again."
    )
    settle_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        description="A shared ledger that begins anew grants nothing for so long: meanwhile all tell it what they have "
        "seen of the one before. More than look_seconds and a connection's time-out.",
    )
    urgent_day_percent: int = Field(
        1,
        ge=0,
        le=50,
        description="Part of a day's calls that is kept for urgent ones, where a kind has a day's limit.",
    )
