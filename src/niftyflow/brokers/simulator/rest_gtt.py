"""REST routes of GTT triggers."""

from __future__ import annotations

from typing import Any

from niftyflow.brokers.simulator.gtt import GttDesk
from niftyflow.brokers.simulator.rest import Call, Front, Route, whole


class GttRoutes:
    """Routes of one front."""

    def __init__(self, front: Front) -> None:
        self._desk = GttDesk(front.broker)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/gtt/triggers", lambda call: self._desk.rows(call.user.user_id)),
            Route("POST", "/gtt/triggers", self._place),
            Route("GET", "/gtt/triggers/{number}", self._one),
            Route("PUT", "/gtt/triggers/{number}", self._modify),
            Route("DELETE", "/gtt/triggers/{number}", self._delete),
        ]

    def _place(self, call: Call) -> dict[str, Any]:
        return {"trigger_id": self._desk.place(call.form, call.user.user_id)}

    def _one(self, call: Call) -> dict[str, Any]:
        return self._desk.row(_number(call), call.user.user_id)

    def _modify(self, call: Call) -> dict[str, Any]:
        self._desk.modify(_number(call), call.form, call.user.user_id)
        return {"trigger_id": _number(call)}

    def _delete(self, call: Call) -> dict[str, Any]:
        self._desk.delete(_number(call), call.user.user_id)
        return {"trigger_id": _number(call)}


def _number(call: Call) -> int:
    return whole(call.parts["number"], "trigger_id")
