"""Routes of strategies, the kill switch and the demo's market: what runs, and what may."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from starlette.responses import Response

from niftyflow.gateway import examples_trading as examples
from niftyflow.gateway import schemas_trading as schemas
from niftyflow.gateway.decision_rows import strategy_row
from niftyflow.gateway.envelope import success
from niftyflow.gateway.errors import NotFound
from niftyflow.gateway.giving import IdempotencyKey, answer_of, given, not_yet, status_of
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_common import answers
from niftyflow.gateway.sources import Playing, Sources, sources_of
from niftyflow.market import day_start, ist_day
from niftyflow.model import CommandKind, Retryable, parse_instrument
from niftyflow.model.account_views import AccountView

router = APIRouter(prefix="/api/v1", tags=["strategies"], route_class=Route)

StrategyName = Annotated[str, Path(pattern=schemas.NAME, examples=["ema-cross"])]


@router.get(
    "/strategies", operation_id="listStrategies", summary="Strategies of the account",
    responses=answers(list[schemas.StrategyAnswer], example=[examples.STRATEGY]),
)  # fmt: skip
async def strategies(request: Request) -> Response:
    """Return strategies by name: those that run, were stopped, or failed and why."""
    sources = sources_of(request)
    states = await sources.book.strategies(sources.account)
    today = day_start(ist_day(sources.clock.now()))
    orders = Counter(each.strategy for each in await sources.book.orders(sources.account, since=today))
    view = await _view(sources)
    return success([strategy_row(state, view, orders[state.name]) for state in states])


@router.get(
    "/strategies/kinds", operation_id="listStrategyKinds", summary="Kinds of strategies",
    responses=answers(list[schemas.StrategyKindAnswer], example=[examples.KIND]),
)  # fmt: skip
async def strategy_kinds(request: Request) -> Response:
    """Return each kind with its parameters as a JSON schema."""
    return success(await sources_of(request).caller.call("strategy_kinds"))


@router.post(
    "/strategies", operation_id="startStrategy", summary="Start a strategy", status_code=201,
    responses=answers(
        schemas.GivenAnswer, "refused", status=201, body=True, means="Started", example={"command": examples.COMMAND}
    ) | not_yet(schemas.GivenAnswer),
)  # fmt: skip
async def start_strategy(request: Request, asked: schemas.StrategyAsked, key: IdempotencyKey = None) -> Response:
    """Start a strategy under a name; one that was stopped or failed starts anew."""
    body: dict[str, Any] = {
        "name": asked.name, "kind": asked.kind, "parameters": asked.parameters,
        "instruments": [str(parse_instrument(each)) for each in asked.instruments],
    }  # fmt: skip
    if asked.on_error is not None:
        body["on_error"] = asked.on_error
    command, result = await given(request, CommandKind.START_STRATEGY, body, key)
    return success(answer_of(command, result), status_of(result, 201))


@router.post(
    "/strategies/{name}/stop", operation_id="stopStrategy", summary="Stop a strategy",
    responses=answers(
        schemas.GivenAnswer, "not_found", "refused", body=True, example={"command": examples.COMMAND}
    ) | not_yet(schemas.GivenAnswer),
)  # fmt: skip
async def stop_strategy(
    request: Request, name: StrategyName, asked: Annotated[schemas.StopAsked | None, Body()] = None,
    key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    """Stop a strategy; its positions stay open, each with the stop that protects it, unless `square_off`."""
    sources = sources_of(request)
    if name not in {each.name for each in await sources.book.strategies(sources.account)}:
        raise NotFound(f"there is no strategy {name}")
    body = {"name": name, "square_off": asked is not None and asked.square_off}
    command, result = await given(request, CommandKind.STOP_STRATEGY, body, key)
    return success(answer_of(command, result), status_of(result))


@router.get(
    "/kill-switch", operation_id="getKillSwitch", summary="How the kill switch stands",
    responses=answers(schemas.KillSwitchAnswer, example=examples.KILL_SWITCH),
)  # fmt: skip
async def kill_switch(request: Request) -> Response:
    """Return whether nothing may be ordered, and why."""
    view: AccountView = await sources_of(request).caller.call("account")
    return success(view.portfolio.kill_switch)


@router.put(
    "/kill-switch", operation_id="setKillSwitch", summary="Pull or release the kill switch",
    responses=answers(
        schemas.KillSwitchGivenAnswer, "refused", body=True,
        example={"command": examples.COMMAND, "kill_switch": examples.KILL_SWITCH | {"is_on": True}},
    ) | not_yet(schemas.KillSwitchGivenAnswer, kill_switch=examples.KILL_SWITCH),
)  # fmt: skip
async def set_kill_switch(request: Request, asked: schemas.KillSwitchAsked, key: IdempotencyKey = None) -> Response:
    """Pull it: working orders are cancelled and no order passes the risk gate until it is released."""
    body = {"on": asked.is_on, "reason": asked.reason, "square_off": asked.square_off}
    command, result = await given(request, CommandKind.SET_KILL_SWITCH, body, key)
    view = await _view(sources_of(request))
    switch = None if view is None else view.portfolio.kill_switch
    return success(answer_of(command, result, kill_switch=switch), status_of(result))


@router.get(
    "/demo", operation_id="getDemo", summary="How the demo's market goes on", tags=["demo"],
    responses=answers(schemas.DemoAnswer, "not_found", example={"speed": 10.0, "is_paused": False}),
)  # fmt: skip
async def demo(request: Request) -> Response:
    """Return the speed of the synthetic market; 404 when this is no demo."""
    return success(_played(_playing(request)))


@router.put(
    "/demo", operation_id="changeDemo", summary="Hasten, slow down or pause the demo's market", tags=["demo"],
    responses=answers(schemas.DemoAnswer, "not_found", body=True, example={"speed": 60.0, "is_paused": False}),
)  # fmt: skip
async def change_demo(request: Request, asked: schemas.DemoAsked) -> Response:
    """Go on at another speed, or stop and go; 404 when this is no demo."""
    playing = _playing(request)
    playing.change(speed=asked.speed, is_paused=asked.is_paused)
    return success(_played(playing))


def _playing(request: Request) -> Playing:
    playing = sources_of(request).playing
    if playing is None:
        raise NotFound("this is no demo: its market goes on by itself")
    return playing


def _played(playing: Playing) -> dict[str, Any]:
    return {"speed": playing.speed, "is_paused": playing.is_paused}


async def _view(sources: Sources) -> AccountView | None:
    """Return the account as it stands, or None while nobody trades it here."""
    try:
        view: AccountView = await sources.caller.call("account")
    except Retryable:
        return None
    return view
