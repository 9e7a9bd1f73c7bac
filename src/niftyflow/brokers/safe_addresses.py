"""Which addresses credentials may be sent to: over TLS to anywhere, in the open to this machine alone.

Pure rules on the text of an address. It resolves no name and connects to nothing.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from niftyflow.model import Misconfigured


def refuse_unsafe(url: str) -> None:
    """Refuse an address that would send credentials in the open.

    Raises:
        Misconfigured: it is neither wss:// nor ws:// to this machine itself.
    """
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError as error:
        raise Misconfigured(f"{url} has no valid port: {error}") from error
    if not parts.hostname or not (parts.scheme == "wss" or (parts.scheme == "ws" and _is_loopback(parts.hostname))):
        raise Misconfigured(
            f"{parts.scheme}://{parts.hostname or ''} is refused: use wss://, or ws:// to 127.0.0.1 for a simulator"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
