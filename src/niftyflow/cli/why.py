"""`niftyflow why ORDER`: the chain from an order back to the trades that made its candle, as text or JSON.

It only prints: `runtime/explanation.py` gathers the chain. Nothing is changed by asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.orders import price_of
from niftyflow.cli.signals import spelled
from niftyflow.cli.tables import clock, nothing, rupees
from niftyflow.kit.clock import to_ist
from niftyflow.model import Candle, FillEvent, MarketView, Order, Refused, Scorecard, Signal, milliseconds
from niftyflow.runtime.stores import has_book

if TYPE_CHECKING:
    from niftyflow.runtime.candle_trades import MadeOf, Trade
    from niftyflow.runtime.explanation import Explanation, Ground, Link, Sources
from niftyflow.runtime.workspace import Workspace

SHORTEST = 6
TICKS_SHOWN = 4
"""How many of the first, and of the last trades are shown without --ticks."""


def why(
    context: typer.Context,
    order: Annotated[str, typer.Argument(help="An order's id, or a unique beginning of it (6 characters or more).")],
    *,
    ticks: Annotated[bool, typer.Option("--ticks", help="Every trade of the candle, not the first and last few.")] = (
        False
    ),
    as_json: Annotated[bool, typer.Option("--json", help="The whole chain as one JSON object.")] = False,
) -> None:
    """Tell why an order was placed, back to the trades that made the candle it was decided on.

    Fills, states, risk checks, cause, signal, prediction, scorecard, view of the market, candle and its trades; these
    are folded again to see that they give the candle. Times are Indian.
    """
    if len(order) < SHORTEST:
        raise typer.BadParameter(f"{order!r} is too short: give 6 characters of the id or more")
    workspace = state_of(context).workspace
    settings_of(workspace, {}, quiet=True)
    run(_why(workspace, order, is_every_tick=ticks, as_json=as_json))


async def _why(workspace: Workspace, key: str, *, is_every_tick: bool, as_json: bool) -> None:
    from niftyflow.runtime.explanation import explain, sources  # noqa: PLC0415 - heavy

    if not has_book(workspace):
        raise nothing(f"there are no orders in {workspace.path} yet")
    async with sources(workspace) as on:
        order = await _order(on, key)
        (found,) = await explain(on, [order])
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    for line in _lines(found, is_every_tick=is_every_tick):
        typer.echo(line.rstrip())


async def _order(on: Sources, key: str) -> Order:
    order = await on.stores.book.order(key)
    if order is not None:
        return order
    several = [each.client_order_id for each in await on.stores.book.orders() if each.client_order_id.startswith(key)]
    if several:
        raise Refused(f"{len(several)} orders begin with {key}: {', '.join(several[:3])}; give more of it")
    raise nothing(f"no order {key} is in the book; `niftyflow orders` lists them")


# -- the chain -----------------------------------------------------------------------------------------------------


def _lines(found: Explanation, *, is_every_tick: bool) -> Iterator[str]:
    for place, link in enumerate(found.links):
        if place:
            yield f"which was placed when this order filled ({found.links[place - 1].cause.reference}):"
            yield ""
        yield from _link(link)
    yield from _origin(found)
    if found.signal is not None:
        yield from _signal(found.signal)
    for what, reason in found.missing.items():
        yield f"{what}: not known, {reason}"
    if found.ground is not None:
        yield from _ground(found.ground, is_every_tick=is_every_tick)


def _link(link: Link) -> Iterator[str]:
    order = link.order
    price = price_of(order)
    yield f"order {order.client_order_id} of account {order.account}: {order.state.value}"
    yield (
        f"  {order.side.value} {order.quantity:,} {order.instrument}  {order.order_type.value}"
        f"{' at ' + price if price else ''}, {order.product.value}, {order.validity.value}"
        f"{', ' + order.tag if order.tag else ''}"
    )
    if order.reason:
        yield f"  {order.reason}"
    yield ""
    yield "fills" if link.fills else "fills: none"
    for fill in link.fills:
        yield from _fill(fill)
    yield "states"
    for event in link.events:
        filled = f"  {event.filled:,} of {event.quantity:,}" if event.filled else ""
        yield f"  {_moment(event.at)}  {event.state.value}{filled}"
    yield f"risk gate at {_moment(order.decided_at)}: {order.risk.verdict}"
    for check in order.risk.checks:
        verdict = "passed" if check.is_passed else "FAILED"
        yield f"  {verdict}  {check.name:<13}  {check.value}  (limit {check.limit})"
    strategy = link.strategy
    of = f"strategy {order.strategy}"
    if strategy is not None and strategy.kind != order.strategy:
        of += f" ({strategy.kind})"
    yield f"{of}, cause {order.cause}"
    yield ""


def _fill(fill: FillEvent) -> Iterator[str]:
    value = fill.price * fill.quantity
    yield f"  {_moment(fill.at)}  {fill.quantity:,} at {rupees(fill.price)} = {rupees(value)}  ({fill.fill_id})"
    parts = ", ".join(f"{name} {amount:,.4f}" for name, amount in fill.charges.items())
    yield f"    charges {rupees(fill.total_charges)}: {parts or 'none'}"


def _origin(found: Explanation) -> Iterator[str]:
    """Say in words what the chain's first order follows from."""
    from niftyflow.runtime.causes import CauseKind  # noqa: PLC0415 - heavy

    cause = found.links[-1].cause
    said = {
        CauseKind.CANDLE: f"decided when the candle of {cause.instrument} of {clock(cause.time)} had closed",
        CauseKind.SIGNAL: f"decided on signal {cause.reference}",
        CauseKind.FILL: f"decided on fill {cause.reference}",
        CauseKind.TIMER: f"decided when timer {cause.reference} was due at {clock(cause.time)}",
        CauseKind.START: f"decided when its strategy was started at {clock(cause.time)}",
        CauseKind.STOP: f"decided when its strategy was stopped at {clock(cause.time)}",
        CauseKind.SQUARE_OFF: f"squared off before the close, due at {clock(cause.time)}",
        CauseKind.KILL_SWITCH: f"squared off before the kill switch came on, asked for at {clock(cause.time)}",
        CauseKind.COMMAND: f"asked for by command {cause.reference}",
        CauseKind.OTHER: f"decided on {cause.text}",
    }[cause.kind]
    exits = " to bring its position back" if cause.is_exit else ""
    yield f"{said}{exits}{', because its strategy threw' if cause.has_failed else ''}"
    if found.command is not None:
        given = found.command
        yield f"  {given.kind.value} by {given.by} at {clock(given.issued_at)}: {_json(given.body)}"
        if found.result is not None:
            yield f"  {'done' if found.result.is_done else 'refused: ' + found.result.reason}"
    yield ""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _signal(signal: Signal) -> Iterator[str]:
    until = to_ist(milliseconds(signal.valid_until))
    yield f"signal {signal.id}: {signal.strategy} says {signal.action.value}, strength {signal.strength:.2f}"
    yield f"  at {clock(milliseconds(signal.timestamp))}, valid until {until:%H:%M:%S}"
    yield f"  price {rupees(signal.price)}, stop {rupees(signal.stop)}, target {rupees(signal.target)}"
    for reason in signal.reason:
        yield f"  held: {spelled(reason)}"
    for what, seen in signal.saw.items():
        yield f"  saw {what} {seen}"
    yield ""


