"""Faults on demand: what can be asked for, how it is written, and which are in force at a moment.

Pure: it is told the time. What a fault does is done where it bites: on the socket, at a route, in the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from niftyflow.model import InvalidValue


class FaultName(StrEnum):
    """Everything that can go wrong on request."""

    SILENT_SOCKET = "silent-socket"
    HALF_OPEN = "half-open"
    CUT = "cut"
    JOINED_FRAMES = "joined-frames"
    TRUNCATED_FRAMES = "truncated-frames"
    DUPLICATED_TICKS = "duplicated-ticks"
    REORDERED_TICKS = "reordered-ticks"
    TOKEN_EXPIRY = "token-expiry"  # noqa: S105  no password
    RATE_STORM = "rate-storm"
    ERROR_AFTER_ORDER = "error-after-order"
    CUT_AFTER_ORDER = "cut-after-order"
    ERROR_BEFORE_ORDER = "error-before-order"
    SLOW_ANSWERS = "slow-answers"
    EXCHANGE_HALT = "exchange-halt"
    WRONG_CLOCK = "wrong-clock"


MEANINGS: Final = {
    FaultName.SILENT_SOCKET: "the WebSocket stays open and answers pings, and nothing is sent on it",
    FaultName.HALF_OPEN: "the WebSocket stays open, nothing is sent on it and nothing is read from it",
    FaultName.CUT: "every WebSocket is cut off without a goodbye, once",
    FaultName.JOINED_FRAMES: "two binary messages come as one, their bytes joined",
    FaultName.TRUNCATED_FRAMES: "binary messages lose the end of their last packet",
    FaultName.DUPLICATED_TICKS: "binary messages come twice",
    FaultName.REORDERED_TICKS: "two binary messages change places",
    FaultName.TOKEN_EXPIRY: "every access token dies, once",
    FaultName.RATE_STORM: "calls are answered with 429",
    FaultName.ERROR_AFTER_ORDER: "an order call is carried out, and answered with 502",
    FaultName.CUT_AFTER_ORDER: "an order call is carried out, and its connection cut without an answer",
    FaultName.ERROR_BEFORE_ORDER: "an order call is not carried out, and answered with 503",
    FaultName.SLOW_ANSWERS: "answers come `size` seconds late",
    FaultName.EXCHANGE_HALT: "the exchange takes no orders and trades nothing",
    FaultName.WRONG_CLOCK: "times in answers are `size` seconds wrong",
}
_ONCE = {FaultName.CUT, FaultName.TOKEN_EXPIRY}
_SIZES = {FaultName.SLOW_ANSWERS: 1.0, FaultName.WRONG_CLOCK: 90.0}
_HINT = "write NAME or NAME:seconds=5,count=3,size=2,after=10,account=NF0001,route=/orders"


class FaultSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault as it is asked for; all seconds are real time.

    It begins `after` seconds and lasts `seconds` (0: until it is ended), or `count` uses (0: any number). `size` is how
    slow or how wrong. `account` and `route` (the beginning of a path) limit it; "" is all.
    """

    name: FaultName
    seconds: float = 0.0
    count: int = 0
    size: float = 0.0
    after: float = 0.0
    account: str = ""
    route: str = ""


class Fault(msgspec.Struct, kw_only=True):
    """A fault that was asked for: its number, and what is left of it. Times are ms of the steady clock."""

    number: int
    spec: FaultSpec
    since: int
    until: int | None
    left: int | None
    uses: int = 0

    def is_over(self, now: int) -> bool:
        """Return whether it can bite no more."""
        return (self.until is not None and now >= self.until) or self.left == 0

    def bites(self, now: int, account: str | None, route: str) -> bool:
        """Return whether it is in force for an account (None: for any) and a path."""
        return (
            now >= self.since
            and not self.is_over(now)
            and (account is None or self.spec.account in ("", account))
            and route.startswith(self.spec.route)
        )


class Faults:
    """The faults asked for that are not over."""

    def __init__(self) -> None:
        self._numbers = 0
        self._asked: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._asked))

    def ask(self, spec: FaultSpec, now: int) -> Fault:
        """Ask for a fault, `now` in ms of the steady clock."""
        self._numbers += 1
        since = now + int(spec.after * 1000)
        once = spec.name in _ONCE
        fault = Fault(
            number=self._numbers,
            spec=spec if spec.size else msgspec.structs.replace(spec, size=_SIZES.get(spec.name, 0.0)),
            since=since,
            until=since + int(spec.seconds * 1000) if spec.seconds and not once else None,
            left=1 if once else (spec.count or None),
        )
        self._asked.append(fault)
        return fault

    def take(self, name: FaultName, now: int, account: str | None = "", route: str = "") -> Fault | None:
        """Return the first fault of this name in force, and count one use of it."""
        if not self._asked:
            return None
        self._forget(now)
        for fault in self._asked:
            if fault.spec.name is name and fault.bites(now, account, route):
                fault.uses += 1
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None

    def in_force(self, name: FaultName, now: int, account: str = "", route: str = "") -> Fault | None:
        """Return the first fault of this name in force, without using it up."""
        return next((each for each in self._asked if each.spec.name is name and each.bites(now, account, route)), None)

    def end(self, number: int | None = None) -> int:
        """End one fault, or all; return how many there were."""
        before = len(self._asked)
        self._asked = [each for each in self._asked if number is not None and each.number != number]
        return before - len(self._asked)

    def standing(self, now: int) -> list[dict[str, Any]]:
        """Return the faults that are not over, as the desk shows them; seconds from now."""
        self._forget(now)
        return [
            {
                "number": each.number,
                "fault": each.spec.name.value,
                "begins_in": max(0.0, (each.since - now) / 1000),
                "ends_in": None if each.until is None else (each.until - now) / 1000,
                "count_left": each.left,
                "uses": each.uses,
                "size": each.spec.size,
                "account": each.spec.account,
                "route": each.spec.route,
            }
            for each in self._asked
        ]

    def _forget(self, now: int) -> None:
        self._asked = [each for each in self._asked if not each.is_over(now)]


def parse_fault(text: str) -> FaultSpec:
    """Read `NAME[:argument=value,...]`.

    Raises:
        InvalidValue: the name or an argument is not known, or a number is none.
    """
    name, _, rest = text.strip().partition(":")
    if name not in list(FaultName):
        raise InvalidValue("fault", name, f"there are {', '.join(FaultName)}")
    arguments: dict[str, Any] = {"name": name}
    for part in filter(None, rest.split(",")):
        argument, equals, value = part.partition("=")
        if not equals:
            raise InvalidValue("fault", text, _HINT)
        arguments[argument.strip()] = value.strip()
    try:
        spec = msgspec.convert(arguments, FaultSpec, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidValue("fault", text, f"{_HINT} ({error})") from None
    if min(spec.seconds, spec.count, spec.after) < 0 or (spec.size < 0 and spec.name is not FaultName.WRONG_CLOCK):
        raise InvalidValue("fault", text, "seconds, count, size and after are zero or more")
    return spec
