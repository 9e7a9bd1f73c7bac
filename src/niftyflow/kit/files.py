"""Small files that are there whole or as they were before."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(file: Path, data: bytes) -> None:
    """Write a file for its owner alone (mode 0600): beside its place first, then moved there.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as out:  # noqa: PTH123 - a descriptor with its mode
        out.write(data)
    beside.replace(file)
