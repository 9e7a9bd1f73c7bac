"""Settings of signals: which rules are followed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from niftyflow.kit.settings import Settings


class SignalSettings(Settings):
    """The rules that make signals."""

    files: tuple[Path, ...] = Field(default=(), description="Rule files, YAML, one rule each; empty: composite-v1")
