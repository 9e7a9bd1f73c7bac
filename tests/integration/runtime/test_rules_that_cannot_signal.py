"""Rules that read well, and would wait for ever."""

from __future__ import annotations

import pytest

from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Misconfigured
from niftyflow.runtime.parts import Parts
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import engines
from niftyflow.runtime.workspace import Workspace


async def test_a_rule_on_scorecards_that_nobody_makes_stops_the_start(tmp_path):
    """It says which rule, and what to write."""
    rule = tmp_path / "slow.yaml"
    rule.write_text("name: slow\ninterval: 5m\nbuy:\n  - rsi > 50\n")
    settings = AppSettings(signals={"files": [str(rule)]})
    async with engines(Workspace(tmp_path / "w"), settings) as on:
        with pytest.raises(Misconfigured, match=r"slow looks at 5m scorecards.*write interval: 1m"):
            await Parts(on, settings, VirtualClock()).signals()
