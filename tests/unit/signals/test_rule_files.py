"""Rule files: what is read from them, and that what cannot be is refused with file, line, rule and field."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from niftyflow.model import Interval, Misconfigured, Side
from niftyflow.signals.rules import Distance, Rule, load_rules, read_rule
from niftyflow.signals.settings import SignalSettings
from niftyflow.signals.values import NAMES
from support.signal_rules import MINUTE, PLAIN, rule

DOCS = Path(__file__).parents[3] / "docs"
FULL = """
name: trend-1
description: A trend that the market shares.
interval: 5m
instruments: [NSE:RELIANCE, infy]
between: ["09:20", "15:00"]
buy:
  - composite_score >= 3.5
  - ltp > vwap
confirm: 2
cooldown: 1h
valid_for: 90s
stop: 1.5 atr
target: 0.5 %
strength: abs(composite_score) / 4
"""


def test_a_rule_file_is_read_whole():
    """Every field, in the units it is computed with."""
    read = read_rule(FULL, "trend.yaml")
    assert (read.name, read.interval, read.instruments) == ("trend-1", Interval.M5, {"NSE:RELIANCE", "NSE:INFY"})
    assert read.between == (9 * 60 + 20, 15 * 60)
    assert [each.text for each in read.conditions(Side.BUY)] == ["composite_score >= 3.5", "ltp > vwap"]
    assert read.conditions(Side.SELL) == ()
    assert (read.confirm, read.cooldown, read.valid_for) == (2, 60 * MINUTE, 90_000)
    assert (read.stop, read.target) == (Distance(1.5, "atr"), Distance(0.5, "%"))
    assert read.strength.text == "abs(composite_score) / 4"


def test_what_a_rule_leaves_out_has_a_default():
    """Any instrument and time, no confirmation, fifteen minutes of silence, no stop."""
    read = read_rule("name: short\nbuy: [rsi < 30]\n", "short.yaml")
    assert (read.interval, read.instruments, read.between) == (Interval.M1, None, (0, 1439))
    assert (read.confirm, read.cooldown, read.valid_for) == (1, 15 * MINUTE, 3 * MINUTE)
    assert (read.stop, read.target, read.strength.text) == (None, None, "abs(composite_score) / 5")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("confrim: 2", "test.yaml:5: rule plain: there is no field confrim: did you mean confirm?"),
        ("xyzzy: 2", "there is no field xyzzy: remove it"),
        ("confirm: 0", "test.yaml:5: rule plain: confirm is 0: input should be greater than or equal to 1"),
        ("confirm: two", "confirm is 'two': input should be a valid integer"),
        ("confirm: true", "confirm is True"),
        ("confirm: 61", "less than or equal to 60"),
        ("interval: 2m", "interval is '2m'"),
        ("interval: 1d", "a rule decides within the day"),
        ("instruments: []", "write all, or a list"),
        ("instruments: NSE:RELIANCE", "write all, or a list"),
        ("instruments: [XYZ:RELIANCE]", "use one of NSE, BSE"),
        ("instruments: [1]", "write all, or a list"),
        ("between: [09:20, 15:00]", "in quotes"),
        ('between: ["09:20"]', "two times of the day"),
        ('between: ["24:00", "25:00"]', "two times of the day"),
        ('between: ["09:20", "9:30"]', "two times of the day"),
        ('between: ["15:00", "09:20"]', "the first time must be before the second"),
        ("between: all", "two times of the day"),
        ("cooldown: 15", "write a length of time as 90s, 15m or 1h"),
        ("cooldown: -5m", "write a length of time"),
        ("cooldown: [5m]", "write a length of time"),
        ("valid_for: 0s", "a signal needs time to be acted upon"),
        ("stop: 1.5", "write a distance as 1.5 atr, 0.5 % or none"),
        ("stop: 0 atr", "write a distance"),
        ("target: 3 points", "write a distance"),
        ("target: [3]", "write a distance"),
        ("strength: rsi > 3", "is not allowed"),
        ("strength: true", "write an expression"),
        ("description: [x]", "description is ['x']"),
    ],
)
def test_a_field_that_cannot_be_is_refused_with_its_place(line, says):
    """File, line, rule, field, and what to write instead."""
    with pytest.raises(Misconfigured) as refused:
        read_rule(PLAIN.replace("cooldown: 0m\n", "# in its place\n") + line, "test.yaml")
    assert says in str(refused.value)
    assert str(refused.value).startswith("test.yaml:5: rule plain: ")


def test_a_condition_that_cannot_be_is_named_by_its_line():
    """The line of the condition, not of its list; every problem of the file is told at once."""
    text = "name: two\nbuy:\n  - rsi > 3\n  - risi > 3\n  - {rsi: 3}\nsell: rsi > 3\n"
    with pytest.raises(Misconfigured) as refused:
        read_rule(text, "two.yaml")
    first, second, third = str(refused.value).split("; two.yaml")
    assert first.startswith(
        "two.yaml:4: rule two: buy condition 2 is 'risi > 3': no value is called risi; did you mean"
    )
    assert second.startswith(":5: rule two: buy condition 3 is {'rsi': 3}: write a comparison")
    assert third == ":6: rule two: sell is 'rsi > 3': write a list, one condition a line, each behind a dash"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "x.yaml holds no rule"),
        ("- a\n- b\n", "x.yaml holds no rule"),
        ("name: [", "x.yaml is no YAML: "),
        ("name: !!python/object:os.system x", "x.yaml is no YAML: "),
        ("name: a\nbuy: [rsi > 3]\nname: b\n", "x.yaml:3: name stands there twice: once at line 1"),
        ("buy: [rsi > 3]", "x.yaml: its rule has no name: name is missing"),
        ("name: 3\nbuy: [rsi > 3]", "x.yaml:1: its rule has no name: name is 3"),
        ("name: two words\nbuy: [rsi > 3]", "name is 'two words'"),
        ("name: a", "x.yaml: rule a: it never signals"),
        ("name: a\nbuy: []\nsell: []", "x.yaml: rule a: it never signals"),
        ("? [a, b]\n: 3\nname: a", "x.yaml is no YAML: "),
        ("1: 2\nname: a\nbuy: [rsi > 3]", "x.yaml:1: rule a: there is no field 1: remove it"),
    ],
)
def test_a_file_that_holds_no_rule_is_refused(text, says):
    """Not YAML, not a mapping, a field twice, no name, no condition."""
    with pytest.raises(Misconfigured) as refused:
        read_rule(text, "x.yaml")
    assert says in str(refused.value)


def test_the_built_in_rule_is_followed_when_no_file_is_set():
    """Its two sides mirror one another."""
    (built_in,) = load_rules(SignalSettings().files)
    assert built_in.name == "composite-v1"
    assert (built_in.between, built_in.confirm, built_in.cooldown) == ((570, 900), 2, 30 * MINUTE)
    assert (built_in.stop, built_in.target) == (Distance(1.5, "atr"), Distance(3.0, "atr"))
    mirrored = {">=": "<=", "<=": ">=", ">": "<", "3.5": "-3.5", "0.6": "0.4"}
    turned = [" ".join(mirrored.get(word, word) for word in each.text.split()) for each in built_in.buy]
    assert turned == [each.text for each in built_in.sell]


def test_rules_keep_the_order_of_their_files_and_need_names_of_their_own(tmp_path: Path):
    """The order of files is the order of signals."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nbuy: [rsi > 3]\n")
    files = [tmp_path / "b.yaml", tmp_path / "a.yaml"]
    assert [each.name for each in load_rules(files)] == ["b", "a"]
    with pytest.raises(Misconfigured, match="another rule called b"):
        load_rules([*files, tmp_path / "b.yaml"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    """Absent, or no text."""
    with pytest.raises(Misconfigured, match=r"absent\.yaml cannot be read"):
        load_rules([tmp_path / "absent.yaml"])
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(Misconfigured, match=r"bytes\.yaml cannot be read"):
        load_rules([tmp_path / "bytes.yaml"])


@pytest.mark.parametrize(
    ("distance", "sign", "level"),
    [
        (Distance(1.5, "atr"), -1, 94.0),
        (Distance(1.5, "atr"), 1, 106.0),
        (Distance(0.5, "%"), 1, 100.5),
        (Distance(1 / 3, "%"), 1, 100.3333),
        (Distance(25.0, "atr"), -1, None),
        (Distance(100.0, "%"), -1, None),
        (Distance(1e-9, "%"), 1, None),
    ],
)
def test_a_level_lies_on_its_side_of_the_price_or_is_none(distance, sign, level):
    """Exact to four decimals; never at or below zero, never at the price."""
    assert distance.level(100.0, 4.0, sign) == level


@pytest.mark.parametrize("atr", [float("nan"), 0.0, -1.0, float("inf")])
def test_a_level_in_atrs_needs_an_atr(atr):
    """Unknown, zero and impossible ones give none."""
    assert Distance(2.0, "atr").level(100.0, atr, 1) is None


def test_a_rule_of_the_tests_is_a_rule():
    """Fields replace those of the text."""
    assert rule(confirm=3, stop="none").confirm == 3
    assert rule(cooldown="5m").cooldown == 5 * MINUTE


def test_the_rules_on_the_pages_are_rules():
    """The one to copy is read, and the built-in one stands there as it is followed."""
    (guide,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "how-to" / "write-a-signal-rule.md").read_text(), re.DOTALL)
    assert read_rule(guide, "guide").name == "pullback-1"
    (shown,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "reference" / "signal-rules.md").read_text(), re.DOTALL)
    assert files("niftyflow.signals").joinpath("data", "composite.yaml").read_text().endswith("\n" + shown)


def test_the_reference_lists_every_field_and_every_name():
    """No more, no fewer."""
    page = (DOCS / "reference" / "signal-rules.md").read_text()
    tables = {}
    for title in ("Fields", "Names"):
        part = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        first_cells = re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE)
        tables[title] = [name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(tables["Fields"]) == sorted(Rule.model_fields)
    assert sorted(tables["Names"]) == sorted(NAMES)
