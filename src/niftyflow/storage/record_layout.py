"""How a record's fields lie in columns: money as integers, enums as their value, what is nested as JSON text.

The form follows from the field's type, so a field added to a record needs a column and nothing else.
It knows no table and runs no statement.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from niftyflow.model import from_e4, to_e4

R = TypeVar("R", bound=msgspec.Struct)

PLAIN = (int, str, bool, bytes)


class Form(NamedTuple):
    """How a value becomes a column's, and how it comes back."""

    to_column: Callable[[Any], Any]
    from_column: Callable[[Any], Any]


class RecordLayout(Generic[R]):
    """The fields of one kind of record as columns of the same names."""

    def __init__(self, record: type[R]) -> None:
        self._record = record
        self.fields = tuple(field.name for field in msgspec.structs.fields(record))
        forms = ((field.name, form_of(field.type)) for field in msgspec.structs.fields(record))
        self._forms = [(name, form) for name, form in forms if form is not None]

    def values(self, record: R) -> dict[str, Any]:
        """Return a record as values of columns.

        Raises:
            InvalidValue: an amount is finer than 1/10,000 rupee.
        """
        values = msgspec.structs.asdict(record)
        for field, form in self._forms:
            if values[field] is not None:
                values[field] = form.to_column(values[field])
        return values

    def record(self, row: Mapping[str, Any]) -> R:
        """Return the record whose columns a row has."""
        values = {field: row[field] for field in self.fields}
        for field, form in self._forms:
            if values[field] is not None:
                values[field] = form.from_column(values[field])
        return self._record(**values)


def form_of(kind: Any) -> Form | None:
    """Return the form of a field of this type; None when it is stored as it is."""
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (each for each in get_args(kind) if each is not types.NoneType)
    if kind in PLAIN:
        return None
    if kind is Decimal:
        return Form(to_e4, from_e4)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Form(attrgetter("_value_"), kind)  # what `value` gives, without its descriptor: an order waits for it
    if kind == dict[str, Decimal]:
        return Form(_amounts_to_text, _amounts_from_text)
    return Form(json_text, msgspec.json.Decoder(kind).decode)


def json_text(value: Any) -> str:
    """Return a value as JSON text, the order of its keys kept."""
    return msgspec.json.encode(value).decode()


def _amounts_to_text(amounts: Mapping[str, Decimal]) -> str:
    return json_text({name: to_e4(amount) for name, amount in amounts.items()})


_amounts = msgspec.json.Decoder(dict[str, int])


def _amounts_from_text(text: str) -> dict[str, Decimal]:
    return {name: from_e4(amount) for name, amount in _amounts.decode(text).items()}
