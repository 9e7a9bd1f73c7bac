"""How a route reads its parameters: each by its own type, at a fraction of the framework's cost, and no unknown ones.

The framework still describes them, and answers whenever one cannot be read. It decides nothing about values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, get_type_hints

from fastapi.params import Param, Path, Query
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from niftyflow.model import InvalidValue

MISSING: Final = inspect.Parameter.empty
LONGEST_SHOWN: Final = 64

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _Reader(NamedTuple):
    name: str
    read: Callable[[str], Any]
    default: Any


class Route(APIRoute):
    """A route that refuses query parameters it does not know, and reads plain ones itself.

    That saves 45 of the 240 µs that a price takes. An endpoint with a body, or with something else to be made for it,
    is left to the framework.
    """

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        whole, endpoint = super().get_route_handler(), self.endpoint
        names = frozenset(each.alias for each in self.dependant.query_params)
        readers = _readers(endpoint)

        async def checked(request: Request) -> Response:
            _refuse_unknown(request, names)
            return await whole(request)

        async def lean(request: Request) -> Response:
            _refuse_unknown(request, names)
            values = _values(request, readers or [])
            if values is None:
                return await whole(request)
            answer: Response = await endpoint(request=request, **values)
            return answer

        return checked if readers is None else lean


def _refuse_unknown(request: Request, names: frozenset[str]) -> None:
    for name in request.query_params:
        if name not in names:
            known = f"it knows {', '.join(sorted(names))}" if names else "it has none"
            raise InvalidValue("query parameter", name[:LONGEST_SHOWN], f"not one of this route; {known}")


def _values(request: Request, readers: list[_Reader]) -> dict[str, Any] | None:
    """Return the endpoint's arguments, None when one is missing or wrong: the framework then says what and why."""
    query, path = request.query_params, request.path_params
    values = {}
    for name, read, default in readers:
        given = path.get(name) or query.get(name)
        if given is None:
            if default is MISSING:
                return None
            values[name] = default
            continue
        try:
            values[name] = read(given)
        except ValidationError:
            return None
    return values


def _readers(endpoint: Callable[..., Any]) -> list[_Reader] | None:
    """Return how each parameter is read from text, None when not all of them can be, or no request is taken."""
    parameters = inspect.signature(endpoint).parameters
    hints = get_type_hints(endpoint, include_extras=True)
    readers = []
    for name, parameter in parameters.items():
        if name == "request":
            continue
        told = [each for each in getattr(hints[name], "__metadata__", ()) if isinstance(each, Param)]
        if not told or not isinstance(told[0], Query | Path) or told[0].alias not in (None, name):
            return None  # a body, a header, or something else to be made
        readers.append(_Reader(name, TypeAdapter(hints[name]).validate_python, parameter.default))
    return readers if "request" in parameters else None
