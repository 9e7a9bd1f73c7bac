"""Puts the dashboard's pages into the wheel and the sdist, built from `web/` where they are not there already.

An editable install builds nothing: `make web` does. A sdist carries pages and sources, so that a wheel made from it
needs no Node.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the pages before files are gathered."""

    def dependencies(self) -> list[str]:
        """Ask for Node as a package where pages must be built and the machine has none."""
        web = _web(Path(self.root))
        if web is None or web.is_built(web.digest_of(web.WEB)) or web.find_node() is not None:
            return []
        return [web.NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's own signature
        """Build the pages, unless this is an editable install."""
        web = _web(Path(self.root))
        if version == "editable" or web is None:
            return
        try:
            web.build()
        except web.NotBuilt as error:
            raise SystemExit(f"The dashboard's pages are missing: {error}") from error


def _web(root: Path) -> ModuleType | None:
    """Return `tools/web.py`, or None where the sources of the pages are not there."""
    file = root / "tools" / "web.py"
    if not file.is_file() or not (root / "web" / "package.json").is_file():
        return None
    spec = importlib.util.spec_from_file_location("niftyflow_tools_web", file)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
