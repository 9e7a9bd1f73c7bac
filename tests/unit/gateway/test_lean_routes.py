"""Routes that read plain parameters themselves: the same answers as the framework's, and no unknown parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Header, Path, Query, Request
from starlette.responses import JSONResponse, Response

from niftyflow.gateway.errors import handle_errors
from niftyflow.gateway.routing import Route, _readers


async def asked(
    request: Request,
    name: Annotated[str, Path(max_length=5)],
    count: Annotated[int, Query(ge=1, le=9)],
    kind: Annotated[Literal["a", "b"] | None, Query()] = None,
    is_so: Annotated[bool, Query()] = False,  # noqa: FBT002 - as routes declare it
) -> Response:
    """Answer with what was asked."""
    return JSONResponse([request.method, name, count, kind, is_so])


async def with_header(request: Request, key: Annotated[str, Header()] = "none") -> Response:
    """Answer with a header, which is no query parameter."""
    return JSONResponse([request.method, key])


def client(route: type[Any] | None) -> httpx.AsyncClient:
    """Return a client of an application whose routes are of that class."""
    router = APIRouter(**({} if route is None else {"route_class": route}))
    router.get("/{name}/asked")(asked)
    router.get("/header")(with_header)
    app = FastAPI()
    app.include_router(router)
    handle_errors(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


@pytest.mark.parametrize(
    "path",
    [
        "/x/asked?count=3", "/x/asked?count=3&kind=a&is_so=true", "/x/asked?count=3&count=4", "/%C3%BC/asked?count=1",
        "/x/asked", "/x/asked?count=0", "/x/asked?count=three", "/x/asked?count=3&kind=c", "/toolong/asked?count=3",
        "/x/asked?count=&kind=a", "/x/asked?count=3&is_so=maybe", "/header",
    ],
)  # fmt: skip
async def test_a_lean_route_answers_as_the_frameworks_own(path: str):
    """Right or wrong, to the letter."""
    async with client(None) as plain, client(Route) as lean:
        expected, found = await plain.get(path), await lean.get(path)
    assert found.status_code == expected.status_code
    body, wanted = found.json(), expected.json()
    assert body == wanted


def test_only_plain_parameters_are_read_leanly():
    """A header is the framework's to find."""
    assert [each.name for each in _readers(asked) or []] == ["name", "count", "kind", "is_so"]
    assert _readers(with_header) is None


@pytest.mark.parametrize("path", ["/x/asked?count=3&cuont=4", "/x/asked?count=3&name=y", "/header?key=1"])
async def test_a_parameter_that_is_not_known_is_refused(path: str):
    """A misspelt one must not pass for the default."""
    async with client(Route) as lean:
        response = await lean.get(path)
    assert response.status_code == 422
    assert "not one of this route" in response.json()["error"]["message"]
