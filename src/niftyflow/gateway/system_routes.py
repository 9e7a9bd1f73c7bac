"""The route of the running system: every layer's state, rates and lag, as the page draws it."""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from niftyflow.gateway.envelope import success
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_common import Described, answers
from niftyflow.gateway.schemas_market import Ms
from niftyflow.gateway.sources import sources_of

router = APIRouter(prefix="/api/v1", tags=["system"], route_class=Route)

LayerState = Literal["running", "waiting", "starting", "stopped", "failed"]


class RatesAnswer(Described):
    """Records a second, over the last ten seconds."""

    inward: float = Field(alias="in")
    outward: float = Field(alias="out")


class LayerAnswer(Described):
    """One of the nine layers, or (0) a business noun beside them."""

    name: str
    layer: int
    title: str
    state: LayerState
    reason: str
    rates: RatesAnswer
    lag: int = Field(description="Records it has not read yet")
    latency_ms: float | None = Field(description="Median of what its work took lately; null where it is not measured")
    restarts: int = Field(description="Times it crashed and was begun again")


class EdgeAnswer(Described):
    """A topic from the layer that writes it to one that reads it."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    topic: str
    rate: float


class TopicAnswer(Described):
    """A topic of the log."""

    topic: str
    records: int
    rate: float
    dead_letters: int = Field(description="Put aside and not dealt with yet")


class StoreAnswer(Described):
    """A store, or the bus."""

    name: str
    state: LayerState
    detail: str


class SystemAnswer(Described):
    """The running graph."""

    time: Ms
    uptime_seconds: float
    memory_bytes: int
    is_healthy: bool
    layers: list[LayerAnswer]
    edges: list[EdgeAnswer]
    topics: list[TopicAnswer]
    stores: list[StoreAnswer]


EXAMPLE: Final[dict[str, Any]] = {
    "time": 1795156200000, "uptime_seconds": 312.4, "memory_bytes": 241172480, "is_healthy": True,
    "layers": [
        {"name": "processing", "layer": 2, "title": "Makes candles", "state": "running", "reason": "",
         "rates": {"in": 812.0, "out": 9.2}, "lag": 0, "latency_ms": None, "restarts": 0}
    ],
    "edges": [{"from": "ingestion", "to": "processing", "topic": "raw-ticks", "rate": 812.0}],
    "topics": [{"topic": "raw-ticks", "records": 120431, "rate": 812.0, "dead_letters": 0}],
    "stores": [{"name": "market", "state": "running", "detail": "12.3 MB"}],
}  # fmt: skip


@router.get(
    "/system", operation_id="getSystem", summary="The running system as a picture",
    responses=answers(SystemAnswer, example=EXAMPLE),
)  # fmt: skip
async def system(request: Request) -> Response:
    """Return layers in the graph's order, the topics between them, and the stores; looked at once a second."""
    return success(await sources_of(request).caller.call("system"))
