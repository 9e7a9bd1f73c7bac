"""The simulated exchange on a port: Kite's WebSocket and REST for any number of clients, and a desk to steer it.

The session goes on whoever comes or goes; only the desk moves its time. Listens on loopback unless told otherwise:
whoever can reach the port can listen and steer. Orders need a login, which has no password.
"""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from niftyflow.brokers.simulator.clients import CLOSE_SECONDS, HEARTBEAT_SECONDS, Client, Clients
from niftyflow.brokers.simulator.desk import Desk
from niftyflow.brokers.simulator.kite_errors import token_error
from niftyflow.brokers.simulator.pace import Pace
from niftyflow.brokers.simulator.playback import Playback, Step
from niftyflow.brokers.simulator.rest import Front, FrontOptions, refusal
from niftyflow.brokers.simulator.rest_faults import FaultDesk
from niftyflow.brokers.simulator.rest_gtt import GttRoutes
from niftyflow.brokers.simulator.rest_market import MarketRoutes
from niftyflow.brokers.simulator.rest_orders import OrderRoutes
from niftyflow.brokers.simulator.rest_portfolio import PortfolioRoutes
from niftyflow.brokers.simulator.rest_user import UserRoutes
from niftyflow.brokers.simulator.service import BrokerService
from niftyflow.kit.addresses import refusal_of_address, spelled_host
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger

SEND_BUFFER_BYTES = 64 << 20
QUIET_SECONDS = 1.0
"""The playback that waits for a reader starts when its requests have paused for this long."""
_BLOCK_EVENTS = 16_384
_BEAT_SECONDS = 0.005
_FAULTS_SECONDS = 0.05

log = get_logger(__name__)


class SimulatorServer:
    """One playback, one port. `run` returns after `request_stop`, or when the desk is asked to shut down."""

    def __init__(
        self,
        playback: Playback,
        *,
        speed: float = 1.0,
        waits: bool | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        send_buffer_bytes: int = SEND_BUFFER_BYTES,
        front: FrontOptions | None = None,
    ) -> None:
        """Play at `speed` times real time; `waits` for the first reader by default at unlimited speed only.

        `front` says who may trade, and how.

        Raises:
            InvalidValue: the speed cannot be played.
        """
        self.playback = playback
        self.pace = Pace(speed)
        self.clients = Clients(playback, send_buffer_bytes)
        self.front = Front(playback, front or FrontOptions())
        self.service = BrokerService(playback, self.clients, self.front)
        self.is_waiting = self.pace.is_unlimited if waits is None else waits
        self._host, self._port = host, port
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The WebSocket's address; the desk has the same with `http`."""
        return f"ws://{spelled_host(self._host)}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            Misconfigured: the address cannot be had; the message says what to do.
        """
        app = web.Application()
        app.add_routes(Desk(self).routes())
        app.add_routes(FaultDesk(self.front).routes())
        for part in (UserRoutes, OrderRoutes, PortfolioRoutes, MarketRoutes, GttRoutes):
            app.add_routes(self.front.routes(part(self.front).routes()))
        app.router.add_get("/{path:.*}", self._socket)
        app.router.add_route("*", "/{path:.*}", self.front.nothing_here)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise refusal_of_address(error, self._host, self._port) from error
        self._port = int(self._runner.addresses[0][1])

    async def run(self) -> None:
        """Play until asked to stop, then disconnect everybody."""
        self.service.postbacks.start()
        tasks = [asyncio.ensure_future(each) for each in (self._play(), self._beat(), self._carry_out_faults())]
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, stop):
                task.cancel()
            results = await asyncio.gather(*tasks, stop, return_exceptions=True)
            await self.clients.close()
            await self.service.postbacks.stop()
            if self._runner is not None:
                await self._runner.cleanup()
            self.front.arrivals.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    def request_stop(self) -> None:
        """Make `run` return."""
        self._stop.set()

    def changed(self) -> None:
        """Go on from where the playback stands now, in the way the pace says."""
        self.pace.anchor(monotonic(), self.playback.position)
        self._changed.set()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        account = self.front.login_of(request.query.get("api_key", ""), request.query.get("access_token", ""))
        socket = web.WebSocketResponse(compress=False, timeout=CLOSE_SECONDS)
        if not socket.can_prepare(request).ok:
            hint = "this is a WebSocket; the desk is at /sim/status, the instruments file at /instruments"
            return web.json_response({"status": "error", "message": hint}, status=404)
        if account is None and self.front.options.socket_needs_login:
            return refusal(token_error())
        await socket.prepare(request)
        client = Client(request, socket, len(self.playback.source.instruments))
        client.account = "" if account is None else account.user_id
        self.clients.add(client)
        log.info("client_connected", clients=len(self.clients))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self.clients.take(client, message.data)
        finally:
            self.clients.remove(client)
            log.info("client_gone", clients=len(self.clients))
        return socket

    async def _play(self) -> None:
        while self.is_waiting and not self.clients.are_ready(QUIET_SECONDS):  # noqa: ASYNC110  silence is no event
            await asyncio.sleep(_BEAT_SECONDS)
        self.is_waiting = False
        self.changed()
        has_told_end = False
        while True:
            if self.playback.is_finished and not has_told_end:
                log.info("session_over", events=self.playback.delivered)
                self.clients.write_end()
            has_told_end = self.playback.is_finished
            if self.playback.is_finished or self.pace.is_paused:
                self._changed.clear()
                await self._changed.wait()
            elif self.pace.is_unlimited:
                self._show(self.playback.advance_block(_BLOCK_EVENTS))
                await self.clients.drain()
                await asyncio.sleep(0)
            else:
                self._play_what_is_due()
                await asyncio.sleep(_BEAT_SECONDS)

    def _play_what_is_due(self) -> None:
        due = self.pace.due(monotonic())
        self._show(self.playback.advance(due))
        self.clients.drop_slow()
        if self.playback.position > due:
            self.pace.anchor(monotonic(), self.playback.position)

    def _show(self, step: Step) -> None:
        self.clients.write_step(step, self.pace.speed)
        self.service.market(step)

    async def _carry_out_faults(self) -> None:
        while True:
            self.service.carry_out_faults()
            await asyncio.sleep(_FAULTS_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self.clients.write_heartbeats()
