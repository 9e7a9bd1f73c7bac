"""What the routes of trading take and answer, for OpenAPI: orders, positions, strategies, the kill switch.

Money is text with four decimals, so that no reader rounds it; requests take text or a number.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import AfterValidator, Field, model_validator

from niftyflow.gateway.schemas_common import Asked, Described
from niftyflow.gateway.schemas_market import Ms, Symbol

SYMBOL: Final = r"^[0-9A-Za-z&.:_ -]{1,64}$"
NAME: Final = r"^[0-9A-Za-z_.-]{1,64}$"
STRATEGY: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"
MOST_RUPEES: Final = 1_000_000_000
MOST_UNITS: Final = 1_000_000_000
LONGEST_REASON: Final = 200
MOST_INSTRUMENTS: Final = 500

Money = Annotated[str, Field(description="Rupees, exact, four decimals", examples=["2850.5000"])]
AskedSymbol = Annotated[str, Field(pattern=SYMBOL, description="RELIANCE or NSE:RELIANCE", examples=["RELIANCE"])]
AskedPrice = Annotated[
    Decimal,
    Field(strict=False, gt=0, le=MOST_RUPEES, decimal_places=4, allow_inf_nan=False,
          description="Rupees, at most four decimals, as text or number", examples=["2850.50"]),
]  # fmt: skip
Quantity = Annotated[int, Field(ge=1, le=MOST_UNITS, description="Units", examples=[10])]
Side = Literal["BUY", "SELL"]
Type = Literal["MARKET", "LIMIT", "SL", "SL-M"]
Product = Literal["MIS", "CNC", "NRML"]
State = Literal[
    "intended", "sent", "accepted", "open", "part_filled", "unknown", "filled", "cancelled", "rejected", "expired"
]


def _encodable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        msgspec.msgpack.encode(value)  # as it goes to the bus
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise ValueError("a value in it is too large, too deep, or no text") from error
    return value


# -- asked ---------------------------------------------------------------------------------------------------------


class OrderAsked(Asked):
    """An order to place. LIMIT and SL take a price, SL and SL-M a trigger, MARKET neither."""

    symbol: AskedSymbol
    side: Side
    quantity: Quantity
    order_type: Type = "MARKET"
    product: Literal["MIS", "CNC"] = "MIS"
    price: AskedPrice | None = None
    trigger: AskedPrice | None = None
    validity: Literal["DAY", "IOC"] = "DAY"

    @model_validator(mode="after")
    def _has_what_it_waits_for(self) -> OrderAsked:
        for name, types in (("price", ("LIMIT", "SL")), ("trigger", ("SL", "SL-M"))):
            is_given, is_needed = getattr(self, name) is not None, self.order_type in types
            if is_given != is_needed:
                raise ValueError(f"an order of type {self.order_type} takes {'a' if is_needed else 'no'} {name}")
        return self


class OrderChangeAsked(Asked):
    """What to change of a working order; what is left out stays."""

    quantity: Quantity | None = None
    price: AskedPrice | None = None
    trigger: AskedPrice | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> OrderChangeAsked:
        if self.quantity is None and self.price is None and self.trigger is None:
            raise ValueError("say what to change: quantity, price or trigger")
        return self


class SquareOffAsked(Asked):
    """Positions to close at the market: all of them, or those of an instrument, of a strategy."""

    symbol: AskedSymbol | None = None
    strategy: Annotated[str, Field(pattern=NAME)] | None = None


class KillSwitchAsked(Asked):
    """The kill switch, on or off; with `square_off` positions are closed before it is on."""

    is_on: bool
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""
    square_off: bool = False


class StrategyAsked(Asked):
    """A strategy to start: a kind with its parameters, on some instruments or (none named) on every share."""

    name: Annotated[str, Field(pattern=STRATEGY, examples=["ema-fast"])]
    kind: Annotated[str, Field(pattern=NAME, examples=["ema-cross"])]
    instruments: list[AskedSymbol] = Field(default_factory=list, max_length=MOST_INSTRUMENTS)
    parameters: Annotated[dict[str, Any], AfterValidator(_encodable)] = Field(default_factory=dict)
    on_error: Literal["hold", "square_off"] | None = None


class StopAsked(Asked):
    """How to stop a strategy."""

    square_off: bool = Field(default=False, description="Close its positions at the market")


class DemoAsked(Asked):
    """How the synthetic market goes on; what is left out stays."""

    speed: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False, description="Times real time")] | None = None
    is_paused: bool | None = None


# -- answered ------------------------------------------------------------------------------------------------------


class CheckAnswer(Described):
    """One question of the risk gate."""

    name: str
    is_passed: bool
    value: str
    limit: str


class VerdictAnswer(Described):
    """The risk gate's answer; in lists of orders the checks that failed alone."""

    verdict: str
    checks: list[CheckAnswer]


