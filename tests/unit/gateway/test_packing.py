"""Compression as answers are sent."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from niftyflow.gateway.packing import SMALLEST_BYTES, Packing, takes_gzip

LONG = b'{"price":2850.5}' * 200


async def sent(*pieces: bytes, status: int = 200, **headers: str) -> tuple[dict[bytes, bytes], bytes, int]:
    """Return the headers, the body and the number of pieces of an answer that was packed."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    packing = Packing(send)
    named = {"content-type": "application/json", "content-length": str(sum(map(len, pieces)))} | headers
    head = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    await packing({"type": "http.response.start", "status": status, "headers": head})
    for place, piece in enumerate(pieces):
        await packing({"type": "http.response.body", "body": piece, "more_body": place + 1 < len(pieces)})
    assert messages[0]["type"] == "http.response.start"
    return dict(messages[0]["headers"]), b"".join(each["body"] for each in messages[1:]), len(messages) - 1


async def test_a_long_answer_is_packed_and_says_so():
    """With the length of what is sent, and that caches must keep both forms apart."""
    headers, body, _ = await sent(LONG)
    assert gzip.decompress(body) == LONG
    assert headers[b"content-encoding"] == b"gzip"
    assert headers[b"vary"] == b"Accept-Encoding"
    assert headers[b"content-length"] == str(len(body)).encode()


async def test_an_answer_in_pieces_is_packed_as_it_comes():
    """Its length is not known before its end."""
    headers, body, pieces = await sent(LONG, b"", LONG)
    assert gzip.decompress(body) == LONG * 2
    assert b"content-length" not in headers
    assert pieces == 3


@pytest.mark.parametrize(
    ("pieces", "changes"),
    [
        ((b"x" * (SMALLEST_BYTES - 1),), {}),
        ((LONG,), {"content_type": "image/png"}),
        ((LONG,), {"content_encoding": "br"}),
        ((LONG,), {"status": 206}),
        ((b"",), {"status": 304}),
    ],
)
async def test_what_is_small_ranged_or_packed_goes_as_it_is(pieces, changes):
    """Byte for byte, with its own length."""
    headers, body, _ = await sent(*pieces, **changes)
    assert body == b"".join(pieces)
    assert headers[b"content-length"] == str(len(body)).encode()


async def test_the_tag_of_what_was_packed_is_a_weak_one():
    """The bytes are not those that the tag was made of."""
    assert (await sent(LONG, etag='"abc"'))[0][b"etag"] == b'W/"abc"'


@pytest.mark.parametrize(
    ("value", "wanted"), [(b"gzip, br", True), (b"deflate", False), (b"gzip;q=0", False), (b"gzip;q=0.5", True)]
)
def test_only_who_takes_gzip_gets_it(value, wanted):
    """`q=0` means never."""
    assert takes_gzip([(b"accept-encoding", value)]) is wanted
    assert not takes_gzip([])
