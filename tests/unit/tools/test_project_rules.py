"""The project's own rules find what they are for, and leave the rest alone."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

import pytest

from tools.lint.__main__ import RULES, broken
from tools.lint.base import Source
from tools.lint.shape import REGISTRIES

STAGE = "src/niftyflow/ingestion/stage.py"
TEST = "tests/unit/kit/test_clock.py"


def names_of(text: str, path: str = STAGE) -> list[str]:
    """Return the names of the rules that a file breaks, once for each place."""
    tree = ast.parse(text) if path.endswith(".py") else None
    return [rule.name for rule, _, _ in broken([Source(PurePosixPath(path), text, tree)])]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import time\nnow = time.time()\n", "clock"),
        ("from time import monotonic as m\nclock = m\n", "clock"),
        ("from datetime import datetime, UTC\nnow = datetime.now(UTC)\n", "clock"),
        ("import datetime as dt\nday = dt.date.today()\n", "clock"),
        ("import time\nnow = time.gmtime()\n", "clock"),
        ("try:\n    f()\nexcept Exception:\n    g()\n", "broad-except"),
        ("try:\n    f()\nexcept:\n    g()\n", "broad-except"),
        ("try:\n    f()\nexcept (OSError, Exception) as error:\n    g(error)\n", "broad-except"),
        ("try:\n    f()\nexcept Exception:  # supervisor:\n    g()\n", "broad-except"),
        ("import ssl\ncontext.verify_mode = ssl.CERT_NONE\n", "certificates"),
        ("context.check_hostname = False\n", "certificates"),
        ("session.get(url, ssl=False)\n", "certificates"),
        ("requests.get(url, verify=False)\n", "certificates"),
        ("x = 1\n" * 401, "size"),
    ],
)
def test_a_rule_finds_what_it_is_for(text: str, rule: str) -> None:
    """Each forbidden line is found, by its own rule and no other."""
    assert set(names_of(text)) == {rule}


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)\nday = time.gmtime(seconds)\n",
        "from datetime import datetime, UTC\nstart = datetime.fromtimestamp(0, UTC)\n",
        "now = self.clock.now()\n",
        "try:\n    f()\nexcept ValueError:\n    g()\n",
        "try:\n    f()\nexcept BaseException:\n    undo()\n    raise\n",
        "try:\n    f()\nexcept Exception:  # supervisor: one task's mistake must not end the others\n    g()\n",
        "session.get(url, ssl=True)\ncheck_hostname = False\n",
        "x = 1\n" * 400,
    ],
)
def test_a_rule_leaves_the_rest_alone(text: str) -> None:
    """What only looks like a forbidden line passes."""
    assert names_of(text) == []


def test_the_clock_module_may_read_the_clock() -> None:
    """One file is the clock."""
    text = "import time\nnow = time.time_ns()\n"
    assert names_of(text, "src/niftyflow/kit/clock.py") == []
    assert names_of(text, "src/niftyflow/kit/retry.py") == ["clock"]


def test_rules_of_the_package_do_not_bind_scripts() -> None:
    """Benchmarks and tools read the clock."""
    assert names_of("import time\nnow = time.perf_counter()\n", "benchmarks/run.py") == []


@pytest.mark.parametrize("name", ["utils", "helpers", "order_manager", "feed_v2", "decode_fixed"])
def test_a_file_named_for_nothing_is_refused(name: str) -> None:
    """File names say what is inside."""
    assert names_of("x = 1\n", f"src/niftyflow/kit/{name}.py") == ["drawer-names"]


def test_a_registry_host_is_found_in_any_file() -> None:
    """Locks, scripts and pages alike; other hosts with a similar name pass."""
    assert names_of(f"--find-links https://files.{REGISTRIES[1]}/simple\n", "requirements.lock") == ["registry-hosts"]
    assert names_of("see https://docs.python.org/3 and my-crates.io.example\n", "docs/index.md") == []


def test_hollow_tests_are_found() -> None:
    """No sentence, no assertion, or our own code replaced: each is a complaint."""
    assert names_of("def test_x():\n    f()\n", TEST) == ["hollow-tests", "hollow-tests"]
    body = '    """It is."""\n    monkeypatch.setattr("niftyflow.kit.clock.time", f)\n    assert x\n'
    assert names_of(f"def test_x(monkeypatch):\n{body}", TEST) == ["hollow-tests"]
    assert (
        names_of('async def test_x():\n    """It is."""\n    with pytest.raises(OSError):\n        f()\n', TEST) == []
    )


def test_every_rule_tells_its_reason() -> None:
    """A rule without a story is noise."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(len(rule.reason) > 60 for rule in RULES)
