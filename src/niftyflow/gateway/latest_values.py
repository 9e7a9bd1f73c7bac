"""Latest values of many symbols, conflated: what stands, and what changed since a position. Pure state, no I/O.

Values stand in columns; a list of symbols knows their places there, so a thousand lists are served from one encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from operator import itemgetter
from typing import Any, Final

import msgspec

Position = tuple[int, ...]
"""How far a listener was told; the first number is the channel's `seq`."""

MOST_ANSWERS: Final = 64
NEVER: Final = -1
"""Before the first version or event: everything there is came since."""

_encode = msgspec.json.Encoder().encode
Pick = Callable[[Sequence[Any]], Sequence[Any]]


class _View:
    """What a list of symbols sees of one channel: the places of those it knows, and the answers since its last change.

    Many who ask the same with the same list are answered once; a few dozen answers are kept.
    """

    __slots__ = ("answers", "known", "pick", "slots", "version")

    def __init__(self, slots: tuple[int, ...], known: int) -> None:
        self.slots = slots
        self.known = known
        self.pick: Pick = itemgetter(*slots) if len(slots) > 1 else lambda column: tuple(column[at] for at in slots)
        self.version = NEVER
        self.answers: dict[int, bytes | None] = {}


class Watchlist(frozenset[str]):
    """Instrument keys somebody asked for. Who asks for the same is best given the same list, and told the same."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:  # noqa: ARG002 - the set is made before
        self.views: dict[LatestChannel, _View] = {}


Symbols = Watchlist | None
"""Instrument keys somebody asked for; None: all of them."""


class LatestChannel:
    """The latest value of each symbol. Changes made before anyone looks again are folded into one.

    `encode` makes JSON of a value as it was put; it is called once a change at most. Data is an object by symbol, or
    a list of the values when they name their symbol themselves. Memory: one value a symbol.
    """

    def __init__(
        self, name: str, encode: Callable[[Any], bytes] = _encode, *, epoch: str = "", is_list: bool = False
    ) -> None:
        self.name = name
        self.epoch = epoch
        self._encode_value = encode
        self._is_list = is_list
        self._version = 0
        self._slots: dict[str, int] = {}
        self._heads: list[bytes] = []
        self._values: list[Any] = []
        self._versions: list[int] = []
        self._encoded: list[bytes | None] = []
        self._recent: dict[int, None] = {}  # slots in order of the last change
        self._oldest = NEVER
        self._all = _View((), NEVER)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._slots

    def get(self, symbol: str) -> Any:
        """Return a symbol's value as it was put, None when it has none."""
        slot = self._slots.get(symbol)
        return None if slot is None else self._values[slot]

    @property
    def position(self) -> Position:
        """Position of one who knows all."""
        return (self._version,)

    def position_of(self, seq: int) -> Position:
        """Return the position of one who was told up to `seq`."""
        return (seq,)

    def holds(self, position: Position) -> bool:
        """Whether the position is one of ours: the latest values are always there."""
        return position[0] <= self._version

    def put(self, values: Mapping[str, Any]) -> None:
        """Take new values; together they are one version."""
        if not values:
            return
        self._version = version = self._version + 1
        slots, recent = self._slots, self._recent
        kept, versions, encoded = self._values, self._versions, self._encoded
        for symbol, value in values.items():
            slot = slots.get(symbol)
            if slot is None:
                slot = self._add(symbol)
            else:
                recent.pop(slot, None)
            kept[slot] = value
            versions[slot] = version
            encoded[slot] = None
            recent[slot] = None
        self._oldest = versions[next(iter(recent))]

    def snapshot(self, symbols: Symbols) -> bytes:
        """Return `{symbol: value}` of all the symbols that have one."""
        return self.since(symbols, (NEVER,)) or self.nothing()

    def since(self, symbols: Symbols, position: Position) -> bytes | None:
        """Return `{symbol: value}` of what changed since a position; equal questions cost once."""
        after = position[0]
        view = self._all if symbols is None else symbols.views.get(self)
        if view is None or view.known != len(self._slots):  # a channel learns symbols and forgets none
            view = self._see(symbols)
        answers = view.answers
        if view.version != self._version or len(answers) > MOST_ANSWERS:
            answers.clear()
            view.version = self._version
        elif after in answers:
            return answers[after]
        answers[after] = answer = self._join(view, after)
        return answer

    def nothing(self) -> bytes:
        """Return an empty object, or list."""
        return b"[]" if self._is_list else b"{}"

    def again(self) -> None:
        """Take every value for a change: what `encode` adds to them is another."""
        self.put(dict(zip(self._slots, self._values, strict=True)))

    def _add(self, symbol: str) -> int:
        slot = self._slots[symbol] = len(self._slots)
        self._heads.append(b"" if self._is_list else _encode(symbol) + b":")
        self._values.append(None)
        self._versions.append(self._version)
        self._encoded.append(None)
        return slot

    def _see(self, symbols: Symbols) -> _View:
        known = len(self._slots)
        if symbols is None:
            self._all = view = _View((), known)
        else:
            found = tuple(self._slots[symbol] for symbol in symbols if symbol in self._slots)
            symbols.views[self] = view = _View(found, known)
        return view

    def _join(self, view: _View, after: int) -> bytes | None:
        versions, encoded = self._versions, self._encoded
        if view is self._all:
            slots: Sequence[int] = list(takewhile(lambda slot: versions[slot] > after, reversed(self._recent)))
            parts: Sequence[Any] = [encoded[slot] for slot in slots]
        else:
            slots = view.slots
            if self._oldest <= after:
                slots = [slot for slot, version in zip(slots, view.pick(versions), strict=True) if version > after]
            parts = view.pick(encoded) if slots is view.slots else [encoded[slot] for slot in slots]
        if not slots:
            return None
        try:
            told = b",".join(parts)
        except TypeError:  # the first who asks has the values encoded, for all others
            told = b",".join([self._fragment(slot) for slot in slots])
        return b"[" + told + b"]" if self._is_list else b"{" + told + b"}"

    def _fragment(self, slot: int) -> bytes:
        fragment = self._encoded[slot]
        if fragment is None:
            fragment = self._encoded[slot] = self._heads[slot] + self._encode_value(self._values[slot])
        return fragment


class ValueChannel(LatestChannel):
    """One latest value without a symbol; its frames hold the value itself, null before the first."""

    _ONLY: Final = ""

    def set(self, value: Any) -> bool:
        """Take a new value, as JSON or what JSON can hold; return whether it is another one than before."""
        encoded = _encode(value)
        if self.get(self._ONLY) == encoded:
            return False
        self.put({self._ONLY: encoded})
        return True

    def nothing(self) -> bytes:
        """Return null."""
        return b"null"

    def _join(self, view: _View, after: int) -> bytes | None:  # noqa: ARG002 - there is one value, for all
        value: bytes | None = self.get(self._ONLY)
        return value if value is not None and self._version > after else None
