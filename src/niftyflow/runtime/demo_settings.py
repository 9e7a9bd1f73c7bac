"""The settings that a new demo workspace begins with: strategies that trade often enough to be watched."""

from __future__ import annotations

from typing import Final

from niftyflow.model import Misconfigured
from niftyflow.runtime.workspace import Workspace

TEXT: Final = """\
# Settings of the demo. They count from the next start on; strategies are begun from here on an account's first day
# alone: start the demo with --fresh, or give commands. `niftyflow config explain NAME` says what a setting is.

[bus]
recent_mb = 16    # at hundreds of times real time a minute of ticks is large

[trading.limits]
max_daily_loss_rupees = 100_000    # a crossing of averages pays its charges often: it is to be watched all day

[[trading.strategies]]
name = "ema-cross"
kind = "ema-cross"
instruments = [
    "NSE:HDFCBANK", "NSE:ICICIBANK", "NSE:RELIANCE", "NSE:INFY", "NSE:BHARTIARTL", "NSE:LT", "NSE:ITC", "NSE:TCS",
]
parameters = { fast = 5, slow = 20, value_rupees = 40000 }

[[trading.strategies]]
name = "signal-follower"
kind = "signal-follower"
parameters = { value_rupees = 50000, max_positions = 8 }
"""


def write_settings(workspace: Workspace) -> None:
    """Write the settings of a new demo; one that has settings keeps them.

    Raises:
        Misconfigured: the file cannot be written.
    """
    file = workspace.settings_file
    try:
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(TEXT)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written ({error.strerror}): choose another with --workspace") from error
