"""The dashboard's built pages: files, and `index.html` for every address that the page itself knows how to show.

It comes after all routes, so that it never answers for the API. It builds nothing and knows nothing of what is shown.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

INDEX: Final = "index.html"
REFERENCE: Final = {"/docs": "docs.html"}
"""Pages of their own, by address."""
HASHED: Final = "assets/"
"""Files whose names change with their contents."""
NOT_PAGES: Final = ("/api", "/ws", "/health", "/metrics", "/docs", "/openapi.json")
FRESH: Final = {INDEX, *REFERENCE.values()}
FOREVER: Final = "public, max-age=31536000, immutable"
AN_HOUR: Final = "public, max-age=3600"
NOT_BUILT: Final = "the dashboard's pages are not built here; the API is, see /openapi.json"


class Pages:
    """What answers when no route does."""

    def __init__(self, folder: Path | None) -> None:
        self._files = None if folder is None else StaticFiles(directory=folder, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, or with the page.

        Raises:
            HTTPException: it is the API's address, or not to be had.
        """
        if scope["type"] == "websocket":
            await WebSocketClose(reason="there is no socket of that name")(scope, receive, send)
            return
        path = scope["path"]
        if path not in REFERENCE and any(path == name or path.startswith(f"{name}/") for name in NOT_PAGES):
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if self._files is None:
            raise HTTPException(404, NOT_BUILT)
        response = await self._found(self._files, scope)
        await response(scope, receive, send)

    async def _found(self, files: StaticFiles, scope: Scope) -> Response:
        name = REFERENCE.get(scope["path"]) or files.get_path(scope)
        if "\0" in name:
            raise HTTPException(404)
        if name in ("", "."):
            name = INDEX
        try:
            response = await files.get_response(name, scope)
        except HTTPException as error:
            if error.status_code != 404 or name.replace(os.sep, "/").startswith(HASHED):  # noqa: PLR2004 - HTTP's own
                raise
            response, name = await self._index(files, scope), INDEX
        is_hashed = name.replace(os.sep, "/").startswith(HASHED)
        response.headers["Cache-Control"] = "no-cache" if name in FRESH else FOREVER if is_hashed else AN_HOUR
        return response

    @staticmethod
    async def _index(files: StaticFiles, scope: Scope) -> Response:
        try:
            return await files.get_response(INDEX, scope)
        except HTTPException as error:
            raise HTTPException(error.status_code, NOT_BUILT) from error