# -- the minute ----------------------------------------------------------------------------------------------------


def _ground(ground: Ground, *, is_every_tick: bool) -> Iterator[str]:
    if not ground.is_cause:
        yield "The cause names no candle; this is the last one of the instrument before it."
        yield ""
    if (answer := ground.prediction) is not None:
        yield (
            f"prediction {answer.id}: {answer.prediction:.2f} (0 bearish, 1 bullish), confidence "
            f"{answer.confidence:.2f}"
        )
        yield f"  model {answer.model_version}, {answer.outcome}"
    if ground.scorecard is not None:
        yield from _scorecard(ground.scorecard)
    if ground.market_view is not None:
        yield from _view(ground.market_view)
    for what, reason in ground.missing.items():
        yield f"{what}: not known, {reason}"
    yield ""
    yield f"candle of {ground.instrument} as first told"
    yield _candle(ground.candle)
    for correction in ground.corrections:
        yield f"  corrected later: {correction.field} {correction.first} became {correction.later}"
    yield from _made_of(ground.made_of, is_every_tick=is_every_tick)


def _scorecard(card: Scorecard) -> Iterator[str]:
    yield f"scorecard {card.id} of {clock(milliseconds(card.timestamp))}, computed again: {card.recommendation}"
    yield (
        f"  composite {_number(card.composite_score)}  trend {_number(card.trend_score)}  momentum "
        f"{_number(card.momentum_score)}  volatility {_number(card.volatility_score)}  volume "
        f"{_number(card.volume_score)}"
    )
    yield f"  parts  {_pairs(card.parts)}"
    plain = {
        "rsi": card.rsi, "macd": card.macd.value, "signal": card.macd.signal, "histogram": card.macd.histogram,
        **{f"ema {period}": value for period, value in card.emas.items()}, "sma": card.sma,
        "upper": card.bollinger.upper, "lower": card.bollinger.lower, "atr": card.atr, "vwap": card.vwap,
        "supertrend": card.supertrend.value, "k": card.stochastic.k, "d": card.stochastic.d, "adx": card.adx.adx,
        "+di": card.adx.plus_di, "-di": card.adx.minus_di,
    }  # fmt: skip
    known = {name: value for name, value in plain.items() if value is not None}
    yield f"  indicators  {_pairs(known)}"
    if card.missing:
        yield f"  not defined yet  {', '.join(card.missing)} ({card.bars:,} candles so far)"


