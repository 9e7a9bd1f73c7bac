"""Rules on what files look like: their names, their size, the hosts they name, and what a test must have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.lint.base import Rule, Source, Violation, calls, in_package, in_tests, python_of

LARGEST_FILE = 400
DRAWER_NAMES = re.compile(r"^(utils?|helpers?|misc|common|.*manager|.*_(v\d+|fixed|new|old))$")
# Spelled in parts, so that this file keeps its own rule.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("crates", "io"),
        ("golang", "org"),
        ("debian", "org"),
        ("ubuntu", "com"),
    )
)
HOST = re.compile(r"(?<![\w.-])(?:[\w-]+\.)*(" + "|".join(map(re.escape, REGISTRIES)) + r")(?![\w-])(?!\.\w)")
ASSERTING = ("assert", "raises", "expect", "check", "warns")


def drawer_names(source: Source) -> Iterator[Violation]:
    """Yield a file named for nothing in particular."""
    if DRAWER_NAMES.match(source.path.stem):
        yield Violation(1, f"{source.path.name} says nothing: name the file by the one thing it does")


def size(source: Source) -> Iterator[Violation]:
    """Yield a file too long to be read at one sitting."""
    lines = source.text.count("\n")
    if lines > LARGEST_FILE:
        yield Violation(LARGEST_FILE + 1, f"{lines} lines, and {LARGEST_FILE} is the most: split it by idea")


def registry_hosts(source: Source) -> Iterator[Violation]:
    """Yield hosts of package registries."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        found = HOST.search(line)
        if found:
            yield Violation(number, f"names the registry host {found.group(0)}; name the package, not where it lies")


def hollow_tests(source: Source) -> Iterator[Violation]:
    """Yield tests that check nothing, have no sentence, or replace our own code."""
    tree = python_of(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            if ast.get_docstring(node) is None:
                yield Violation(node.lineno, f"{node.name} has no docstring: say in one line what it shows")
            if not _asserts(node):
                yield Violation(node.lineno, f"{node.name} asserts nothing, so it cannot fail")
    for call, name in calls(tree):
        target = call.args[0] if call.args else None
        if name.endswith((".patch", "monkeypatch.setattr")) and _is_our_code(target):
            yield Violation(call.lineno, "replaces our own code: use a second real implementation of the port")


def _is_our_code(target: ast.expr | None) -> bool:
    """Return whether a patch's target is ours and no constant: a limit may be shortened for a test."""
    if not isinstance(target, ast.Constant) or not str(target.value).startswith("niftyflow."):
        return False
    return not str(target.value).rpartition(".")[2].isupper()


def _asserts(test: ast.AST) -> bool:
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called.lstrip("_").startswith(ASSERTING):
                return True
    return False


RULES = (
    Rule(
        "drawer-names",
        "A utils.py is where the next person puts the next thing; in other platforms it has grown to thousands of "
        "lines beside a _v2 and a _fixed of itself.",
        in_package,
        drawer_names,
    ),
    Rule(
        "size",
        "A file that cannot be read at one sitting is changed without being understood.",
        lambda path: path.suffix == ".py" and path.parts[0] in ("src", "tests", "tools", "benchmarks"),
        size,
    ),
    Rule(
        "registry-hosts",
        "A lock or script that names an index breaks behind a company's mirror, and sends people to a host that the "
        "machine's own settings meant to replace.",
        lambda _: True,
        registry_hosts,
    ),
    Rule(
        "hollow-tests",
        "A test that asserts nothing stays green while what it is named after breaks.",
        in_tests,
        hollow_tests,
    ),
)
