"""Causes of orders, read back into parts."""

from __future__ import annotations

import pytest

from niftyflow.model import moment
from niftyflow.runtime.causes import Cause, CauseKind, parse_cause

AT = 1_471_320_000_000
ISO = moment(AT).isoformat()

SPELLINGS = [
    (f"ema-cross/candle/NSE:M&M/{ISO}", {"kind": CauseKind.CANDLE, "instrument": "NSE:M&M", "time": AT}),
    (f"command/candle/NSE:A/B/{ISO}", {"kind": CauseKind.CANDLE, "instrument": "NSE:A/B", "time": AT}),
    ("follower/signal/d722b751d8c35f0f", {"kind": CauseKind.SIGNAL, "reference": "d722b751d8c35f0f"}),
    ("square-off/fill/nf99ab1ffade4b9bcb-1", {"kind": CauseKind.FILL, "reference": "nf99ab1ffade4b9bcb-1"}),
    (f"orb/timer/range/end/{AT}", {"kind": CauseKind.TIMER, "reference": "range/end", "time": AT}),
    (f"orb/start/{AT}", {"kind": CauseKind.START, "time": AT}),
    (f"orb/stop/{AT}", {"kind": CauseKind.STOP, "time": AT}),
    (f"square-off/{AT}/orb/NSE:TCS", {"kind": CauseKind.SQUARE_OFF, "instrument": "NSE:TCS", "time": AT}),
    (f"kill-switch/{AT}/orb/NSE:TCS", {"kind": CauseKind.KILL_SWITCH, "instrument": "NSE:TCS", "time": AT}),
    ("command/0af3", {"kind": CauseKind.COMMAND, "reference": "0af3"}),
    ("command/0af3/orb/NSE:TCS", {"kind": CauseKind.COMMAND, "reference": "0af3", "instrument": "NSE:TCS"}),
]
UNKNOWN = ["", "nonsense", "ema-cross/candle/NSE:TCS/yesterday", "ema-cross/timer/soon", "square-off/noon/orb/NSE:TCS",
           f"ema-cross/candle/NSE:TCS/{ISO[:19]}", "ema-cross/dream/of/money", "command/"]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), SPELLINGS)
def test_every_spelling_of_trading_is_understood(text: str, parts: dict[str, object]):
    """Alone, as an exit, and as that of a strategy that threw; whatever a strategy is called."""
    assert parse_cause(text) == Cause(text=text, **parts)
    assert parse_cause(f"{text}/exit/{AT + 5}") == Cause(text=f"{text}/exit/{AT + 5}", is_exit=True, **parts)
    failed = f"{text}/failed/exit/{AT}"
    assert parse_cause(failed) == Cause(text=failed, is_exit=True, has_failed=True, **parts)


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not_understood_is_kept_as_it_is(text: str):
    """Of no kind that is known: somebody will still want to read it."""
    assert parse_cause(text) == Cause(text=text, kind=CauseKind.OTHER)
