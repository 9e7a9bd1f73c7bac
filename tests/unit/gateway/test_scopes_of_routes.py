"""What a key needs for a request: by method and path alone, so that no route is open by mistake."""

from __future__ import annotations

import pytest

from niftyflow.gateway.front import scope_of
from niftyflow.gateway.keys import is_meant, is_same_origin


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/v1/prices", "read"),
        ("HEAD", "/api/v1/prices", "read"),
        ("POST", "/api/v1/orders", "trade"),
        ("PUT", "/api/v1/kill-switch", "trade"),
        ("DELETE", "/api/v1/orders/1", "trade"),
        ("PATCH", "/api/v1/anything/new", "trade"),
        ("FOO", "/api/v1/orders", "trade"),
        ("GET", "/api/v2/whatever", "read"),
        ("GET", "/api/v1/keys", "admin"),
        ("POST", "/api/v1/keys", "admin"),
        ("DELETE", "/api/v1/keys/1", "admin"),
        ("GET", "/api/v1/keystrokes", "read"),
        ("POST", "/api/v1/session", None),
        ("GET", "/api/v1/session", "read"),
        ("DELETE", "/api/v1/session", "read"),
        ("POST", "/api/v1/session/", "trade"),
        ("GET", "/health/live", None),
        ("GET", "/health/ready", "read"),
        ("GET", "/metrics", "read"),
        ("GET", "/docs", "read"),
        ("GET", "/openapi.json", "read"),
        ("GET", "/", None),
        ("GET", "/assets/index-1a2b.js", None),
        ("GET", "/chart/NSE:RELIANCE", None),
    ],
)
def test_each_kind_of_request_needs_its_scope(method, path, scope):
    """Whatever is new below /api needs one before it exists."""
    assert scope_of(method, path) == scope


@pytest.mark.parametrize(
    ("headers", "is_so"),
    [
        ({"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"}, True),
        ({"origin": "https://Example.org", "host": "example.org"}, True),
        ({"origin": "http://127.0.0.1:8001", "host": "127.0.0.1:8000"}, False),
        ({"origin": "http://evil.example", "host": "127.0.0.1:8000"}, False),
        ({"origin": "null", "host": "127.0.0.1:8000"}, False),
        ({"origin": "http://[bad", "host": "127.0.0.1:8000"}, False),
        ({"host": "127.0.0.1:8000"}, False),
        ({"origin": "http://127.0.0.1:8000"}, False),
    ],
)
def test_an_origin_is_ours_when_it_is_the_host_it_came_to(headers, is_so):
    """Port included."""
    assert is_same_origin(headers) is is_so
    assert is_meant(headers) is is_so


def test_our_own_header_shows_that_our_page_meant_it():
    """Other sites cannot set it without being allowed to."""
    assert is_meant({"x-requested-with": "niftyflow"})
    assert not is_meant({"x-requested-with": "XMLHttpRequest"})
