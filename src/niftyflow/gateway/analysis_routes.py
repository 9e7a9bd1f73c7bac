"""Routes of what was concluded: the view of the market, scorecards, indicators, signals.

It asks by name (calls) and reads stores; the numbers are made by analysis, which it does not know.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from niftyflow.gateway import schemas_analysis as schemas
from niftyflow.gateway.decision_rows import analysis_row, signal_row, summary_row
from niftyflow.gateway.envelope import success
from niftyflow.gateway.errors import NotFound
from niftyflow.gateway.newest_view import newest_view
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_common import answers
from niftyflow.gateway.schemas_trading import NAME, SYMBOL
from niftyflow.gateway.sources import sources_of
from niftyflow.kit.clock import monotonic
from niftyflow.model import Interval, InvalidValue, Scorecard, milliseconds, parse_instrument

router = APIRouter(prefix="/api/v1", tags=["analysis"], route_class=Route)

LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01; nothing later is asked for on purpose."""
MOST_KEPT: Final = 2_000
"""Encoded scorecards that are kept."""
MOST_PARAMETERS: Final = 10
NUMBER: Final = re.compile(r"-?\d{1,12}(\.\d{1,12})?")

SymbolAsked = Annotated[str, Query(pattern=SYMBOL, description="RELIANCE or NSE:RELIANCE", examples=["RELIANCE"])]
MaybeSymbol = Annotated[str | None, Query(pattern=SYMBOL, description="RELIANCE or NSE:RELIANCE")]
Moment = Annotated[int | None, Query(ge=0, le=LATEST_MS, description="ms UTC")]
EXAMPLES: Final = schemas.EXAMPLES


@router.get(
    "/market-view", operation_id="getMarketView", summary="The market as a whole at the newest minute",
    responses=answers(schemas.MarketViewAnswer, "not_found", example=EXAMPLES["market_view"]),
)  # fmt: skip
async def market_view(request: Request) -> Response:
    """Return breadth, movers and mood over the universe; 404 before the first closed minute."""
    view = await newest_view(request).get()
    if view is None:
        raise NotFound("no view yet: the first comes when a minute has closed")
    return success(view)


@router.get(
    "/analyze", operation_id="analyze", summary="An instrument's scorecard",
    responses=answers(
        schemas.AnalysisAnswer, "unknown_instrument", "refused", example=EXAMPLES["analysis"],
    ),
)  # fmt: skip
async def analyze(request: Request, symbol: SymbolAsked, at: Moment = None) -> Response:
    """Return the scorecard of the newest closed candle, or of the last one that had ended at `at`.

    409 when `at` lies before the instrument's first candle.
    """
    began = monotonic()
    sources = sources_of(request)
    card: Scorecard = await sources.caller.call("analyze", symbol=symbol, at=at)
    encoded = _encoded(request, card)
    meta = {
        "latency_ms": round((monotonic() - began) * 1000, 3),
        "data_age_seconds": round((sources.clock.now() - milliseconds(card.timestamp)) / 1000, 1),
    }
    return success(msgspec.Raw(encoded[:-1] + b',"meta":' + msgspec.json.encode(meta) + b"}"))


@router.get(
    "/analyze/market", operation_id="analyzeMarket", summary="Every instrument's newest scorecard in short",
    responses=answers(list[schemas.SummaryAnswer], example=EXAMPLES["summary"]),
)  # fmt: skip
async def analyze_market(request: Request) -> Response:
    """Return instruments by key; each has the time of its own newest minute."""
    cards: list[Scorecard] = await sources_of(request).caller.call("scorecards")
    return success([summary_row(card) for card in cards])


