"""A gateway over a small market, and Redis servers, for every test here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateways import Gateway, gateway
from support.redis import redis_server, start_redis

__all__ = ["redis_server", "start_redis"]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Give a gateway with its client."""
    async with gateway(tmp_path) as running:
        yield running
