"""The picture of a whole cluster: each process's own, asked over HTTP and laid over one another. It keeps nothing.

A process that does not answer is left out: its layers are as the others that run them say, or stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from niftyflow.kit.health import State
from niftyflow.model import NiftyflowError
from niftyflow.runtime.standing_by import STANDS_BY
from niftyflow.runtime.system import NOT_HERE, WORST

Picture = dict[str, Any]
OF_THE_LAYERS: Final = ("storage", "presentation")
"""Layers that every process has: what the gateway's own says of them is enough."""


def joined_system(
    own: Callable[[], Awaitable[Picture]], others: Sequence[Callable[[], Awaitable[Picture]]]
) -> Callable[[], Awaitable[Picture]]:
    """Return a question that draws our own picture and lays over it those of the others that answer."""

    async def system() -> Picture:
        mine, theirs = await asyncio.gather(own(), asyncio.gather(*(_asked(other) for other in others)))
        return joined(mine, [each for each in theirs if each is not None])

    return system


async def _asked(other: Callable[[], Awaitable[Picture]]) -> Picture | None:
    try:
        return await other()
    except NiftyflowError:  # it is away, and its layers show that
        return None


def joined(mine: Picture, theirs: Sequence[Picture]) -> Picture:
    """Return one picture of several: topics, rates and stores as ours, layers as those that run them say."""
    pictures = _each_once([mine, *theirs])
    theirs = pictures[1:]
    return {name: value for name, value in mine.items() if name != "process"} | {
        "memory_bytes": sum(each["memory_bytes"] for each in pictures),
        "is_healthy": all(each["is_healthy"] for each in pictures),
        "layers": [
            _layer(layer, [each["layers"][place] for each in theirs]) for place, layer in enumerate(mine["layers"])
        ],
    }


def _each_once(pictures: Sequence[Picture]) -> list[Picture]:
    """Return the first picture of each process: one that has two addresses, or asks itself, drew several."""
    known: dict[object, Picture] = {}
    for place, picture in enumerate(pictures):
        known.setdefault(picture.get("process", place), picture)
    return list(known.values())


def _layer(mine: Mapping[str, Any], theirs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if mine["name"] in OF_THE_LAYERS:
        return dict(mine)
    running = [each for each in (mine, *theirs) if each["reason"] != NOT_HERE and not _only_asks(each, mine)]
    if not running:
        return dict(mine)
    working = [each for each in running if not each["reason"].startswith(STANDS_BY)] or running
    worst = min(working, key=lambda each: WORST.index(State(each["state"])))
    latencies = [each["latency_ms"] for each in working if each["latency_ms"] is not None]
    return dict(mine) | {
        "state": worst["state"],
        "reason": worst["reason"],
        "lag": sum(each["lag"] for each in working),
        "latency_ms": max(latencies, default=None),
        "restarts": sum(each["restarts"] for each in running),
    }


def _only_asks(layer: Mapping[str, Any], mine: Mapping[str, Any]) -> bool:
    """Whether a process speaks of the gateway without being it: only whoever draws the picture is."""
    return layer["name"] == "gateway" and layer is not mine