@router.get(
    "/indicators", operation_id="listIndicators", summary="The indicators there are",
    responses=answers(list[schemas.IndicatorAnswer], example=EXAMPLES["indicators"]),
)  # fmt: skip
async def indicators(request: Request) -> Response:  # noqa: ARG001 - as all routes
    """Return each indicator with its parameters, their bounds, its formula and where that stands."""
    from niftyflow.kernels.indicators.registry import REGISTRY  # noqa: PLC0415 - heavy

    return success(
        [
            {
                "name": each.name, "title": each.title, "inputs": each.inputs, "outputs": each.outputs,
                "parameters": [
                    {
                        "name": one.name, "default": one.default, "minimum": one.minimum, "maximum": one.maximum,
                        "meaning": one.meaning, "is_whole": one.is_whole,
                    }
                    for one in each.parameters
                ],
                "formula": each.formula, "source": each.source,
            }
            for each in REGISTRY.values()
        ]
    )  # fmt: skip


@router.get(
    "/indicators/{name}", operation_id="getIndicator", summary="An indicator over stored candles",
    responses=answers(
        schemas.IndicatorValuesAnswer, "not_found", "unknown_instrument", example=EXAMPLES["indicator"]
    ),
)  # fmt: skip
async def indicator(
    request: Request, name: Annotated[str, Path(max_length=40, examples=["rsi"])], symbol: SymbolAsked,
    interval: Interval = Interval.M1,
    limit: Annotated[int, Query(ge=1, le=5000, description="Candles, the newest")] = 500,
    parameters: Annotated[str, Query(max_length=200, description="NAME:VALUE,…", examples=["period:14"])] = "",
) -> Response:  # fmt: skip
    """Return its values, oldest first, null before it is defined; what is not named stands at its default."""
    from niftyflow.kernels.indicators.registry import REGISTRY  # noqa: PLC0415 - heavy

    if name not in REGISTRY:
        raise NotFound(f"there is no indicator {name!r}; there are {', '.join(REGISTRY)}")
    found: dict[str, Any] = await sources_of(request).caller.call(
        "indicator", name=name, symbol=symbol, interval=interval, limit=limit, parameters=_parameters(parameters)
    )
    return success(found)


@router.get(
    "/signals", operation_id="listSignals", summary="What rules concluded, newest first",
    responses=answers(list[schemas.SignalAnswer], example=EXAMPLES["signals"]),
)  # fmt: skip
async def signals(
    request: Request, since: Moment = None, until: Moment = None, symbol: MaybeSymbol = None,
    strategy: Annotated[str | None, Query(pattern=NAME, description="The rule's name")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:  # fmt: skip
    """Return signals with `since` <= timestamp < `until`."""
    instrument = None if symbol is None else str(parse_instrument(symbol))
    found = await sources_of(request).decisions.signals(
        since or 0, LATEST_MS if until is None else until, instrument=instrument, strategy=strategy, limit=limit
    )
    return success([signal_row(each) for each in reversed(found)])


def _encoded(request: Request, card: Scorecard) -> bytes:
    """Return the scorecard as JSON, encoded once for as long as it is the newest."""
    state = request.app.state
    kept: dict[str, tuple[Scorecard, bytes]] | None = getattr(state, "encoded_scorecards", None)
    if kept is None or len(kept) >= MOST_KEPT:
        kept = state.encoded_scorecards = {}
    known = kept.get(card.instrument)
    if known is None or known[0] is not card:
        known = kept[card.instrument] = (card, msgspec.json.encode(analysis_row(card)))
    return known[1]


def _parameters(text: str) -> dict[str, float]:
    """Return `period:14,multiplier:3` as numbers by name.

    Raises:
        InvalidValue: it is written otherwise, or a name comes twice.
    """
    found: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition(":")
        if not name.strip() or NUMBER.fullmatch(value.strip()) is None:
            raise InvalidValue("parameters", part, "write NAME:NUMBER,…, such as period:14,multiplier:3")
        if name.strip() in found or len(found) >= MOST_PARAMETERS:
            raise InvalidValue("parameters", part, "each name once")
        found[name.strip()] = float(value)
    return found
