"""Where the settings say that Redis is: understood, or refused without telling a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from niftyflow.model import Misconfigured
from niftyflow.storage.redis_address import RedisAddress
from niftyflow.storage.settings import RedisSettings


def address(**changes: Any) -> RedisAddress:
    """Return what settings come to."""
    return RedisAddress(RedisSettings.model_validate(changes))


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("redis://127.0.0.1:6379/0", {"host": "127.0.0.1", "port": 6379, "db": 0, "username": None, "password": None}),
        ("redis://cache", {"host": "cache", "port": 6379, "db": 0}),
        ("redis://[::1]:7000/3", {"host": "::1", "port": 7000, "db": 3}),
        ("redis://desk:p%40ss@cache:6380", {"username": "desk", "password": "p@ss", "port": 6380}),
        ("redis://:only@cache", {"username": None, "password": "only"}),
        ("unix:///run/redis%20one.sock", {"path": "/run/redis one.sock"}),
        ("rediss://cache", {"host": "cache", "ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}),
    ],
)
def test_an_address_gives_host_database_and_credentials(url: str, wanted: dict[str, Any]):
    """Each part as the client takes it; what is not told has its default."""
    options = address(url=url).options
    assert {name: options[name] for name in wanted} == wanted


def test_credentials_of_the_address_come_before_those_beside_it():
    """Either place will do; TLS is never half asked for."""
    assert address(username="desk", password="secret").options["password"] == "secret"
    assert address(url="redis://a:b@cache", username="desk", password="secret").options["username"] == "a"


def test_the_text_of_an_address_names_no_user_and_no_password():
    """It goes into errors and logs."""
    told = address(url="redis://desk:secret@cache:6380/1").text
    assert told == "Redis at cache:6380"
    named = address(url="rediss://desk:secret@x", sentinels=["a:1", "b"], sentinel_master="market")
    assert named.text == "Redis master market of a:1, b"
    assert named.sentinels == [("a", 1), ("b", 26379)]
    assert "host" not in named.options


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": "http://desk:secret@cache"}, "hot.url"),
        ({"url": "desk:secret"}, "hot.url"),
        ({"url": "redis://desk:secret@cache:port"}, "hot.url"),
        ({"url": "redis://desk:secret@cache/prices"}, "number of a database"),
        ({"url": "rediss://desk:secret@cache?ssl_cert_reqs=none"}, "hot.url"),
        ({"url": "redis://desk@cache"}, "hot.password"),
        ({"ca_file": "ca.pem"}, "rediss:"),
        ({"url": "rediss://cache", "ca_file": "no-such-file.pem"}, "no-such-file.pem"),
        ({"sentinels": ["a:1"]}, "hot.sentinel_master"),
        ({"sentinel_master": "market"}, "hot.sentinels"),
        ({"sentinels": ["a:b"], "sentinel_master": "market"}, "host:port"),
        ({"url": "unix:///s", "sentinels": ["a:1"], "sentinel_master": "market"}, "set one of them"),
    ],
)
def test_what_is_no_address_is_refused_by_the_settings_name(changes: dict[str, Any], named: str):
    """And the password that stood in it is not told."""
    with pytest.raises(Misconfigured, match=named) as refused:
        address(**changes)
    assert "secret" not in str(refused.value)


def test_a_certificate_that_is_there_goes_to_the_client(tmp_path: Path):
    """All three files, as they are named."""
    file = tmp_path / "x.pem"
    file.touch()
    options = address(url="rediss://cache", ca_file=file, certificate_file=file, key_file=file).options
    assert [options[name] for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")] == [str(file)] * 3
