"""Writes the gateway's OpenAPI document as JSON: `python -m tools.openapi [FILE]`, to standard output without one.

The web client's types and the reference page of the API are made from it. No server, store or bus is started.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from niftyflow.gateway.app import create_app
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.storage.memory_hot import MemoryHotStore


class Unasked:
    """Stands where a store, bus or clock would: describing an API asks none of them anything."""


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the whole application."""
    nothing: dict[str, Any] = {field.name: Unasked() for field in fields(Sources) if field.init}
    keys: Any = Unasked()
    given = {"account": "", "pages": None, "hot": MemoryHotStore()}
    return create_app(Sources(**nothing | given), GatewaySettings(), keys).openapi()


def main(arguments: list[str]) -> int:
    """Write the document."""
    parser = argparse.ArgumentParser(prog="tools.openapi", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="where to write it")
    file: Path | None = parser.parse_args(arguments).file
    text = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
