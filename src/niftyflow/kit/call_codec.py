"""Questions, answers and errors as they cross between processes: msgpack, so that each comes back as it was.

What a question takes and how it is answered are types: what does not fit them is no question, or no answer. Refusals
and troubles keep their kind, fields and message; of a fault nothing leaves the process that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, get_origin

import msgspec
import numpy as np

from niftyflow.model import (
    DecodeError,
    InvalidValue,
    LeaseHeld,
    Misconfigured,
    NiftyflowError,
    Refused,
    Retryable,
    Unavailable,
    UnknownInstrument,
)

MEDIA_TYPE: Final = "application/vnd.msgpack"
OK: Final = 200
FAULT: Final = 500
_CANNOT_CROSS: Final = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)
"""What encoding or decoding raises; a text with half a character in it is a `ValueError`."""


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what a question takes: an argument nobody knows is refused, for the answer would be to another one."""


class Question:
    """What a question takes and how it is answered, as types that `msgspec` can read."""

    def __init__(self, arguments: type[Arguments], answer: Any) -> None:
        self.arguments = arguments
        self.answer = answer
        self._read_arguments = msgspec.msgpack.Decoder(arguments, dec_hook=_column).decode
        self._read_answer = msgspec.msgpack.Decoder(answer, dec_hook=_column).decode

    def encode(self, arguments: Mapping[str, Any]) -> bytes:
        """Return a question as it is sent.

        Raises:
            Refused: the arguments are not what the question takes.
        """
        try:
            message = _encode(arguments)
            self._read_arguments(message)
        except _CANNOT_CROSS as error:
            raise Refused(f"the question cannot be asked: {error}") from error
        return message

    def decode(self, message: bytes) -> dict[str, Any]:
        """Return the arguments that were sent, those left out as the question has them.

        Raises:
            DecodeError: they are not what the question takes.
        """
        try:
            found = self._read_arguments(message)
        except _CANNOT_CROSS as error:
            raise DecodeError(f"not what the question takes: {error}", message) from error
        return {name: getattr(found, name) for name in found.__struct_fields__}

    def encode_answer(self, answer: Any) -> bytes:
        """Return an answer as it is sent.

        Raises:
            TypeError: it is nothing that can be sent, which is a fault of whoever answered.
        """
        try:
            return _encode(answer)
        except _CANNOT_CROSS as error:
            raise TypeError(f"an answer that cannot be sent: {error}") from error

    def decode_answer(self, message: bytes) -> Any:
        """Return an answer that was sent.

        Raises:
            DecodeError: it is not what the question is answered with.
        """
        try:
            return self._read_answer(message)
        except _CANNOT_CROSS as error:
            raise DecodeError(f"not an answer to this question: {error}", message) from error


class _Kind(NamedTuple):
    """An error that crosses: its class, the HTTP status it is sent with, and the fields it is made of."""

    error: type[NiftyflowError]
    status: int
    fields: tuple[str, ...] = ()


_KINDS: Final = {
    "invalid_value": _Kind(InvalidValue, 422, ("field", "value", "rule")),
    "unknown_instrument": _Kind(UnknownInstrument, 404),
    "lease_held": _Kind(LeaseHeld, 409, ("name", "holder")),
    "misconfigured": _Kind(Misconfigured, 409),
    "refused": _Kind(Refused, 409),
    "unavailable": _Kind(Unavailable, 503, ("service", "reason")),
    "retryable": _Kind(Retryable, 503),
}
_NAMES: Final[dict[type, str]] = {kind.error: name for name, kind in _KINDS.items()}


class _SentError(msgspec.Struct, frozen=True):
    kind: str
    message: str
    fields: dict[str, Any] = {}


_read_error: Final = msgspec.msgpack.Decoder(_SentError).decode


def encode_error(error: Refused | Retryable) -> tuple[int, bytes]:
    """Return an error as it is sent, with its HTTP status; a kind that only its own layer knows becomes its parent."""
    name = next(_NAMES[parent] for parent in type(error).__mro__ if parent in _NAMES)
    kind = _KINDS[name]
    fields = {field: _sendable(getattr(error, field)) for field in kind.fields}
    return kind.status, _encode(_SentError(name, _readable(str(error)), fields))


def decode_error(message: bytes) -> NiftyflowError:
    """Return an error that was sent: of the same kind, with the same fields and message.

    Raises:
        DecodeError: it is no error of ours.
    """
    try:
        sent = _read_error(message)
    except _CANNOT_CROSS as error:
        raise DecodeError(f"not an error of ours: {error}", message) from error
    kind = _KINDS.get(sent.kind)
    if kind is None or sent.fields.keys() != set(kind.fields):
        raise DecodeError(f"not an error of ours: {sent.kind!r} of {sorted(sent.fields)}", message)
    found = kind.error(**sent.fields) if kind.fields else kind.error(sent.message)
    found.args = (sent.message,)  # a value that was sent as text would be quoted in it twice
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1:
        return value.astype("<f8").tobytes()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not cross between processes")


def _column(kind: Any, value: Any) -> Any:
    """Return a column of numbers from its bytes; msgspec asks for types it does not know."""
    if (get_origin(kind) or kind) is not np.ndarray or not isinstance(value, bytes):
        raise ValueError(f"expected {kind}")
    return np.frombuffer(value, "<f8").astype(np.float64)  # a copy, which can be written to


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_plain).encode


def _sendable(value: Any) -> Any:
    try:
        _encode(value)
    except _CANNOT_CROSS:
        return _readable(str(value) if isinstance(value, str) else repr(value))
    return value


def _readable(text: str) -> str:
    """Return text that UTF-8 can hold: what came from a client may have half a character in it."""
    return text.encode("utf-8", "backslashreplace").decode()
