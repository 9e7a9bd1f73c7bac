"""The schema's examples are answers that its models describe."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from niftyflow.gateway import analysis_routes, strategy_routes, system_routes, trading_routes

ROUTES = [
    route
    for module in (analysis_routes, trading_routes, strategy_routes, system_routes)
    for route in module.router.routes
    if isinstance(route, APIRoute)
]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_examples_are_as_described(route: APIRoute):
    """Every field there, and none that is not described."""
    examples = 0
    for status, response in route.responses.items():
        if int(status) >= 400:
            continue
        example = response["content"]["application/json"]["example"]
        response["model"].model_validate(example)
        examples += 1
    assert examples >= 1


def test_operations_have_names_of_their_own():
    """In camel case, with a summary: a client is generated from them."""
    names = [route.operation_id for route in ROUTES]
    assert len(names) == len(set(names))
    assert all(name and name[0].islower() and name.isalnum() for name in names)
    assert all(route.summary and route.tags for route in ROUTES)
