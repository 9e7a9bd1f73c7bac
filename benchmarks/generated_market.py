"""A simulator with a generated session of any size, in a process of its own. Prints its address first.

`SYMBOLS SECONDS live` plays now, a little faster than the wall clock, for a platform that runs by the wall clock;
`SYMBOLS SECONDS max` plays a morning's first seconds as fast as they are read.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time

from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.kit.log import configure

LEAD_SECONDS = 8
LIVE_SPEED = 5.0
HEAD_START_MS = 200_000
MORNING_MS = 1_767_584_700_000
"""09:15 in India on 2026-01-05, ms UTC."""


async def main(symbols: int, seconds: int, *, is_live: bool) -> None:
    """Serve `symbols` shares at about a tick a second each, for `seconds` of their session."""
    start = (int(time.time()) + LEAD_SECONDS) * 1000 - HEAD_START_MS if is_live else MORNING_MS
    tape = SyntheticSession([(start, start + seconds * 1000)], symbols=symbols)
    server = SimulatorServer(Playback(tape, is_made_ahead=True), speed=LIVE_SPEED if is_live else math.inf)
    await server.start()
    sys.stdout.write(server.url + "\n")
    sys.stdout.flush()
    if is_live:
        await asyncio.sleep(max(0.0, (start + HEAD_START_MS) / 1000 - time.time()))
        server.changed()
    await server.run()


if __name__ == "__main__":
    configure(json=False, level="error")
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), is_live=sys.argv[3] == "live"))
