"""Rules on what the shipped package may do: read a clock, catch everything, trust a connection."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tools.lint.base import Rule, Source, Violation, calls, dotted, imported_names, in_package, python_of

CLOCK_MODULE = PurePosixPath("src/niftyflow/kit/clock.py")
CLOCKS = frozenset(
    f"{owner}.{name}"
    for owner, names in {
        "time": ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime",
                 "gmtime", "ctime"),
        "datetime.datetime": ("now", "utcnow", "today"),
        "datetime.date": ("today",),
    }.items()
    for name in names
)  # fmt: skip
NEED_ARGUMENT = frozenset({"time.localtime", "time.gmtime", "time.ctime"})
"""These read the clock only when they are called without a time."""
BROAD = frozenset({"Exception", "BaseException"})
SUPERVISOR = "# supervisor:"


def clock_reads(source: Source) -> Iterator[Violation]:
    """Yield reads of the system's clock, also where the function is only handed on."""
    tree = python_of(source)
    names = imported_names(tree)
    with_time = {id(call.func) for call, name in calls(tree) if name in NEED_ARGUMENT and call.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in with_time:
            name = dotted(node, names)
            if name in CLOCKS:
                yield Violation(node.lineno, f"{name} reads the clock; take a Clock, or kit.clock.monotonic to wait")


def broad_catches(source: Source) -> Iterator[Violation]:
    """Yield `except:` and `except Exception` that neither raise again nor bear a supervisor's mark and reason."""
    for node in ast.walk(python_of(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        broad = any(kind is None or (isinstance(kind, ast.Name) and kind.id in BROAD) for kind in caught)
        last = node.body[-1]
        raises_again = isinstance(last, ast.Raise) and last.exc is None
        _, _, reason = source.line(node.lineno).partition(SUPERVISOR)
        if broad and not raises_again and not reason.strip():
            yield Violation(node.lineno, f"catches everything; name the errors, or say `{SUPERVISOR} why` on the line")


def unchecked_certificates(source: Source) -> Iterator[Violation]:
    """Yield every way in which the libraries used here switch certificate checks off."""
    tree = python_of(source)
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node, names) in (
            "ssl.CERT_NONE",
            "ssl._create_unverified_context",
        ):
            yield Violation(node.lineno, "switches certificate checks off")
        elif isinstance(node, ast.Assign) and _is_false(node.value):
            if any(isinstance(target, ast.Attribute) and target.attr == "check_hostname" for target in node.targets):
                yield Violation(node.lineno, "switches the check of the host's name off")
        elif isinstance(node, ast.keyword) and node.arg in ("verify", "verify_ssl", "ssl") and _is_false(node.value):
            yield Violation(node.value.lineno, f"{node.arg}=False switches certificate checks off")


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


RULES = (
    Rule(
        "clock",
        "Time in the data path is the watermark. One datetime.now() in a stage makes a replay differ from the day it "
        "replays, and a candle depend on how busy the machine was.",
        lambda path: in_package(path) and path != CLOCK_MODULE,
        clock_reads,
    ),
    Rule(
        "broad-except",
        "An error of the world pauses, an error of a record dead-letters. `except Exception` makes both, and every "
        "programming mistake, into a line in the log and lost ticks.",
        in_package,
        broad_catches,
    ),
    Rule(
        "certificates",
        "Broker connectors in the field ship with verification off because it once helped in a debugging session; "
        "anyone on the path then reads the token and trades.",
        in_package,
        unchecked_certificates,
    ),
)
