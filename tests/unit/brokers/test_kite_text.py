"""The JSON half of the Kite dialect."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.kite.text import (
    ClockMessage,
    EndMessage,
    ErrorMessage,
    OrderMessage,
    OtherMessage,
    Request,
    clock_message,
    end_message,
    mode_message,
    parse_request,
    parse_text,
    subscribe_message,
    unsubscribe_message,
)
from niftyflow.brokers.kite.wire import Mode
from niftyflow.model import DecodeError


def test_requests_are_written_as_kite_documents_them() -> None:
    """Subscribe, unsubscribe and mode have exactly the documented JSON."""
    assert json.loads(subscribe_message([408065, 884737])) == {"a": "subscribe", "v": [408065, 884737]}
    assert json.loads(unsubscribe_message([408065])) == {"a": "unsubscribe", "v": [408065]}
    assert json.loads(mode_message(Mode.FULL, [408065])) == {"a": "mode", "v": ["full", [408065]]}


@given(st.lists(st.integers(0, 2**32 - 1)), st.sampled_from(Mode))
def test_requests_are_read_back(tokens: list[int], mode: Mode) -> None:
    """A server reads what a client writes."""
    assert parse_request(subscribe_message(tokens).encode()) == Request("subscribe", tuple(tokens))
    assert parse_request(unsubscribe_message(tokens).encode()) == Request("unsubscribe", tuple(tokens))
    assert parse_request(mode_message(mode, tokens).encode()) == Request("mode", tuple(tokens), mode)


def test_server_messages_are_told_apart() -> None:
    """Orders, errors, the simulator's clock and end, and anything else each have their type."""
    assert parse_text(b'{"type":"order","data":{"order_id":"1"}}') == OrderMessage(b'{"order_id":"1"}')
    assert parse_text(b'{"type":"error","data":"token expired"}') == ErrorMessage("token expired")
    assert parse_text(b'{"type":"error","data":"\xff"}') == ErrorMessage('"\ufffd"')
    assert parse_text(b'{"type":"error","data":{"code":3}}') == ErrorMessage('{"code":3}')
    assert parse_text(clock_message(1_705_560_000_000).encode()) == ClockMessage(1_705_560_000_000)
    assert parse_text(end_message(7).encode()) == EndMessage(7)
    assert parse_text(b'{"type":"instruments_meta","data":{"count":1},"more":2}') == OtherMessage(
        "instruments_meta", b'{"count":1}'
    )
    assert parse_text(b'{"type":"message"}') == OtherMessage("message", b"null")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"type":"\xff"}',
        b"order",
        b"[]",
        b"{}",
        b'{"type":5}',
        b'{"type":"clock"}',
        b'{"type":"clock","data":{"time":-1}}',
        b'{"type":"end","data":{"time":1e300}}',
        b'{"type":"order","data":\xff}',
        b'{"type":"x","data":' + b"[" * 100_000,
    ],
)
def test_hostile_texts_are_decode_errors_that_keep_the_bytes(data: bytes) -> None:
    """What is no message of the protocol is named as such, never anything else."""
    with pytest.raises(DecodeError) as caught:
        parse_text(data)
    assert caught.value.data == data


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_a_decode_error(data: bytes) -> None:
    """Nothing else than DecodeError comes out of either reader."""
    for parse in (parse_text, parse_request):
        try:
            message = parse(data)
        except DecodeError as error:
            message = error.data
        assert message == data or data.lstrip().startswith(b"{")


@pytest.mark.parametrize(
    "data",
    [b'{"a":"\xff","v":[]}', b'{"a":"buy","v":[]}', b'{"a":"mode","v":["deep",[1]]}', b'{"a":"subscribe","v":"x"}'],
)
def test_requests_nobody_can_serve_are_decode_errors(data: bytes) -> None:
    """An unknown action, mode or list is refused."""
    with pytest.raises(DecodeError):
        parse_request(data)
