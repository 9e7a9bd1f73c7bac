"""The table of questions agrees with the graph, with the functions that answer, and with the settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec
import pytest

from niftyflow.ai.service import PredictService
from niftyflow.runtime.answers import Answers
from niftyflow.runtime.graph import GRAPH
from niftyflow.runtime.internal_http import InternalApp
from niftyflow.runtime.questions import QUESTIONS


def test_every_question_of_the_graph_has_its_types():
    """Asked or answered; beside them stands what every process tells of itself."""
    spoken = {question for node in GRAPH for question in (*node.answers, *node.asks)}
    assert QUESTIONS.keys() == spoken | {"system", "ready"}


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_its_types_are_those_of_the_function_that_answers(name: str):
    """Names, defaults and types of the arguments, and the type of the answer."""
    elsewhere = {"predict": PredictService.predict, "ready": InternalApp.ready}
    function = elsewhere.get(name) or getattr(Answers, name)
    hints = get_type_hints(function)
    assert QUESTIONS[name].answer == hints.pop("return")
    parameters = dict(inspect.signature(function).parameters)
    del parameters["self"]
    fields = {field.name: field for field in msgspec.structs.fields(QUESTIONS[name].arguments)}
    assert fields.keys() == parameters.keys()
    for argument, parameter in parameters.items():
        default = msgspec.NODEFAULT if parameter.default is parameter.empty else parameter.default
        assert fields[argument].default == default
        if hints[argument] != Mapping[str, object] | None:
            assert fields[argument].type == hints[argument]
        else:
            assert fields[argument].type == dict[str, Any] | None
