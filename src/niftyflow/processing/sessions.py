"""What the fold must know of the calendar, looked up in `market/` by the instruments of the day."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from niftyflow.kit.log import get_logger
from niftyflow.market import CalendarUnknown, Segment, SessionClass, ist_day, minute_mask, session_class
from niftyflow.model import Exchange, Instrument, UnknownInstrument

log = get_logger(__name__)

CLASSES = tuple(SessionClass(house, segment) for house in (Exchange.NSE, Exchange.BSE) for segment in Segment)
_INDEX = {of: index for index, of in enumerate(CLASSES)}


class MarketSessions:
    """Session classes of known instruments, and the session masks of a day."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._instruments: dict[str, Instrument] = {}
        self.add(instruments)

    def __contains__(self, key: str) -> bool:
        return key in self._instruments

    def add(self, instruments: Iterable[Instrument]) -> None:
        """Learn instruments, or what is new of them."""
        self._instruments.update((instrument.key, instrument) for instrument in instruments)

    def class_of(self, key: str, day_start: int) -> int:
        """Return the row of `masks` for an instrument on the day that begins at `day_start` (ms UTC).

        Raises:
            UnknownInstrument: it was never told.
        """
        instrument = self._instruments.get(key)
        if instrument is None:
            raise UnknownInstrument(f"{key} is not among the known instruments")
        return _INDEX[session_class(instrument, ist_day(day_start))]

    def masks(self, day_start: int) -> NDArray[np.uint8]:
        """Return uint8[classes, 1440]; a class whose calendar is not known on that day trades no minute."""
        masks = np.zeros((len(CLASSES), 1440), np.uint8)
        day = ist_day(day_start)
        for row, of in enumerate(CLASSES):
            try:
                masks[row] = minute_mask(of, day)
            except CalendarUnknown as error:
                log.warning("calendar_unknown", day=str(day), session=str(of), reason=str(error))
        return masks
