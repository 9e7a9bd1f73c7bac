"""The real candle files of several vendors, each imported with the options it needs or refused for its true defect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from niftyflow.ingestion.candle_files import CandleFileRefused, Imported, ImportOptions, check_file, store_file
from niftyflow.model import Interval, Kind, moment
from niftyflow.storage import MarketStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.data import shared_data

pytestmark = pytest.mark.data

PLAIN = ImportOptions()
WILLING = ImportOptions(drops_outside=True, allows_gaps=True)
EVER = (0, 2**60)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """Open an empty market store."""
    opened = SqliteMarketStore(tmp_path / "market.db")
    await opened.open()
    yield opened
    await opened.close()


async def refusal_of(name: str, store: MarketStore, options: ImportOptions = PLAIN) -> str:
    """Return why a file of the data set is refused."""
    with pytest.raises(CandleFileRefused) as refused:
        await check_file(shared_data(name), options, store)
    return str(refused.value)


async def test_minutes_of_90_symbols_go_in_as_they_are(tmp_path: Path, store: MarketStore):
    """No option needed; what is read back equals the file, here for a tenth of the symbols."""
    whole = pl.read_parquet(shared_data("bars_1m_equity_2016/bars.parquet"))
    symbols = whole["symbol"].unique().sort().to_list()[::10]
    part = whole.filter(pl.col("symbol").is_in(symbols))
    part.write_parquet(tmp_path / "part.parquet")
    checked = await check_file(tmp_path / "part.parquet", PLAIN, store)
    assert await store_file(checked, PLAIN, store) == Imported(part.height, 0, 0)
    for symbol in symbols:
        rows = part.filter(pl.col("symbol") == symbol)
        stored = await store.candles(f"NSE:{symbol}", Interval.M1, *EVER)
        assert stored.time.tolist() == rows["ts"].dt.epoch("ms").to_list()
        for name in ("open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(stored, name), rows[name].to_numpy())


async def test_an_index_labelled_by_ends_needs_leave_for_its_known_defects(store: MarketStore):
    """2013-14: a special Saturday's early rows, and days that open late or stop early."""
    name = "bars_1m_nifty_index/nifty50_2013_2014.parquet"
    message = await refusal_of(name, store)
    assert "row 33364, column ts_end: NSE:NIFTY 50 2013-05-11 11:07 IST is outside the session" in message
    assert "7 such rows; --drop-outside" in message
    assert "184 session minutes between the first and last row have no candle" in message
    checked = await check_file(shared_data(name), WILLING, store)
    assert len(checked.rows) == 183_881
    assert "label: end of the interval, by column ts_end" in checked.stated
    assert moment(checked.first).isoformat() == "2013-01-01T03:45:00+00:00"
    assert [instrument.kind for instrument in checked.new] == [Kind.INDEX]


async def test_stray_rows_after_the_close_are_named(store: MarketStore):
    """2024-01-20, a Saturday session, has rows to 18:16; three days are missing."""
    message = await refusal_of("bars_1m_nifty_index/nifty50_2024_jan_apr.parquet", store)
    assert (
        "row 6001, column ts: NSE:NIFTY 50 2024-01-20 15:30 IST is outside the session (that day 09:15-15:30)"
        in message
    )
    assert "1,125 session minutes" in message
    checked = await check_file(shared_data("bars_1m_nifty_index/niftybank_2024_jan_apr.parquet"), WILLING, store)
    of_split_session = checked.rows.time[checked.rows.time // 86_400_000 == 19_784]
    assert len(of_split_session) == 105


async def test_daily_candles_of_two_vendors_contradict_each_other(store: MarketStore):
    """One adjusts for splits and one does not: the first that differs is named."""
    unadjusted = await check_file(
        shared_data("bars_1d_nse_unadjusted/daily.parquet"), ImportOptions(allows_gaps=True), store
    )
    assert unadjusted.rows.interval is Interval.D1
    assert len(unadjusted.rows) == 113_329
    assert await store_file(unadjusted, PLAIN, store) == Imported(113_329, 0, 0)
    adjusted = await check_file(shared_data("bars_1d_kite_adjusted/daily.parquet"), PLAIN, store)
    assert "times: column datetime, such as 2020-07-14 00:00:00+05:30" in adjusted.stated
    with pytest.raises(
        CandleFileRefused, match=r"column open is 2826\.5, but the stored NSE:BAJAJ-AUTO 2020-07-14 has 2898"
    ):
        await store_file(adjusted, PLAIN, store)
    assert not await store.count_candles(Interval.D1, 1_620_000_000_000, EVER[1])


async def test_hours_and_option_chains_are_refused(store: MarketStore):
    """Neither is a file of 1m or 1d candles of shares and indices."""
    assert "mostly 60 minutes apart" in await refusal_of("bars_60m_kite_2024_2026/hourly.parquet", store)
    assert "it holds contracts" in await refusal_of("bars_1m_options/nifty_options_20251103.parquet", store)