def _pairs(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:,.2f}" for name, value in values.items())


def _view(view: MarketView) -> Iterator[str]:
    yield (
        f"market view {view.id}: {view.sentiment.value} ({view.sentiment_score:+.2f}), {view.advances} up, "
        f"{view.declines} down, {view.unchanged} unchanged, breadth {view.breadth:+.2f}"
    )


def _candle(candle: Candle) -> str:
    mark = ", incomplete" if candle.incomplete else ""
    return (
        f"  {clock(milliseconds(candle.time))}  open {rupees(candle.open)}  high {rupees(candle.high)}  low "
        f"{rupees(candle.low)}  close {rupees(candle.close)}  volume {candle.volume:,}  "
        f"({candle.provenance}, revision {candle.revision}{mark})"
    )


def _made_of(made: MadeOf, *, is_every_tick: bool) -> Iterator[str]:
    trades = made.trades
    if made.is_flat:
        yield "no trade in that minute" + ("; it repeats the last price before it" if trades else "")
    elif trades:
        offsets = sorted(trade.offset for trade in trades)
        prices = [trade.price for trade in trades]
        yield (
            f"made of {len(trades):,} trades in {made.ticks:,} ticks, offsets {offsets[0]:,} to {offsets[-1]:,} of the "
            f"journal"
        )
        yield (
            f"  first {rupees(prices[0])}  last {rupees(prices[-1])}  high {rupees(max(prices))}  low "
            f"{rupees(min(prices))}"
        )
    shown = 2 * TICKS_SHOWN
    is_cut = len(trades) > shown and not is_every_tick
    yield from map(_trade, trades[:TICKS_SHOWN] if is_cut else trades)
    if is_cut:
        yield f"  … {len(trades) - shown:,} more; --ticks lists them"
        yield from map(_trade, trades[-TICKS_SHOWN:])
    if made.late:
        yield f"  {made.late:,} ticks of that minute came after it was told"
    said = "the trades, folded again, give this candle: " if made.refolded is not None else ""
    yield f"{said}{made.verdict}"


def _trade(trade: Trade) -> str:
    return (
        f"  {trade.offset:>10,}  {_moment(trade.traded_at)}  {rupees(trade.price):>12}  day volume {trade.day_volume:,}"
    )


def _number(value: float | None) -> str:
    return "·" if value is None else f"{value:+.2f}"


def _moment(time: int) -> str:
    return f"{to_ist(time):%H:%M:%S}.{time % 1000:03}"
