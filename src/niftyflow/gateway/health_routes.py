"""Whether the process lives, whether everything it needs is there, and its metrics."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

import prometheus_client
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from niftyflow.gateway.envelope import failure, success
from niftyflow.gateway.errors import request_id_of
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_common import Described, answers, failures
from niftyflow.gateway.sources import sources_of
from niftyflow.kit.readiness import Pinged, dependencies_of, readiness

router = APIRouter(tags=["operations"], route_class=Route)


class LiveAnswer(Described):
    """It answers, so it lives."""

    is_live: Literal[True]


class PartAnswer(Described):
    """A worker or a dependency, and how it is."""

    name: str
    state: str = Field(examples=["running"])
    reason: str = Field(description="Why, when it does not run")


class ReadyAnswer(Described):
    """Every worker and dependency."""

    is_ready: bool
    workers: list[PartAnswer]
    dependencies: list[PartAnswer]


READY: Final = {
    "is_ready": True,
    "workers": [{"name": "processing", "state": "running", "reason": ""}],
    "dependencies": [{"name": "market store", "state": "running", "reason": ""}],
}

PROMETHEUS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
    **failures("unauthenticated", "forbidden", "too_many_requests", "internal", "unavailable", "timeout"),
}


@router.get(
    "/health/live", operation_id="getLive", summary="Whether the process lives",
    responses=answers(LiveAnswer, example={"is_live": True}),
)  # fmt: skip
async def live() -> Response:
    """Answer, without a key and without looking at anything."""
    return success({"is_live": True})


@router.get(
    "/health/ready", operation_id="getReady", summary="Whether everything it needs is there",
    responses=answers(ReadyAnswer, example=READY, means="All of it runs; else 503 with the same in `details`"),
)  # fmt: skip
async def ready(request: Request) -> Response:
    """Return the state of every worker and of every store and topic it depends on; 503 when one is not well."""
    sources = sources_of(request)
    stores: dict[str, Pinged] = {"market store": sources.market, "book": sources.book, "hot store": sources.hot}
    found = await readiness(sources.health, dependencies_of(sources.bus, stores))
    if not found.away:
        return success(found.body)
    return failure("unavailable", found.message, request_id_of(request), found.body, {"Retry-After": "1"})


@router.get(
    "/metrics", operation_id="getMetrics", summary="Metrics for Prometheus", response_class=Response,
    responses=PROMETHEUS,
)  # fmt: skip
async def metrics() -> Response:
    """Return every metric of the process."""
    text = await asyncio.to_thread(prometheus_client.generate_latest)
    return Response(text, media_type="text/plain; version=0.0.4")
