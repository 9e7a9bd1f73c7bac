"""A lock file belongs to one `pyproject.toml`, and to no index."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools.lock import DIGEST, LOCKS, RUNTIME, complaints, digest, sources

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project() -> dict[str, Any]:
    """Return the project's own metadata."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("name", LOCKS)
def test_the_committed_lock_is_of_this_project(project: dict[str, Any], name: str) -> None:
    """What a fresh clone installs is what pyproject.toml asks for."""
    assert complaints(project, name, (ROOT / name).read_text()) == []


def test_a_changed_requirement_makes_the_lock_stale(project: dict[str, Any]) -> None:
    """Raising a bound without `make lock` is found, and named where the pin breaks it."""
    changed = copy.deepcopy(project)
    changed["project"]["dependencies"] = ["numpy>=99"]
    assert complaints(changed, RUNTIME, (ROOT / RUNTIME).read_text()) == [
        f"{RUNTIME} was not resolved from this pyproject.toml: run make lock",
        f"{RUNTIME} pins no numpy>=99: run make lock",
    ]


def test_a_missing_lock_is_stale(project: dict[str, Any]) -> None:
    """An absent file pins nothing."""
    assert len(complaints(project, RUNTIME, "")) > len(project["project"]["dependencies"])


def test_a_lock_that_names_a_host_is_refused(project: dict[str, Any]) -> None:
    """An index written into a lock binds everyone to it."""
    text = (ROOT / RUNTIME).read_text() + "--index-url https://index.example/simple\n"
    assert complaints(project, RUNTIME, text) == [f"{RUNTIME} names a host; a lock belongs to no index"]


def test_the_development_lock_holds_all_that_the_runtime_lock_holds(project: dict[str, Any]) -> None:
    """One environment serves `make demo` and `make test`, with the same versions."""
    runtime, development = ((ROOT / name).read_text() for name in (RUNTIME, "requirements-dev.lock"))
    pins = {line.split(" \\")[0] for line in runtime.splitlines() if "==" in line}
    assert pins
    assert pins <= {line.split(" \\")[0] for line in development.splitlines()}
    assert set(sources(project, LOCKS[RUNTIME])) < set(sources(project, LOCKS["requirements-dev.lock"]))


def test_the_digest_does_not_depend_on_the_order_of_requirements(project: dict[str, Any]) -> None:
    """Sorting a list in pyproject.toml is no change."""
    changed = copy.deepcopy(project)
    changed["project"]["dependencies"].reverse()
    assert digest(changed, LOCKS[RUNTIME]) == digest(project, LOCKS[RUNTIME])
    assert (ROOT / RUNTIME).read_text().startswith(DIGEST + digest(project, LOCKS[RUNTIME]))
