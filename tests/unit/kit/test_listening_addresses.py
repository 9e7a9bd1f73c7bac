"""Addresses to listen on: had at once, or refused with what to do."""

from __future__ import annotations

import errno
import socket

import pytest

from niftyflow.kit.addresses import listening, refusal_of_address, spelled_host
from niftyflow.model import Misconfigured


def test_a_free_port_is_taken_and_a_taken_one_refused():
    """Whoever comes second is told which port, and what to do."""
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"port {port} on 127.0.0.1 is taken"):
            listening("127.0.0.1", port)
    listening("127.0.0.1", port).close()


@pytest.mark.parametrize(
    "error", [OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), socket.gaierror("Name not known")]
)
def test_an_address_of_no_interface_is_refused(error):
    """One line, with what to do."""
    refused = refusal_of_address(error, "192.0.2.1", 8000)
    assert "192.0.2.1:8000" in str(refused)
    assert "choose an address of this machine" in str(refused)
    assert "\n" not in str(refused)


def test_a_port_that_only_root_may_have_says_so():
    """Above 1023 anybody may."""
    assert "above 1023" in str(refusal_of_address(OSError(errno.EACCES, "no"), "127.0.0.1", 80))


def test_hosts_in_links_are_spelled_as_links_want_them():
    """IPv6 in brackets."""
    assert [spelled_host(each) for each in ("127.0.0.1", "::1")] == ["127.0.0.1", "[::1]"]
