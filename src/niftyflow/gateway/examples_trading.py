"""One answer of each route of trading, as the documentation shows it."""

from __future__ import annotations

from typing import Any, Final

ORDER: Final[dict[str, Any]] = {
    "account": "paper-1", "client_order_id": "nf4k2j9q7w1m3x8c5v", "broker_order_id": "paper-17", "strategy": "manual",
    "symbol": "NSE:RELIANCE", "side": "BUY", "quantity": 10, "filled": 0, "filled_value": "0.0000",
    "average_price": None, "order_type": "LIMIT", "product": "MIS", "validity": "DAY", "price": "2850.5000",
    "trigger": None, "cause": "command/5d1f3b", "signal_id": "", "trace_id": "", "tag": "", "state": "open",
    "is_triggered": False, "reason": None, "risk": {"verdict": "pass", "checks": []}, "decided_at": 1795156200000,
    "valid_until": 1795156260000, "updated_at": 1795156200000,
}  # fmt: skip
EVENT: Final[dict[str, Any]] = {
    "client_order_id": "nf4k2j9q7w1m3x8c5v", "broker_order_id": "", "symbol": "NSE:RELIANCE", "side": "BUY",
    "quantity": 10, "filled": 0, "price": "2850.5000", "trigger": None, "state": "intended", "reason": None,
    "at": 1795156200000, "sequence": 1,
}  # fmt: skip
FILL: Final[dict[str, Any]] = {
    "fill_id": "nf4k2j9q7w1m3x8c5v-1", "client_order_id": "nf4k2j9q7w1m3x8c5v", "strategy": "manual",
    "symbol": "NSE:RELIANCE", "side": "BUY", "product": "MIS", "quantity": 10, "price": "2850.4500",
    "charges": {"brokerage": "8.5514"}, "total_charges": "8.5514", "at": 1795156201000, "signal_id": "",
}  # fmt: skip
COMMAND: Final[dict[str, Any]] = {"id": "5d1f3b", "is_done": True, "reason": "", "body": {}}
NOT_YET: Final[dict[str, Any]] = {"id": "5d1f3b", "is_done": None, "reason": "", "body": {}}
POSITION: Final[dict[str, Any]] = {
    "strategy": "manual", "symbol": "NSE:RELIANCE", "product": "MIS", "net_quantity": 10,
    "average_price": "2850.4500", "last_price": "2852.0000", "realised": "0.0000", "realised_fifo": "0.0000",
    "unrealised": "15.5000", "charges": "8.5514", "net": "6.9486", "updated_at": 1795156201000,
}  # fmt: skip
KILL_SWITCH: Final[dict[str, Any]] = {
    "account": "paper-1", "is_on": False, "is_closing": False, "reason": "", "exits_due": 0, "working_orders": 1,
    "open_positions": 1, "at": 1795156260000,
}  # fmt: skip
PORTFOLIO: Final[dict[str, Any]] = {
    "account": "paper-1", "capital": "1000000.0000", "profit": "6.9486", "profit_today": "6.9486",
    "realised": "0.0000", "unrealised": "15.5000", "charges": "8.5514", "gross_exposure": "28520.0000",
    "orders_today": 1, "working_orders": 1, "open_positions": 1, "kill_switch": KILL_SWITCH, "at": 1795156260000,
}  # fmt: skip
STRATEGY: Final[dict[str, Any]] = {
    "name": "ema-cross", "kind": "ema-cross", "status": "running", "instruments": ["NSE:RELIANCE"],
    "parameters": {"fast": 9, "slow": 21}, "reason": "", "at": 1795146300000, "profit": "420.1500",
    "open_positions": 1, "orders": 14,
}  # fmt: skip
KIND: Final[dict[str, Any]] = {
    "kind": "ema-cross", "title": "Follows the crossing of two averages of the 1m close.",
    "parameters": {"type": "object", "properties": {"fast": {"type": "integer", "default": 9}}},
}  # fmt: skip
