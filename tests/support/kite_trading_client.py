"""The official KiteConnect and KiteTicker trading together, in a process of its own; prints JSON lines.

Usage: python kite_trading_client.py HTTP_ROOT WS_ROOT API_KEY ACCESS_TOKEN TICKS SYMBOL TOKEN. Places an order when it
is connected; ends when the order is complete and so many ticks have come. The last line is the number of ticks.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from kiteconnect import KiteConnect, KiteTicker


def main() -> None:
    """Trade and listen."""
    http, ws, api_key, access_token, wanted, symbol, token = sys.argv[1:]
    kite = KiteConnect(api_key, access_token, root=http)
    ticker = KiteTicker(api_key, access_token, root=ws)
    seen: dict[str, Any] = {"ticks": 0, "complete": False, "placed": None}

    def end_when_done(socket: Any) -> None:
        if seen["complete"] and seen["ticks"] >= int(wanted):
            socket.stop()

    def on_connect(socket: Any, _response: Any) -> None:
        socket.subscribe([int(token)])
        socket.set_mode(socket.MODE_FULL, [int(token)])

    def on_ticks(socket: Any, ticks: list[dict[str, Any]]) -> None:
        if not seen["placed"] and ticks[0]["volume_traded"]:  # before the open nothing has been traded
            terms = {"order_type": "MARKET", "market_protection": -1, "tag": "me"}
            seen["placed"] = kite.place_order("regular", "NSE", symbol, "BUY", 5, "CNC", **terms)
            print(json.dumps({"placed": seen["placed"]}), flush=True)  # noqa: T201
        seen["ticks"] += len(ticks)
        end_when_done(socket)

    def on_order_update(socket: Any, order: dict[str, Any]) -> None:
        print(json.dumps({"update": order}), flush=True)  # noqa: T201
        seen["complete"] = seen["complete"] or order["status"] == "COMPLETE"
        end_when_done(socket)

    ticker.on_connect, ticker.on_ticks, ticker.on_order_update = on_connect, on_ticks, on_order_update
    ticker.connect()
    print(seen["ticks"], flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
