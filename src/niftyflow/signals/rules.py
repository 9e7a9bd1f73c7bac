"""Rules as people write them: one YAML file each, checked in full when it is read.

What cannot be is refused with file, line and field, and what to write instead. Nothing here looks at data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self, TypeVar

import yaml
from pydantic import BeforeValidator, Field, PlainValidator, ValidationError, field_validator, model_validator

from niftyflow.kit.settings import Settings
from niftyflow.market.calendar import MINUTE_MS
from niftyflow.model import InstrumentKey, Interval, InvalidValue, Misconfigured, Side, parse_instrument
from niftyflow.signals.conditions import Condition, Expression, parse_condition, parse_expression
from niftyflow.signals.rule_text import lines_of, problems

T = TypeVar("T")

BUILT_IN: Final = "composite.yaml"
DAY_MINUTES: Final = 24 * 60
_UNITS: Final = {"s": 1000, "m": MINUTE_MS, "h": 60 * MINUTE_MS}
PERCENT: Final = "%"


class Distance(NamedTuple):
    """How far a stop or a target lies from the price: so many ATRs, or so many percent of the price."""

    size: float
    unit: str

    def level(self, price: float, atr: float, sign: int) -> float | None:
        """Return the level above (`sign` 1) or below (-1) the price, in rupees to four decimals.

        None when it is not known, not above zero, or would not lie on that side of the price.
        """
        away = self.size * (price / 100 if self.unit == PERCENT else atr)
        level = round(price + sign * away, 4)
        return level if math.isfinite(level) and level > 0 and (level - price) * sign > 0 else None


def _from_text(read: Callable[[str], T], shape: str) -> Callable[[Any], T]:
    """Return a reader of a YAML scalar that refuses everything else, in pydantic's way."""

    def reader(value: Any) -> T:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"write {shape}")  # noqa: TRY004 - pydantic reports only ValueError
        try:
            return read(str(value).strip())
        except InvalidValue as error:
            raise ValueError(error.rule) from error

    return reader


def _duration(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})\s*([smh])", text)
    if not found:
        raise ValueError("write a length of time as 90s, 15m or 1h")
    return int(found[1]) * _UNITS[found[2]]


def _distance(value: Any) -> Distance | None:
    if value is None or value == "none":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(atr|%)", str(value).strip())
    if not found or not 0 < float(found[1]) < math.inf:
        raise ValueError("write a distance as 1.5 atr, 0.5 % or none")
    return Distance(float(found[1]), found[2])


def _instruments(value: Any) -> frozenset[InstrumentKey] | None:
    if value == "all":
        return None
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError("write all, or a list such as [NSE:RELIANCE, NSE:INFY]")
    try:
        return frozenset(parse_instrument(each) for each in value)
    except InvalidValue as error:
        raise ValueError(str(error)) from error


def _between(value: Any) -> tuple[int, int]:
    found = [re.fullmatch(r"(\d\d):(\d\d)", each) for each in value if isinstance(each, str)] if _is_pair(value) else []
    times = [(int(each[1]), int(each[2])) for each in found if each]
    if len(times) != 2 or any(hour > 23 or minute > 59 for hour, minute in times):  # noqa: PLR2004 - a clock
        raise ValueError('write two times of the day in IST, in quotes: ["09:20", "15:00"]')
    first, last = (hour * 60 + minute for hour, minute in times)
    if first >= last:
        raise ValueError("the first time must be before the second")
    return first, last


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2  # noqa: PLR2004 - a pair


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("write a list, one condition a line, each behind a dash")  # noqa: TRY004 - as above
    return value


Duration = Annotated[int, PlainValidator(_from_text(_duration, "a length of time as 90s, 15m or 1h"))]
Level = Annotated[Distance | None, PlainValidator(_distance)]
Line = Annotated[Condition, PlainValidator(_from_text(parse_condition, "a comparison such as rsi < 70"))]
Lines = Annotated[tuple[Line, ...], BeforeValidator(_list)]
Formula = Annotated[Expression, PlainValidator(_from_text(parse_expression, "an expression such as rsi / 100"))]