class OrderAnswer(Described):
    """An order as the book holds it."""

    account: str
    client_order_id: str
    broker_order_id: str
    strategy: str = Field(description="`manual` for orders given by command")
    symbol: Symbol
    side: Side
    quantity: int
    filled: int
    filled_value: Money
    average_price: Money | None
    order_type: Type
    product: Product
    validity: Literal["DAY", "IOC"]
    price: Money | None
    trigger: Money | None
    cause: str
    signal_id: str
    trace_id: str
    tag: str
    state: State
    is_triggered: bool
    reason: str | None
    risk: VerdictAnswer
    decided_at: Ms
    valid_until: Ms
    updated_at: Ms


class OrderEventAnswer(Described):
    """A state that an order came to."""

    client_order_id: str
    broker_order_id: str
    symbol: Symbol
    side: Side
    quantity: int
    filled: int
    price: Money | None
    trigger: Money | None
    state: State
    reason: str | None
    at: Ms
    sequence: int


class FillAnswer(Described):
    """A trade of ours."""

    fill_id: str
    client_order_id: str
    strategy: str
    symbol: Symbol
    side: Side
    product: Product
    quantity: int
    price: Money
    charges: dict[str, Money]
    total_charges: Money
    at: Ms
    signal_id: str


class OrderDetailAnswer(Described):
    """An order with everything that became of it."""

    order: OrderAnswer
    events: list[OrderEventAnswer]
    fills: list[FillAnswer]


class CommandAnswer(Described):
    """What became of a command; `is_done` is null while nobody has answered: ask for it again by its id."""

    id: str
    is_done: bool | None
    reason: str
    body: dict[str, Any]


class GivenAnswer(Described):
    """A command that was given."""

    command: CommandAnswer


class OrderGivenAnswer(GivenAnswer):
    """A command about an order, and the order as it then stood."""

    order: OrderAnswer | None


class PositionAnswer(Described):
    """A position at its last price; null where that is not known."""

    strategy: str
    symbol: Symbol
    product: Product
    net_quantity: int
    average_price: Money
    last_price: Money | None
    realised: Money
    realised_fifo: Money
    unrealised: Money | None
    charges: Money
    net: Money = Field(description="Realised and unrealised less charges")
    updated_at: Ms


class KillSwitchAnswer(Described):
    """The kill switch. `is_closing`: it will be on as soon as `exits_due` positions are flat."""

    account: str
    is_on: bool
    is_closing: bool
    reason: str
    exits_due: int
    working_orders: int
    open_positions: int
    at: Ms


class KillSwitchGivenAnswer(GivenAnswer):
    """A command to the kill switch, and how it then stood."""

    kill_switch: KillSwitchAnswer | None


class PortfolioAnswer(Described):
    """The account in numbers."""

    account: str
    capital: Money
    profit: Money = Field(description="Realised and unrealised less charges, since the account began")
    profit_today: Money
    realised: Money
    unrealised: Money
    charges: Money
    gross_exposure: Money | None = Field(description="Were every working order filled; null where a price is missing")
    orders_today: int
    working_orders: int
    open_positions: int
    kill_switch: KillSwitchAnswer
    at: Ms


class StrategyAnswer(Described):
    """A strategy of the account; `profit` is net of charges, null while nobody trades; `orders` are of the day."""

    name: str
    kind: str
    status: Literal["running", "stopped", "failed"]
    instruments: list[Symbol]
    parameters: dict[str, Any]
    reason: str
    at: Ms
    profit: Money | None
    open_positions: int
    orders: int


class StrategyKindAnswer(Described):
    """A kind of strategy; `parameters` is a JSON schema."""

    kind: str
    title: str
    parameters: dict[str, Any]


class DemoAnswer(Described):
    """How the synthetic market goes on."""

    speed: float
    is_paused: bool
