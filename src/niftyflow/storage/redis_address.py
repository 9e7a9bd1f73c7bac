"""Where a Redis server or its Sentinels are, and who we are there: the settings, checked, as the client takes them.

It connects to nothing. Its text names hosts only, never a user or a password.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from niftyflow.model import Misconfigured
from niftyflow.storage.settings import RedisSettings

DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
EXAMPLES: Final = "redis://host:6379/0, rediss://host:6379/0 or unix:///path/of.sock"


class RedisAddress:
    """The options of a connection, and of one to a Sentinel.

    Raises:
        Misconfigured: naming the setting and what to do; the address itself is not told, it may hold a password.
    """

    def __init__(self, settings: RedisSettings) -> None:
        try:
            url = urlsplit(settings.url.get_secret_value())
            port = url.port or DEFAULT_PORT
        except ValueError as error:
            raise Misconfigured(f"hot.url is no address: {error}; such as {EXAMPLES}") from error
        self.scheme = url.scheme
        if self.scheme not in ("redis", "rediss", "unix") or url.query or url.fragment:
            raise Misconfigured(f"hot.url is not an address of Redis without further options, such as {EXAMPLES}")
        self.sentinels = [_host_and_port(text) for text in settings.sentinels]
        if bool(self.sentinels) != bool(settings.sentinel_master):
            raise Misconfigured("hot.sentinels and hot.sentinel_master go together: set both, or neither")
        if self.sentinels and self.scheme == "unix":
            raise Misconfigured("hot.url names a socket file, and hot.sentinels servers: set one of them only")
        self.options = _credentials(url, settings) | _tls(self.scheme, settings)
        if self.scheme == "unix":
            self.options |= {"path": unquote(url.path), "db": 0}
            self.text = f"Redis at {self.options['path']}"
        elif self.sentinels:
            self.options["db"] = _database(url)
            self.text = f"Redis master {settings.sentinel_master} of {', '.join(settings.sentinels)}"
        else:
            self.options |= {"host": url.hostname or "127.0.0.1", "port": port, "db": _database(url)}
            self.text = f"Redis at {self.options['host']}:{port}"
        self.sentinel_options: dict[str, Any] = {
            "username": settings.sentinel_username or None,
            "password": settings.sentinel_password.get_secret_value() or None,
            "db": 0,
        }


def _credentials(url: SplitResult, settings: RedisSettings) -> dict[str, Any]:
    username = unquote(url.username or "") or settings.username
    password = unquote(url.password or "") or settings.password.get_secret_value()
    if username and not password:
        raise Misconfigured(f"Redis user {username} has no password: set hot.password")
    return {"username": username or None, "password": password or None}


def _tls(scheme: str, settings: RedisSettings) -> dict[str, Any]:
    files = {
        "ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.certificate_file, "ssl_keyfile": settings.key_file,
    }  # fmt: skip
    given = {name: str(file) for name, file in files.items() if file is not None}
    if scheme != "rediss":
        if given:
            raise Misconfigured("hot.ca_file, certificate_file and key_file are for TLS: begin hot.url with rediss:")
        return {}
    for file in filter(None, files.values()):
        if not file.is_file():
            raise Misconfigured(f"there is no file {file}, which the settings of hot name")
    return given | {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}


def _database(url: SplitResult) -> int:
    text = url.path.strip("/")
    if text and not text.isdecimal():
        raise Misconfigured(f"hot.url ends with {text!r}: what follows the host is the number of a database")
    return int(text or 0)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":")
    if not host:
        host, port = port, str(SENTINEL_PORT)
    if not port.isdecimal():
        raise Misconfigured(f"hot.sentinels has {text!r}: give each as host:port")
    return host.strip("[]"), int(port)
