"""The gateway as one ASGI application: routers, health, pages, and the front before them.

It makes nothing it is not given, and starts nothing at import.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI

import niftyflow
from niftyflow.gateway import (
    analysis_routes,
    health_routes,
    key_routes,
    market_routes,
    session_routes,
    sockets,
    strategy_routes,
    system_routes,
    trading_routes,
)
from niftyflow.gateway.errors import handle_errors
from niftyflow.gateway.front import Front, scope_of
from niftyflow.gateway.keys import COOKIE, Keyring
from niftyflow.gateway.limits import Limits, rates_of
from niftyflow.gateway.pages import Pages
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.storage.key_ports import KeyStore

ROUTERS: Final[tuple[APIRouter, ...]] = (
    market_routes.router,
    analysis_routes.router,
    trading_routes.router,
    strategy_routes.router,
    system_routes.router,
    session_routes.router,
    key_routes.router,
    health_routes.router,
    sockets.router,
)
"""In the order in which a request is compared with them: what is asked most comes first."""

DESCRIPTION: Final = """\
Prices, candles, scorecards, signals, orders and strategies of one niftyflow.

Send a key in `X-API-KEY` or `Authorization: Bearer`; a browser signs in with `POST /api/v1/session` and has a cookie.
Every answer is `{"status":"success","data":…}`, every error `{"status":"error","error":{…}}` with a documented code.
Times are ms UTC, prices rupees, amounts of orders text with four decimals. A bare symbol means the NSE.
"""
SECURITY: Final = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}


def create_app(sources: Sources, settings: GatewaySettings, keys: KeyStore) -> FastAPI:
    """Return the application over `sources`, guarded by the keys of a store."""
    app = FastAPI(
        title="niftyflow", version=niftyflow.__version__, description=DESCRIPTION, redoc_url=None, docs_url=None,
        swagger_ui_oauth2_redirect_url=None, redirect_slashes=False,
    )  # fmt: skip
    keyring = Keyring(keys, sources.channel)
    app.state.sources = sources
    app.state.settings = settings
    app.state.keyring = keyring
    app.state.market = market_routes.market_views(sources)
    for router in ROUTERS:
        # Not included but taken over: an included router is matched twice for each request, and none has options.
        app.router.routes.extend(router.routes)
    app.router.default = Pages(sources.pages)
    limits = Limits(sources.hot, sources.health, rates_of(settings))
    app.add_middleware(Front, settings=settings, keyring=keyring, limits=limits)
    handle_errors(app)
    described = app.openapi
    app.openapi = lambda: _with_security(described())  # type: ignore[method-assign]
    return app


def _with_security(schema: dict[str, Any]) -> dict[str, Any]:
    """Say in the schema what each route asks of a key; the front is what asks it."""
    schema.setdefault("components", {})["securitySchemes"] = SECURITY
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            scope = scope_of(method.upper(), path)
            operation["security"] = [] if scope is None else [{name: []} for name in SECURITY]
            if scope is not None:
                operation["x-scope"] = scope.value
    return schema
