"""Addresses that servers listen on: bound at once, or refused in one line that says what to do. It serves nothing."""

from __future__ import annotations

import errno
import socket
from urllib.parse import urlsplit

from niftyflow.model import Misconfigured

BACKLOG = 2048


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a TCP address; port 0 takes a free one. Whoever connects waits until served.

    Raises:
        Misconfigured: the address cannot be had; the message says what to do.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise refusal_of_address(error, host, port) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
        bound.settimeout(0)
    except OSError as error:
        bound.close()
        raise refusal_of_address(error, host, port) from error
    return bound


def spelled_host(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def here_of(host: str) -> str:
    """Return the host by which this machine reaches what listens there: all of its addresses are none to go to."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound to it


def place_of(address: str) -> str:
    """Return host and port of an address like http://host:port, as people are told of it."""
    return urlsplit(address).netloc or address


def refusal_of_address(error: OSError, host: str, port: int) -> Misconfigured:
    """Return what to tell somebody who cannot listen on an address."""
    if error.errno == errno.EADDRINUSE:
        return Misconfigured(f"port {port} on {host} is taken; stop what holds it, or choose another (0: any free one)")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Misconfigured(f"port {port} is not allowed for this user; choose one above 1023")
    return Misconfigured(
        f"cannot listen on {host}:{port}: {error.strerror or error}; choose an address of this machine"
    )
