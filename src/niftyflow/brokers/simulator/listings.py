"""The instruments of a tape as the REST routes look them up: by exchange and symbol, by token, by place.

What the tape does not say (derivatives' terms, circuit limits) is not invented here.
"""

from __future__ import annotations

from collections.abc import Sequence

from niftyflow.model import Instrument, Kind


class Listings:
    """Every instrument of one tape, each with its place in it."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.instruments = instruments
        self._by_key = {str(each.key): place for place, each in enumerate(instruments)}
        self._by_token = {int(each.token): place for place, each in enumerate(instruments)}

    def place_of_key(self, key: str) -> int | None:
        """Return the place of `EXCHANGE:SYMBOL`, or of a token written as digits."""
        place = self._by_key.get(key)
        return self._by_token.get(int(key)) if place is None and key.isdecimal() else place

    def place_of_token(self, token: int) -> int | None:
        """Return the place of a token."""
        return self._by_token.get(token)

    def of_key(self, key: str) -> Instrument | None:
        """Return the instrument of `EXCHANGE:SYMBOL`."""
        place = self._by_key.get(key)
        return None if place is None else self.instruments[place]

    def is_tradable(self, key: str) -> bool:
        """Return whether orders can be given in it: index values are not traded."""
        instrument = self.of_key(key)
        return instrument is not None and instrument.kind is not Kind.INDEX
