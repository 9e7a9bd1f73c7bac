"""A commit's statements: the same on every engine, and none that meets a key twice where that is not allowed."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec
import pytest

from niftyflow.model import InvalidValue
from niftyflow.storage.book_ports import Changes, LeaseLost
from niftyflow.storage.book_statements import why_not
from niftyflow.storage.postgres_book_statements import STATEMENTS as POSTGRES
from niftyflow.storage.sqlite_book_statements import STATEMENTS as SQLITE
from support.books import PAPER, a_position, an_order, bought

INTO = re.compile(r"INSERT INTO (\w+) \(([^)]*)\)")


def test_both_engines_write_the_same_tables_in_the_same_order():
    """With the same columns, but for what tells PostgreSQL the month."""
    changes = bought(1)
    written = {}
    for engine, statements in (("sqlite", SQLITE), ("postgres", POSTGRES)):
        found = [INTO.match(write.text).groups() for write in statements.writes_of(PAPER, 1, changes)]
        written[engine] = [
            (table, set(columns.replace('"', "").split(", ")) - {"decided_at"}) for table, columns in found
        ]
    assert written["postgres"] == written["sqlite"]
    assert [table for table, _ in written["sqlite"]][:4] == ["order_intents", "orders", "order_events", "trades"]


def test_a_table_without_rows_is_not_written():
    """A commit of one position is one statement."""
    for statements in (SQLITE, POSTGRES):
        (write,) = statements.writes_of(PAPER, 1, Changes(positions=[a_position()]))
        assert write.name == "position"


def test_rows_that_replace_one_another_are_written_one_run_after_the_other():
    """What is added, never: the database is to refuse it."""
    first, other = an_order(1), an_order(2)
    again = msgspec.structs.replace(first, filled=3)
    _, orders = POSTGRES.writes_of(PAPER, 1, Changes(orders=[first, other, again]))
    assert orders.counts == [2, 1]
    assert [run[0] for run in orders.runs] == [
        (first.client_order_id, other.client_order_id), (again.client_order_id,),
    ]  # fmt: skip
    assert 3 in [value for (value, *_) in orders.runs[1]]
    twice = bought(1)
    twice.fills = twice.fills * 2
    (fills,) = [each for each in POSTGRES.writes_of(PAPER, 1, twice) if each.name == "fill"]
    assert fills.counts == [2]


@pytest.mark.parametrize("statements", [SQLITE, POSTGRES])
def test_money_that_the_book_cannot_keep_is_refused_before_anything_is_sent(statements):
    """No engine rounds it."""
    with pytest.raises(InvalidValue):
        statements.writes_of(PAPER, 1, Changes(positions=[a_position(realised=Decimal("0.00001"))]))


def test_an_owner_is_told_why_the_account_goes_no_further():
    """And goes on where nothing forbids it."""
    assert why_not(PAPER, 2, 7, (2, 7)) is None
    assert why_not(PAPER, 2, None, (2, 7)) is None
    assert isinstance(why_not(PAPER, 1, 7, (2, 7)), LeaseLost)
    assert "take it over first" in str(why_not(PAPER, 2, 7, None))
    assert "go on after 8, and the last one" in str(why_not(PAPER, 2, 8, (2, 7)))
