"""The real market data beside the checkout; tests that need it skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("NIFTYFLOW_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def shared_data(name: str) -> Path:
    """Return the path of a file or folder of the data set, or skip the test."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"market data {name} is not there (set NIFTYFLOW_TEST_DATA to the data folder)")
    return path
