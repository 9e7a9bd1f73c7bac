"""What a rule is: a name, a reason, the files it looks at, and a check that yields violations."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Source:
    """One file: its path from the repository's root, its text, and for Python its syntax tree."""

    path: PurePosixPath
    text: str
    tree: ast.Module | None = None

    def line(self, number: int) -> str:
        """Return a line by its number, from 1."""
        return self.text.splitlines()[number - 1]


@dataclass(frozen=True)
class Violation:
    """One place that breaks a rule."""

    line: int
    message: str


@dataclass(frozen=True)
class Rule:
    """A rule, and the reason it exists."""

    name: str
    reason: str
    applies: Callable[[PurePosixPath], bool]
    check: Callable[[Source], Iterable[Violation]]


def in_package(path: PurePosixPath) -> bool:
    """Return whether a file is Python of the shipped package."""
    return path.suffix == ".py" and path.parts[:2] == ("src", "niftyflow")


def in_tests(path: PurePosixPath) -> bool:
    """Return whether a file holds tests."""
    return path.parts[:1] == ("tests",) and path.name.startswith("test_") and path.suffix == ".py"


def python_of(source: Source) -> ast.Module:
    """Return the syntax tree of a Python source."""
    return source.tree if source.tree is not None else ast.parse(source.text)


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what each imported local name stands for: `{"now": "datetime.datetime.now"}`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                first = item.name.partition(".")[0]
                names[item.asname or first] = item.name if item.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {item.asname or item.name: f"{node.module}.{item.name}" for item in node.names}
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    """Return the full dotted name of an expression such as `datetime.now`, imports resolved, or None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call with the full name of what is called."""
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func, names)
            if name is not None:
                yield node, name
