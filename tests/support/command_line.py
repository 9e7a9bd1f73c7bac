"""`niftyflow` as its `main` runs it, in this process: what it prints, what it says, and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest
import structlog

from niftyflow.cli.app import main


class Ran(NamedTuple):
    """What a command left."""

    code: int
    out: str
    said: str


Niftyflow = Callable[..., Ran]


@pytest.fixture
def niftyflow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Niftyflow:
    """Run a command line."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["niftyflow", *map(str, arguments)])
        try:
            with pytest.raises(SystemExit) as left:
                main()
        finally:
            structlog.reset_defaults()  # commands set up logging, to the standard error of this test
        output = capsys.readouterr()
        return Ran(int(left.value.code or 0), output.out, output.err)

    return run
