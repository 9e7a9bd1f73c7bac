"""Puts TimescaleDB for the tests into `.cache/timescale`, or says in one line why it cannot."""

from __future__ import annotations

import sys

from tools.timescale import FOLDER, install
from tools.web import NotBuilt, say


def main() -> int:
    """Install what is missing; return the exit status."""
    try:
        is_new = install()
    except NotBuilt as error:
        say(f"TimescaleDB is left out: {error}. Its tests will skip.")
        return 1
    if is_new:
        say(f"TimescaleDB for the tests is now in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
