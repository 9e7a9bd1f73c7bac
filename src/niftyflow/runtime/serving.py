"""The gateway served by this process: the port first, so that a page comes at once; the application when it is ready.

It owns the socket, the server and the hub's life. It takes no signals: whoever runs the process says when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from niftyflow.gateway.envelope import failure, success
from niftyflow.gateway.pages import INDEX, NOT_PAGES, Pages
from niftyflow.gateway.wire import SERVER_OPTIONS
from niftyflow.kit.addresses import listening, spelled_host
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.http_server import served
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.workspace import Workspace

if TYPE_CHECKING:
    from niftyflow.gateway.sources import Commands, Playing
    from niftyflow.kit.caller import Caller
    from niftyflow.runtime.wiring import Engines, Process

TRY_AGAIN_LATER: Final = 1013


class Door:
    """What answers on the port: the pages from the first moment, the application while it is open, else 503."""

    def __init__(self, address: str, pages: Path | None) -> None:
        self.address = address
        self.pages = pages
        self.app: ASGIApp | None = None
        self._pages = Pages(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a socket."""
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(TRY_AGAIN_LATER, "niftyflow is starting")(scope, receive, send)
        elif scope["path"] == "/health/live":
            await success({"is_live": True})(scope, receive, send)
        elif any(scope["path"] == name or scope["path"].startswith(f"{name}/") for name in NOT_PAGES):
            await _starting()(scope, receive, send)
        else:
            try:
                await self._pages(scope, receive, send)
            except HTTPException as error:
                code = "method_not_allowed" if error.status_code == 405 else "not_found"  # noqa: PLR2004 - HTTP's own
                await failure(code, error.detail, "", None, dict(error.headers or {}))(scope, receive, send)


@asynccontextmanager
async def front_door(settings: AppSettings, port: int | None = None) -> AsyncIterator[Door]:
    """Listen, and answer for the time of a `with`; `port` overrides the settings' (0: a free one).

    Raises:
        Misconfigured: the address cannot be had; the message says what to do.
    """
    host = settings.gateway.host
    socket = listening(host, settings.gateway.port if port is None else port)
    door = Door(f"http://{spelled_host(host)}:{socket.getsockname()[1]}", pages_folder())
    async with served(door, socket, **SERVER_OPTIONS):
        yield door


class Opened(NamedTuple):
    """What whoever started the process is told: the first key's text the first time, and a link that signs in once."""

    first_key: str | None
    link: str


@asynccontextmanager
async def open_gateway(
    door: Door, workspace: Workspace, settings: AppSettings, on: Engines, process: Process, clock: Clock,
    playing: Playing | None = None,
) -> AsyncIterator[Opened]:  # fmt: skip
    """Let requests and sockets in for the time of a `with`, in a process that answers every question itself.

    Raises:
        Misconfigured: the first key cannot be kept.
        Retryable: the book is away.
    """
    from niftyflow.runtime.answers import answering  # noqa: PLC0415 - heavy

    answers = answering(on, settings, clock, workspace, desk=lambda: process.desk, parts=process.parts)
    async with answers as (caller, commands):
        asked = Asked(caller, commands)
        async with open_application(door, workspace, settings, on, asked, clock, playing) as opened:
            yield opened


class Asked(NamedTuple):
    """Whom the gateway asks, and through whom it gives commands."""

    caller: Caller
    commands: Commands


@asynccontextmanager
async def open_application(
    door: Door, workspace: Workspace, settings: AppSettings, on: Engines, asked: Asked, clock: Clock,
    playing: Playing | None = None,
) -> AsyncIterator[Opened]:  # fmt: skip
    """Let requests and sockets in for the time of a `with`; questions go where `asked` says.

    Raises:
        Misconfigured: the first key cannot be kept.
        Retryable: the book is away.
    """
    from niftyflow.gateway.app import create_app  # noqa: PLC0415 - heavy
    from niftyflow.gateway.hub import Hub  # noqa: PLC0415 - heavy
    from niftyflow.gateway.keys import first_key, link_of, new_ticket  # noqa: PLC0415 - heavy
    from niftyflow.gateway.sources import Sources  # noqa: PLC0415 - heavy
    from niftyflow.runtime.supervisor import keep  # noqa: PLC0415 - heavy

    now, keys = WallClock().now(), on.keys
    secret = await first_key(keys, settings.gateway, workspace.key_file, now)
    link = link_of(door.address, await new_ticket(keys, settings.gateway, now))
    worker, hub_worker = on.health.worker("gateway"), on.health.worker("gateway-hub")
    async with asyncio.TaskGroup() as group:
        sources = Sources(
            bus=on.bus, market=on.market, decisions=on.decisions, book=on.book, hot=on.hot, health=on.health,
            clock=clock, caller=asked.caller, commands=asked.commands, account=settings.trading.account,
            playing=playing, pages=door.pages,
        )  # fmt: skip
        hub, ending = Hub(sources), asyncio.Event()
        app = create_app(sources, settings.gateway, keys)
        app.state.hub = hub
        group.create_task(keep("gateway-hub", [hub_worker], hub.run, hub.run, ending), name="gateway-hub")
        await sources.channel.open()
        worker.runs()
        door.app = app
        try:
            yield Opened(secret, link)
        finally:
            door.app = None
            worker.stops()
            ending.set()
            hub.stop()
            await sources.channel.close()


def pages_folder() -> Path | None:
    """Return the folder of the built dashboard, None where it was not built."""
    from niftyflow import presentation  # noqa: PLC0415 - only its place is wanted

    folder = Path(presentation.__path__[0]) / "pages"
    return folder if (folder / INDEX).exists() else None


def _starting() -> Response:
    return failure("unavailable", "niftyflow is starting: ask again in a moment", "", None, {"Retry-After": "1"})
