"""A simulator whose generated session is now: the platform runs by the wall clock on it. Prints its address first."""

from __future__ import annotations

import asyncio
import sys
import time

from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.kit.log import configure

LEAD_SECONDS = 8
SPEED = 1.15


async def main(symbols: int, seconds: int) -> None:
    """Serve `symbols` shares at about a tick a second each, a little faster than the wall clock."""
    start = (int(time.time()) + LEAD_SECONDS) * 1000
    server = SimulatorServer(
        Playback(SyntheticSession([(start, start + seconds * 1000)], symbols=symbols)), speed=SPEED
    )
    await server.start()
    sys.stdout.write(server.url + "\n")
    sys.stdout.flush()
    await asyncio.sleep(max(0.0, start / 1000 - time.time()))
    server.changed()
    await server.run()


if __name__ == "__main__":
    configure(json=False, level="error")
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
