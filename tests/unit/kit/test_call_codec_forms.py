"""What crosses between processes, byte for byte: what fits its types comes back, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.kit.call_codec import Arguments, Question, decode_error, encode_error
from niftyflow.model import DecodeError, InvalidValue, Refused


class Asked(Arguments, frozen=True):
    """A question with one argument of each fate."""

    symbol: str
    at: int | None = None


QUESTION = Question(Asked, dict[str, float])


def test_arguments_left_out_are_as_the_question_has_them():
    """Whoever answers gets all of them."""
    assert QUESTION.decode(QUESTION.encode({"symbol": "TCS"})) == {"symbol": "TCS", "at": None}


@pytest.mark.parametrize(
    "arguments",
    [{}, {"symbol": 5}, {"symbol": "TCS", "at": "noon"}, {"symbol": "TCS", "of": 1}, {"symbol": "\ud800"},
     {"symbol": "TCS", "at": 2**70}, {"symbol": object()}],
)  # fmt: skip
def test_what_is_no_such_question_is_refused_before_it_is_sent(arguments: dict[str, Any]):
    """Missing, of a wrong type, unknown, or nothing that can be written."""
    with pytest.raises(Refused, match="the question cannot be asked"):
        QUESTION.encode(arguments)


@given(st.binary(max_size=60))
def test_bytes_that_nobody_of_ours_sent_are_told_apart(message: bytes):
    """Each reader gives a value or a `DecodeError`, and nothing else."""
    for read in (QUESTION.decode, QUESTION.decode_answer, decode_error):
        assert isinstance(read_or_error(read, message), dict | DecodeError)


def read_or_error(read: Callable[[bytes], Any], message: bytes) -> Any:
    """Return what was read, or the error of our own that it gave."""
    try:
        return read(message)
    except DecodeError as error:
        return error


@pytest.mark.parametrize("message", [b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
def test_bytes_that_promise_too_much_are_only_bad_bytes(message: bytes):
    """A hundred thousand lists in one another, four thousand million elements."""
    with pytest.raises(DecodeError):
        Question(Asked, Any).decode_answer(message)


def test_an_answer_that_cannot_be_sent_is_a_fault_of_who_answers():
    """It says of what."""
    with pytest.raises(TypeError, match="object does not cross"):
        QUESTION.encode_answer({"a": object()})
    with pytest.raises(TypeError, match="cannot be sent"):
        QUESTION.encode_answer({"a": np.zeros((2, 2))})


def test_numbers_of_numpy_become_plain_ones():
    """As in one process they would be used as numbers too."""
    assert QUESTION.decode_answer(QUESTION.encode_answer({"a": np.float32(0.5), "b": np.int64(3)})) == {
        "a": 0.5,
        "b": 3,
    }


def test_columns_are_read_from_whole_numbers_only():
    """Seven bytes are no float, a text is no column."""

    class Columns(Arguments, frozen=True):
        values: np.ndarray

    question = Question(Columns, Any)
    assert question.decode(question.encode({"values": np.array([1.5])}))["values"].tolist() == [1.5]
    for wrong in (b"1234567", "text", [1.5]):
        with pytest.raises(DecodeError):
            question.decode(msgspec.msgpack.encode({"values": wrong}))


@pytest.mark.parametrize(
    "sent",
    [{"kind": "refused"}, {"kind": "made-up", "message": "m"}, {"kind": "invalid_value", "message": "m"},
     {"kind": "refused", "message": "m", "fields": {"x": 1}},
     {"kind": "lease_held", "message": "m", "fields": {"name": "a"}}],
)  # fmt: skip
def test_an_error_of_another_make_is_no_error_of_ours(sent: dict[str, Any]):
    """A kind or fields that this version does not know."""
    with pytest.raises(DecodeError, match="not an error of ours"):
        decode_error(msgspec.msgpack.encode(sent))


@pytest.mark.parametrize(
    ("value", "sent"),
    [(1.5, 1.5), (None, None), ([1, "a"], [1, "a"]), ((1, 2), [1, 2]), ("a\ud800", "a\\ud800"), (2**70, str(2**70)),
     (float, "<class 'float'>")],
)  # fmt: skip
def test_a_wrong_value_is_sent_or_described(value: object, sent: object):
    """And the message stays what it was."""
    error = InvalidValue("field", value, "it cannot be")
    status, message = encode_error(error)
    found = decode_error(message)
    assert isinstance(found, InvalidValue)
    assert (status, found.value, str(found)) == (422, sent, str(error))
