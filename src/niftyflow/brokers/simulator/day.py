"""The day so far of every instrument: open, high, low, average price and the previous close, as quotes carry them.

It only adds to events what the events before them say; rows from before the open leave no trace in the day's prices.
"""

from __future__ import annotations

import numpy as np

from niftyflow.brokers.simulator.tape import Events, Session


class DayPrices:
    """Carries each instrument's day from chunk to chunk."""

    def __init__(self, instruments: int) -> None:
        self._last = np.zeros(instruments)
        self._close = np.zeros(instruments)
        self._session: Session | None = None
        self._clear()

    def _clear(self) -> None:
        count = len(self._last)
        self._open, self._high, self._low = np.zeros(count), np.zeros(count), np.full(count, np.inf)
        self._volume, self._counted, self._turnover = np.zeros(count), np.zeros(count), np.zeros(count)

    def fill(self, events: Events, session: Session) -> None:
        """Write the derived fields of a chunk of `session`, in place."""
        if session != self._session:
            self._session = session
            self._close = self._last.copy()
            self._clear()
        opened = int(np.searchsorted(events["arrival"], session.opens))
        before, during = events[:opened], events[opened:]
        unknown = self._close[before["instrument"]] == 0
        self._close[before["instrument"][unknown]] = before["ltp"][unknown]
        if len(during):
            self._fill_day(during)
        events["close"] = self._close[events["instrument"]]
        self._last[events["instrument"]] = events["ltp"]

    def _fill_day(self, events: Events) -> None:
        import polars as pl  # noqa: PLC0415  takes a quarter of a second

        place = events["instrument"]
        frame = pl.DataFrame({"place": place, "ltp": events["ltp"], "volume": events["day_volume"]})
        known = frame.with_columns(carried=pl.Series(self._volume[place]))
        top = pl.col("volume").cum_max().over("place")
        above = pl.max_horizontal(top.cast(pl.Float64), "carried")
        known = known.with_columns(top=above)
        added = pl.col("top") - pl.col("top").shift(1).over("place").fill_null(pl.col("carried"))
        folded = known.with_columns(added=added).select(
            open=pl.col("ltp").first().over("place"),
            high=pl.col("ltp").cum_max().over("place"),
            low=pl.col("ltp").cum_min().over("place"),
            top="top",
            counted=pl.col("added").cum_sum().over("place"),
            turnover=(pl.col("added") * pl.col("ltp")).cum_sum().over("place"),
        )
        events["open"] = np.where(self._open[place] > 0, self._open[place], folded["open"].to_numpy())
        events["high"] = np.maximum(self._high[place], folded["high"].to_numpy())
        events["low"] = np.minimum(self._low[place], folded["low"].to_numpy())
        counted = self._counted[place] + folded["counted"].to_numpy()
        turnover = self._turnover[place] + folded["turnover"].to_numpy()
        events["average"] = np.divide(turnover, counted, out=np.zeros(len(events)), where=counted > 0)
        self._open[place], self._high[place], self._low[place] = events["open"], events["high"], events["low"]
        self._volume[place], self._counted[place], self._turnover[place] = folded["top"].to_numpy(), counted, turnover
