"""The global fixtures keep tests on this machine, away from the user's files, and honest about servers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"
SUITE = """
import pytest

@pytest.mark.kafka
def test_kafka():
    pytest.skip("no broker: Java is not there")

@pytest.mark.kafka
def test_data():
    pytest.skip("market data ticks is not there")

@pytest.mark.long
def test_long():
    assert True
"""


def outcome_of_suite(folder: Path, **variables: str) -> str:
    """Run a small suite under our conftest, and return pytest's output."""
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    kafka: server\n    long: long\n")
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NIFTYFLOW_LONG")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:randomly", "-p", "no:cacheprovider", str(folder)],
        cwd=folder, env=environment | variables, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def test_a_test_without_its_server_skips(tmp_path: Path) -> None:
    """On a developer's machine a missing server is no failure."""
    assert "3 skipped" in outcome_of_suite(tmp_path)


def test_a_test_without_its_server_fails_in_ci(tmp_path: Path) -> None:
    """CI has servers, so only missing data and the long form may skip there."""
    output = outcome_of_suite(tmp_path, CI="true")
    assert "1 failed, 2 skipped" in output
    assert "no broker: Java is not there" in output


def test_the_long_form_runs_when_asked_for(tmp_path: Path) -> None:
    """`make soak` sets the variable."""
    assert "1 passed, 2 skipped" in outcome_of_suite(tmp_path, NIFTYFLOW_LONG="1")


@pytest.mark.parametrize("address", [("192.0.2.1", 9), ("2001:db8::1", 9)])
def test_a_connection_to_elsewhere_is_blocked(address: tuple[str, int]) -> None:
    """A test can reach no other machine, by either protocol."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as connection, pytest.raises(AssertionError, match="this machine only"):
        connection.connect(address)


def test_a_look_up_of_a_name_elsewhere_is_blocked() -> None:
    """Not even the name is asked for."""
    with pytest.raises(AssertionError, match="this machine only"):
        socket.getaddrinfo("broker.example", 9092)


def test_this_machine_can_be_reached() -> None:
    """Servers on loopback are what integration tests talk to."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as connection,
    ):
        assert connection.getpeername() == server.getsockname()


def test_the_home_is_empty_and_settings_are_gone(surroundings: Path) -> None:
    """A developer's own configuration cannot change a result."""
    assert Path.home() == surroundings
    assert list(surroundings.iterdir()) == []
    assert not [name for name in os.environ if name.startswith("NIFTYFLOW_") and name not in KEPT]


KEPT = ("NIFTYFLOW_TEST_DATA", "NIFTYFLOW_LONG")
