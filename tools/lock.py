"""Writes the lock files, and checks that they belong to `pyproject.toml`.

A lock pins every package with its hashes and names no host, so that pip and uv install it from whichever index the
machine is set up for. The first line carries a digest of what it was resolved from: that is what `--check` compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
COOLDOWN = "1 week"
"""No release younger than this is taken: most poisoned packages are found out within days."""
RUNTIME = "requirements.lock"
LOCKS: dict[str, tuple[str, ...]] = {
    RUNTIME: ("--extra", "cluster", "--group", "build"),
    "requirements-dev.lock": (
        *("--extra", "cluster", "--group", "build", "--group", "test"),
        *("--group", "check", "--group", "generate", "--group", "compare"),
    ),
    "requirements-bench.lock": ("--group", "bench"),
}
DIGEST = "# resolved from pyproject.toml "


def sources(project: dict[str, object], choice: tuple[str, ...]) -> list[str]:
    """Return the requirements a lock is resolved from: the project's own with an extra, and the groups chosen."""
    table: dict[str, list[str]] = {
        f"--group {name}": list(wanted)
        for name, wanted in project.get("dependency-groups", {}).items()  # type: ignore[attr-defined]
    }
    metadata: dict[str, dict[str, list[str]]] = project["project"]  # type: ignore[assignment]
    table |= {f"--extra {name}": list(wanted) for name, wanted in metadata.get("optional-dependencies", {}).items()}
    wanted = list(metadata["dependencies"]) if "--extra" in choice else []
    for option, name in zip(choice[::2], choice[1::2], strict=True):
        wanted += table[f"{option} {name}"]
    return sorted(wanted)


def digest(project: dict[str, object], choice: tuple[str, ...]) -> str:
    """Return a short digest of everything a lock depends on."""
    python: str = project["project"]["requires-python"]  # type: ignore[index]
    return hashlib.sha256(json.dumps([python, sources(project, choice)]).encode()).hexdigest()[:16]


def complaints(project: dict[str, object], name: str, text: str) -> list[str]:
    """Return what is wrong with a lock file, one line each."""
    choice = LOCKS[name]
    wrong = []
    if not text.startswith(DIGEST + digest(project, choice)):
        wrong.append(f"{name} was not resolved from this pyproject.toml: run make lock")
    pinned: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==([^ \\;]+)", text, re.MULTILINE):
        pinned.setdefault(_canonical(package), set()).add(version)
    for line in sources(project, choice):
        wanted = Requirement(line)
        versions = pinned.get(_canonical(wanted.name), set())
        if not any(wanted.specifier.contains(version, prereleases=True) for version in versions):
            wrong.append(f"{name} pins no {wanted}: run make lock")
    if "://" in text:
        wrong.append(f"{name} names a host; a lock belongs to no index")
    return wrong


def write(name: str, project: dict[str, object]) -> None:
    """Resolve one lock anew with uv.

    Raises:
        subprocess.CalledProcessError: no set of versions satisfies the requirements; uv has said why.
    """
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header",
        "--no-emit-index-url", "--no-emit-find-links", "--python-version", "3.11", "--exclude-newer", COOLDOWN,
        "--upgrade",
    ]  # fmt: skip
    choice = list(LOCKS[name])
    if "--extra" in choice:
        command += ["pyproject.toml", *choice]
        if name != RUNTIME:
            command += ["--constraint", RUNTIME]
    else:
        command += [part if part.startswith("--") else f"pyproject.toml:{part}" for part in choice]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    (ROOT / name).write_text(f"{DIGEST}{digest(project, LOCKS[name])} by make lock\n{done.stdout}")


def main(arguments: list[str]) -> int:
    """Write the locks, or with `--check` say what is wrong with them."""
    parser = argparse.ArgumentParser(prog="tools.lock", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if not options.check:
        for name in LOCKS:
            write(name, project)
            print(f"wrote {name}")
        return 0
    wrong = [line for name in LOCKS for line in complaints(project, name, _text(ROOT / name))]
    print("\n".join(wrong) or "lock files match pyproject.toml")
    return 1 if wrong else 0


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
