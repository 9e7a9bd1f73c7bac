"""The HTTP desk of the simulator: where it stands, pause, resume, seek, speed, shut down, and the instruments file.

Answers in Kite's envelope. Nothing a caller sends changes anything unless it is understood in full.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import time
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from niftyflow.brokers.simulator.instruments import instruments_csv
from niftyflow.brokers.simulator.pace import UNLIMITED, checked, parse_speed
from niftyflow.brokers.simulator.tape import DAY, Session
from niftyflow.kit.clock import IST_OFFSET_MS, to_ist
from niftyflow.model import Exchange, InvalidValue, Refused

if TYPE_CHECKING:
    from niftyflow.brokers.simulator.server import SimulatorServer

_BODY_BYTES = 4096


class _Seek(msgspec.Struct, forbid_unknown_fields=True):
    time: int | str


class _Speed(msgspec.Struct, forbid_unknown_fields=True):
    speed: float | str


class Desk:
    """Routes that steer one server."""

    def __init__(self, server: SimulatorServer) -> None:
        self._server = server

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/instruments", self._instruments),
            web.get("/instruments/{exchange}", self._instruments),
            web.get("/sim/status", self._status),
            web.post("/sim/pause", self._steer(self._pause)),
            web.post("/sim/resume", self._steer(self._resume)),
            web.post("/sim/seek", self._steer(self._seek)),
            web.post("/sim/speed", self._steer(self._speed)),
            web.post("/sim/shutdown", self._steer(self._shutdown)),
        ]

    def status(self) -> dict[str, Any]:
        """Return where the session stands; times in ms UTC, unlimited speed as 0."""
        server = self._server
        playback, session = server.playback, server.playback.session
        return {
            "source": playback.source.name,
            "instruments": len(playback.source.instruments),
            "time": playback.position,
            "time_ist": to_ist(playback.position).isoformat(),
            "session": {"start": session.start, "opens": session.opens, "end": session.end},
            "sessions": len(playback.source.sessions),
            "speed": 0 if math.isinf(server.pace.speed) else server.pace.speed,
            "paused": server.pace.is_paused,
            "waiting": server.is_waiting,
            "finished": playback.is_finished,
            "events": playback.delivered,
            "clients": len(server.clients),
            "broker": server.service.status(),
            "subscriptions": [int((client.modes > 0).sum()) for client in server.clients],
        }

    async def _status(self, _request: web.Request) -> web.Response:
        return _success(self.status())

    async def _instruments(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("exchange")
        if wanted is not None and wanted not in Exchange.__members__:
            return _failure(f"no exchange is called {wanted}", 404)
        listed = self._server.playback.source.instruments
        chosen = [each for each in listed if wanted is None or each.exchange.value == wanted]
        body = instruments_csv(chosen).encode()
        # the official JavaScript client compares the whole header, so it names no character set
        return web.Response(body=body, headers={"Content-Type": "text/csv"})

    def _steer(self, action: Callable[[bytes], None]) -> Any:
        async def handle(request: web.Request) -> web.Response:
            body = await request.content.read(_BODY_BYTES)
            try:
                action(body)
            except (Refused, msgspec.DecodeError) as error:
                return _failure(str(error), 400)
            return _success(self.status())

        return handle

    def _pause(self, _body: bytes) -> None:
        self._server.changed()
        self._server.pace.is_paused = True

    def _resume(self, _body: bytes) -> None:
        self._server.pace.is_paused = False
        self._server.changed()

    def _seek(self, body: bytes) -> None:
        server = self._server
        wanted = msgspec.json.decode(body, type=_Seek).time
        server.playback.seek(moment_in(wanted, server.playback.session))
        server.clients.write_snapshots()
        server.service.jumped()
        server.changed()

    def _speed(self, body: bytes) -> None:
        wanted = msgspec.json.decode(body, type=_Speed).speed
        speed = parse_speed(wanted) if isinstance(wanted, str) else checked(wanted or UNLIMITED)
        self._server.pace.speed = speed
        self._server.changed()

    def _shutdown(self, _body: bytes) -> None:
        self._server.request_stop()


def moment_in(wanted: int | str, session: Session) -> int:
    """Return ms UTC of a time given as that, or as `HH:MM[:SS]` of the session's day in Asia/Kolkata.

    Raises:
        InvalidValue: it is neither.
    """
    if isinstance(wanted, int):
        return wanted
    try:
        clock = time.fromisoformat(wanted)
    except ValueError:
        raise InvalidValue("time", wanted, "write HH:MM or HH:MM:SS, Indian time") from None
    midnight = (session.start + IST_OFFSET_MS) // DAY * DAY - IST_OFFSET_MS
    return midnight + ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 1000


def _success(data: dict[str, Any]) -> web.Response:
    return web.json_response({"status": "success", "data": data})


def _failure(message: str, status: int) -> web.Response:
    return web.json_response({"status": "error", "message": message, "error_type": "InputException"}, status=status)