class Rule(Settings):
    """When to buy and when to sell. Times of day are minutes of the IST day, lengths of time milliseconds."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$", description="Name of the strategy, as signals bear it")
    description: str = Field(default="", description="What the rule is for, in words")
    interval: Interval = Field(default=Interval.M1, description="Interval of the scorecards it looks at")
    instruments: Annotated[frozenset[InstrumentKey] | None, PlainValidator(_instruments)] = Field(
        default=None, description="`all`, or a list of EXCHANGE:SYMBOL"
    )
    between: Annotated[tuple[int, int], PlainValidator(_between)] = Field(
        default=(0, DAY_MINUTES - 1), description="First and last time of the day (IST) of a scorecard it looks at"
    )
    buy: Lines = Field(default=(), description="Conditions to buy; all must hold")
    sell: Lines = Field(default=(), description="Conditions to sell; all must hold")
    confirm: int = Field(default=1, ge=1, le=60, strict=True, description="Scorecards in a row that must hold")
    cooldown: Duration = Field(default=15 * MINUTE_MS, description="Silence on an instrument after a signal")
    valid_for: Duration = Field(default=3 * MINUTE_MS, description="How long a signal may be acted upon")
    stop: Level = Field(default=None, description="Distance of the stop from the price: `1.5 atr`, `0.5 %` or `none`")
    target: Level = Field(default=None, description="Distance of the target, in the same way")
    strength: Formula = Field(
        default=parse_expression("abs(composite_score) / 5"), description="Strength of a signal, cut to 0 to 1"
    )

    @field_validator("interval")
    @classmethod
    def _require_intraday(cls, interval: Interval) -> Interval:
        if not interval.minutes:
            raise ValueError("a rule decides within the day: use 1m, 3m, 5m, 10m, 15m, 30m or 1h")
        return interval

    @field_validator("valid_for")
    @classmethod
    def _require_some_time(cls, milliseconds: int) -> int:
        if not milliseconds:
            raise ValueError("a signal needs time to be acted upon")
        return milliseconds

    @model_validator(mode="after")
    def _require_a_side(self) -> Self:
        if not self.buy and not self.sell:
            raise ValueError("it never signals: give it a list of conditions under buy, sell or both")
        return self

    def conditions(self, side: Side) -> tuple[Condition, ...]:
        """Return what must hold for a side; nothing where the rule does not take it."""
        return self.buy if side is Side.BUY else self.sell


def read_rule(text: str, where: str) -> Rule:
    """Read a rule from the text of its file; `where` names the file.

    Raises:
        Misconfigured: naming file, line, rule and field, and what to write instead.
    """
    try:
        lines = lines_of(text, where)
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Misconfigured(f"{where} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise Misconfigured(f"{where} holds no rule: write fields such as name, buy and sell")
    try:
        return Rule.model_validate(tree)
    except ValidationError as error:
        raise Misconfigured(problems(error, where, tree.get("name"), lines, list(Rule.model_fields))) from error


def load_rules(paths: Sequence[Path] = ()) -> tuple[Rule, ...]:
    """Return the rules of the files, in their order; without files the built-in one.

    Raises:
        Misconfigured: a file cannot be read, holds no rule, or a name is there twice.
    """
    texts: list[tuple[str, str]] = []
    for path in paths:
        try:
            texts.append((str(path), path.read_text("utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{path} cannot be read: {error}") from error
    if not texts:
        texts = [(BUILT_IN, files("niftyflow.signals").joinpath("data", BUILT_IN).read_text("utf-8"))]
    rules: dict[str, Rule] = {}
    for where, text in texts:
        rule = read_rule(text, where)
        if rule.name in rules:
            raise Misconfigured(f"{where}: there is another rule called {rule.name}: give each a name of its own")
        rules[rule.name] = rule
    return tuple(rules.values())
