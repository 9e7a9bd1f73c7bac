"""An ASGI application served on a socket for the time of a `with`, by uvicorn; what it logs goes into our log.

It takes no signals: whoever runs the process says when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from niftyflow.kit.log import get_logger

log = get_logger(__name__)

LAST_ANSWERS_SECONDS: Final = 1
"""How long answers under way may take once the server ends."""
KEEP_ALIVE_SECONDS: Final = 30


class _Server(uvicorn.Server):
    """The server without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield


class _Said(logging.Handler):
    """Passes what the server logs on to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record of the server's."""
        level = log.error if record.levelno >= logging.ERROR else log.warning
        level("http_server_said", message=record.getMessage(), exc_info=record.exc_info or None)


@asynccontextmanager
async def served(app: ASGIApp, listening: socket.socket, **options: Any) -> AsyncIterator[None]:
    """Serve an application on a socket that listens; `options` are uvicorn's, beside or instead of ours."""
    said = logging.getLogger("uvicorn")
    said.handlers, said.propagate = [_Said()], False
    said.setLevel(logging.WARNING)
    ours: dict[str, Any] = {
        "http": "httptools", "lifespan": "off", "log_config": None, "access_log": False, "server_header": False,
        "proxy_headers": False, "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": LAST_ANSWERS_SECONDS,
    }  # fmt: skip
    server = _Server(uvicorn.Config(app, **(ours | options)))
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="http-server")
    try:
        while not (server.started or serving.done()):  # noqa: ASYNC110 - it loads its protocols, and signals nothing
            await asyncio.sleep(0)
        yield
    finally:
        server.should_exit = True
        await serving
