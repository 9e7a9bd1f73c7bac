"""The JSON text messages of the Kite WebSocket: what a client asks for, and what the server says beside its frames.

Messages of type `clock` and `end` are the simulator's own; official clients ignore types they do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from niftyflow.brokers.kite.wire import Mode
from niftyflow.model import DecodeError


class _Message(msgspec.Struct):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Time(msgspec.Struct):
    time: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class _Request(msgspec.Struct):
    a: str
    v: msgspec.Raw


@dataclass(frozen=True)
class OrderMessage:
    """An order changed; `data` is the order's JSON."""

    data: bytes


@dataclass(frozen=True)
class ErrorMessage:
    """The broker says what is wrong, in words."""

    text: str


@dataclass(frozen=True)
class ClockMessage:
    """The simulated session's time (ms UTC): everything before it has been sent."""

    time: int


@dataclass(frozen=True)
class EndMessage:
    """The simulated session is over at this time (ms UTC)."""

    time: int


@dataclass(frozen=True)
class OtherMessage:
    """A type that this dialect does not name; `data` is its JSON."""

    type: str
    data: bytes


TextMessage = OrderMessage | ErrorMessage | ClockMessage | EndMessage | OtherMessage


@dataclass(frozen=True)
class Request:
    """What a client asks: `subscribe`, `unsubscribe`, or `mode` with the mode asked for."""

    action: str
    tokens: tuple[int, ...]
    mode: Mode | None = None


def subscribe_message(tokens: Sequence[int]) -> str:
    """Return the message that subscribes to the tokens (which alone gives quote mode)."""
    return _request("subscribe", list(tokens))


def unsubscribe_message(tokens: Sequence[int]) -> str:
    """Return the message that ends the tokens' subscription."""
    return _request("unsubscribe", list(tokens))


def mode_message(mode: Mode, tokens: Sequence[int]) -> str:
    """Return the message that sets the tokens' mode."""
    return _request("mode", [mode.label, list(tokens)])


def clock_message(time: int) -> str:
    """Return the simulator's message that its session has reached `time` (ms UTC)."""
    return msgspec.json.encode({"type": "clock", "data": {"time": time}}).decode()


def end_message(time: int) -> str:
    """Return the simulator's message that its session ended at `time` (ms UTC)."""
    return msgspec.json.encode({"type": "end", "data": {"time": time}}).decode()


def parse_text(data: bytes) -> TextMessage:
    """Read a text message of the server.

    Raises:
        DecodeError: it is no JSON object with a type, or a clock message without its time.
    """
    try:
        message = msgspec.json.decode(data, type=_Message)
        content = bytes(message.data)
        match message.type:
            case "order":
                return OrderMessage(content)
            case "error":
                return ErrorMessage(_words(content))
            case "clock":
                return ClockMessage(msgspec.json.decode(content, type=_Time).time)
            case "end":
                return EndMessage(msgspec.json.decode(content, type=_Time).time)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"a text message cannot be read: {error}", data) from error
    return OtherMessage(message.type, content)


def parse_request(data: bytes) -> Request:
    """Read what a client asks, as a server does.

    Raises:
        DecodeError: it is no request of the protocol.
    """
    try:
        request = msgspec.json.decode(data, type=_Request)
        if request.a == "mode":
            label, tokens = msgspec.json.decode(request.v, type=tuple[str, tuple[int, ...]])
            return Request("mode", tokens, Mode[label.upper()])
        if request.a in {"subscribe", "unsubscribe"}:
            return Request(request.a, msgspec.json.decode(request.v, type=tuple[int, ...]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as error:
        raise DecodeError(f"a request cannot be read: {error}", data) from error
    raise DecodeError(f"no such request: {request.a}", data)


def _request(action: str, value: object) -> str:
    return msgspec.json.encode({"a": action, "v": value}).decode()


def _words(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return content.decode(errors="replace")
