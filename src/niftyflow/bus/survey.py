"""What there is of each topic: its partitions and ends, how far every group is, and what is wrong with it.

The same facts for every engine; how they are found out is the engine's. It judges nothing but what it is given.
"""

from __future__ import annotations

import msgspec


class GroupState(msgspec.Struct, frozen=True):
    """A consumer group of a topic: how many records lie after its commit, which is where a restart would read from.

    `members` is None where an engine keeps no list of them. `lag` is how many records of all its topics wait to be
    read, as its members say of their positions; None where nobody was asked or answered.
    """

    group: str
    after_commit: int
    members: int | None = None
    lag: int | None = None


class Trouble(msgspec.Struct, frozen=True):
    """Something wrong with a topic, and what to do; what is fatal stops the start."""

    text: str
    is_fatal: bool = False


class TopicState(msgspec.Struct, frozen=True):
    """One topic. `copies` and `in_sync` are replicas and how many must have a record; 0 partitions: it is not there."""

    topic: str
    partitions: int
    wanted: int
    records: int = 0
    ends: dict[int, int] = {}
    copies: int = 1
    in_sync: int = 1
    groups: list[GroupState] = []
    troubles: list[Trouble] = []
