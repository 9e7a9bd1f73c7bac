"""The official KiteTicker, unmodified but for its root, in a process of its own: prints what it decoded as JSON lines.

Usage: python kite_ticker_client.py ROOT FRAMES TOKEN... The last line is the number of frames seen.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from kiteconnect import KiteTicker


def main() -> None:
    """Subscribe, print frames with their decoding, stop."""
    root, wanted, tokens = sys.argv[1], int(sys.argv[2]), [int(each) for each in sys.argv[3:]]
    ticker = KiteTicker("key", "token", root=root)
    frames: list[bytes] = []

    def on_connect(ws: Any, _response: Any) -> None:
        ws.subscribe(tokens)
        ws.set_mode(ws.MODE_FULL, tokens[1:])
        ws.set_mode(ws.MODE_LTP, tokens[:1])

    def on_message(_ws: Any, payload: bytes, is_binary: bool) -> None:  # noqa: FBT001  KiteTicker's signature
        if is_binary and len(payload) > 4:
            frames.append(payload)

    def on_ticks(ws: Any, ticks: list[dict[str, Any]]) -> None:
        print(json.dumps({"frame": frames[-1].hex(), "ticks": ticks}, default=seconds), flush=True)  # noqa: T201
        if len(frames) >= wanted:
            ws.stop()

    ticker.on_connect, ticker.on_message, ticker.on_ticks = on_connect, on_message, on_ticks
    ticker.connect()
    print(len(frames), flush=True)  # noqa: T201


def seconds(value: object) -> int:
    """Return a naive local time as unix seconds."""
    if not isinstance(value, datetime):
        raise TypeError(value)
    return int(value.timestamp())


if __name__ == "__main__":
    main()
