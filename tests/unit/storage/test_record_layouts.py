"""Any record that can be comes back from its columns as it was."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import Check, InvalidValue, OrderState, Verdict
from niftyflow.storage.record_layout import RecordLayout

amounts = st.integers(-(2**62), 2**62).map(lambda amount: Decimal(amount).scaleb(-4))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


class Everything(msgspec.Struct, frozen=True, kw_only=True):
    """A field of each type that the book's records have."""

    count: int
    text: str
    is_so: bool
    data: bytes
    amount: Decimal
    price: Decimal | None
    reason: str | None
    state: OrderState
    charges: dict[str, Decimal]
    names: list[str]
    saved: dict[str, Any]
    risk: Verdict


records = st.builds(
    Everything,
    count=st.integers(-(2**63), 2**63 - 1),
    text=texts,
    is_so=st.booleans(),
    data=st.binary(max_size=8),
    amount=amounts,
    price=st.none() | amounts,
    reason=st.none() | texts,
    state=st.sampled_from(OrderState),
    charges=st.dictionaries(texts, amounts, max_size=3),
    names=st.lists(texts, max_size=3),
    saved=st.dictionaries(texts, json_values, max_size=3),
    risk=st.builds(
        Verdict,
        verdict=texts,
        checks=st.lists(st.builds(Check, name=texts, is_passed=st.booleans(), value=texts, limit=texts), max_size=2),
    ),
)


@given(record=records)
def test_any_record_comes_back_without_loss(record: Everything):
    """Through the driver, which knows integers, text and bytes; dictionaries keep their order."""
    layout = RecordLayout(Everything)
    values = layout.values(record)
    assert {type(value) for value in values.values()} <= {int, str, bool, bytes, type(None)}
    database = sqlite3.connect(":memory:")
    row = database.execute(f"SELECT {','.join('?' * len(values))}", tuple(values.values())).fetchone()
    database.close()
    back = layout.record(dict(zip(values, row, strict=True)))
    assert back == record
    assert list(back.charges) == list(record.charges)
    assert list(back.saved) == list(record.saved)


def test_an_amount_too_fine_names_itself():
    """In a field and among charges alike."""
    layout = RecordLayout(Everything)
    fine = Everything(
        count=0, text="", is_so=False, data=b"", amount=Decimal(0), price=None, reason=None, state=OrderState.OPEN,
        charges={"stt": Decimal("0.00001")}, names=[], saved={}, risk=Verdict(verdict="pass"),
    )  # fmt: skip
    with pytest.raises(InvalidValue, match="four decimals"):
        layout.values(fine)
