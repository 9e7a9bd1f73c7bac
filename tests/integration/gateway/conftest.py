"""A gateway over a small market, for every test here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateways import Gateway, gateway


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Give a gateway with its client."""
    async with gateway(tmp_path) as running:
        yield running
