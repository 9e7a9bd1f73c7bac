"""Runs every rule over the files git knows or would add; exits 1 when one is broken, naming file, line and reason."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from tools.lint import behaviour, shape
from tools.lint.base import Rule, Source, Violation

ROOT = Path(__file__).parents[2]
RULES: tuple[Rule, ...] = behaviour.RULES + shape.RULES


def sources(root: Path) -> Iterator[Source]:
    """Yield every text file of the working tree that is not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        path = root / name
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        yield Source(PurePosixPath(name), text, ast.parse(text, name) if path.suffix == ".py" else None)


def broken(files: Iterable[Source]) -> Iterator[tuple[Rule, Source, Violation]]:
    """Yield each violation of each rule."""
    for source in files:
        for rule in RULES:
            if rule.applies(source.path):
                for violation in rule.check(source):
                    yield rule, source, violation


def main() -> int:
    """Print the violations, each rule's reason once, and return the exit status."""
    told: set[str] = set()
    for rule, source, violation in broken(sources(ROOT)):
        print(f"{source.path}:{violation.line}: {rule.name}: {violation.message}")
        if rule.name not in told:
            print(f"    why: {rule.reason}")
            told.add(rule.name)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
