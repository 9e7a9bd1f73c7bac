"""What socket faults do to the bytes of a step: messages joined, cut short, doubled, or in another order.

Pure: WebSocket messages of a server in, messages out; `held` keeps the one that waits for its partner, between steps.
Text messages are never touched, so they may overtake one that is held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from niftyflow.brokers.simulator.encoding import BINARY, message_header
from niftyflow.brokers.simulator.faults import FaultName

_CUT_BYTES = 3


def messages(data: bytes) -> list[bytes]:
    """Return the WebSocket messages of a server's bytes, headers included."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        start, size = _payload(data, at)
        found.append(data[at : start + size])
        at = start + size
    return found


def is_spoilable(message: bytes) -> bool:
    """Return whether a message holds ticks: binary, and more than a heartbeat."""
    return message[0] == BINARY and len(message) > 3  # noqa: PLR2004  a header of two bytes and one byte


def joined(all_messages: Sequence[bytes], held: list[bytes]) -> list[bytes]:
    """Return the messages with each two of ticks made one, their bytes one after the other."""
    told: list[bytes] = []
    for message in all_messages:
        if not is_spoilable(message):
            told.append(message)
        elif not held:
            held.append(message)
        else:
            payload = _content(held.pop()) + _content(message)
            told.append(message_header(BINARY, len(payload)) + payload)
    return told


def truncated(all_messages: Sequence[bytes], _held: list[bytes]) -> list[bytes]:
    """Return the messages with the last bytes of each one of ticks missing."""
    told = []
    for message in all_messages:
        content = _content(message)
        is_cut = is_spoilable(message) and len(content) > _CUT_BYTES
        told.append(message_header(BINARY, len(content) - _CUT_BYTES) + content[:-_CUT_BYTES] if is_cut else message)
    return told


def duplicated(all_messages: Sequence[bytes], _held: list[bytes]) -> list[bytes]:
    """Return the messages with each one of ticks twice."""
    return [each for message in all_messages for each in ([message] * 2 if is_spoilable(message) else [message])]


def reordered(all_messages: Sequence[bytes], held: list[bytes]) -> list[bytes]:
    """Return the messages with each two of ticks in the other order."""
    told: list[bytes] = []
    for message in all_messages:
        if not is_spoilable(message):
            told.append(message)
        elif not held:
            held.append(message)
        else:
            told += [message, held.pop()]
    return told


Spoiler = Callable[[Sequence[bytes], list[bytes]], list[bytes]]
SPOILERS: dict[FaultName, Spoiler] = {
    FaultName.JOINED_FRAMES: joined,
    FaultName.TRUNCATED_FRAMES: truncated,
    FaultName.DUPLICATED_TICKS: duplicated,
    FaultName.REORDERED_TICKS: reordered,
}


def _payload(data: bytes, at: int) -> tuple[int, int]:
    size = data[at + 1]
    if size == 126:  # noqa: PLR2004  RFC 6455: the length follows in two bytes
        return at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
    if size == 127:  # noqa: PLR2004  RFC 6455: the length follows in eight bytes
        return at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
    return at + 2, size


def _content(message: bytes) -> bytes:
    start, size = _payload(message, 0)
    return message[start : start + size]
