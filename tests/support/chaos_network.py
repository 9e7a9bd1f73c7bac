"""A network namespace with a cable of its own to this machine, which can be cut and mended; for Linux's root alone."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

HERE, THERE = "10.213.6.1", "10.213.6.2"
"""This machine's end of the cable, and the namespace's."""


class Namespace:
    """A place whose processes reach this machine by a cable only."""

    def __init__(self, name: str = "niftyflow-cut") -> None:
        self.name = name
        self._cable = name[:13]
        self.prefix = ("ip", "netns", "exec", name)

    def lay(self) -> None:
        """Make the namespace and lay the cable."""
        near, far = f"{self._cable}-a", f"{self._cable}-b"
        _ip("netns", "add", self.name)
        _ip("link", "add", near, "type", "veth", "peer", "name", far)
        _ip("link", "set", far, "netns", self.name)
        _ip("addr", "add", f"{HERE}/30", "dev", near)
        _ip("link", "set", near, "up")
        for command in (
            ("addr", "add", f"{THERE}/30", "dev", far), ("link", "set", far, "up"), ("link", "set", "lo", "up"),
        ):  # fmt: skip
            _ip("-n", self.name, *command)

    def cut(self) -> None:
        """Cut the cable: what is sent is lost, and nobody is told."""
        _ip("link", "set", f"{self._cable}-a", "down")

    def mend(self) -> None:
        """Mend the cable."""
        _ip("link", "set", f"{self._cable}-a", "up")

    def remove(self) -> None:
        """Take the namespace away, and the cable with it."""
        _ip("netns", "del", self.name, is_needed=False)
        _ip("link", "del", f"{self._cable}-a", is_needed=False)


def need_namespaces() -> None:
    """Skip where this user may not make a network namespace."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs Linux, root and the program ip")
    try:
        _ip("netns", "add", "niftyflow-probe")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
    _ip("netns", "del", "niftyflow-probe")


def _ip(*words: str, is_needed: bool = True) -> None:
    subprocess.run(["ip", *words], check=is_needed, capture_output=True, timeout=30)
