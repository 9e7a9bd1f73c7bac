"""What an import changes in the store: everything or nothing, and never a stored candle silently."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from niftyflow.ingestion import candle_files
from niftyflow.ingestion.candle_files import CandleFileRefused, Imported, ImportOptions, check_file, store_file
from niftyflow.model import CandleBatch, Interval, Provenance
from niftyflow.storage import MarketStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.candle_csv import day_rows, minute_row, minute_rows, write_csv

PLAIN = ImportOptions()
EVER = (0, 2**60)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """Open an empty market store."""
    opened = SqliteMarketStore(tmp_path / "market.db")
    await opened.open()
    yield opened
    await opened.close()


async def imported(path: Path, store: MarketStore, options: ImportOptions = PLAIN) -> Imported:
    """Check a file and store it."""
    return await store_file(await check_file(path, options, store), options, store)


async def test_candles_are_stored_with_the_fields_an_import_gives_them(tmp_path: Path, store: MarketStore):
    """Official, revision 0, complete; the day's volume runs on within a day and an instrument."""
    rows = [*minute_rows(3, "TCS", volume=10), minute_row(24 * 60, "TCS", volume=7), *minute_rows(1, "INFY", volume=5)]
    path = write_csv(tmp_path / "a.csv", rows)
    assert await imported(path, store, ImportOptions(allows_gaps=True)) == Imported(5, 0, 0)
    stored = await store.candles("NSE:TCS", Interval.M1, *EVER)
    assert stored.open.tolist() == [100, 101, 102, 1540]
    assert stored.day_volume.tolist() == [10, 20, 30, 7]
    assert set(stored.provenance.tolist()) == {Provenance.OFFICIAL}
    assert not stored.revision.any()
    assert not stored.incomplete.any()
    assert stored.to_records()[0].through == {}
    assert (await store.candles("NSE:INFY", Interval.M1, *EVER)).day_volume.tolist() == [5]
    assert {each.key for each in await store.instruments(candle_files.FAR_DAY)} == {"NSE:TCS", "NSE:INFY"}


async def test_importing_twice_changes_nothing(tmp_path: Path, store: MarketStore):
    """Daily and minute candles."""
    for name, rows in (("m.csv", minute_rows(30)), ("d.csv", day_rows())):
        path = write_csv(tmp_path / name, rows)
        assert await imported(path, store) == Imported(len(rows), 0, 0)
        assert await imported(path, store) == Imported(0, 0, len(rows))


async def test_a_different_stored_candle_is_named_and_nothing_is_stored(tmp_path: Path, store: MarketStore):
    """New minutes of the same file stay out as well."""
    await imported(write_csv(tmp_path / "a.csv", minute_rows(5)), store)
    rows = minute_rows(9)
    rows[3] = rows[3].replace(",104,", ",104.05,")
    path = write_csv(tmp_path / "b.csv", [*rows, *minute_rows(2, "INFY")])
    with pytest.raises(CandleFileRefused) as refused:
        await imported(path, store)
    assert "line 5, column close is 104.05, but the stored NSE:TCS 2016-08-16 09:18 IST has 104" in str(refused.value)
    assert "(1 candles differ from stored ones); --replace" in str(refused.value)
    assert await store.count_candles(Interval.M1, *EVER) == {"NSE:TCS": 5}
    assert [each.key for each in await store.instruments(candle_files.FAR_DAY)] == ["NSE:TCS"]


async def test_replacing_makes_the_next_revision_and_keeps_the_first(tmp_path: Path, store: MarketStore):
    """Equal candles stay at their revision; a second correction counts on."""
    await imported(write_csv(tmp_path / "a.csv", minute_rows(5)), store)
    for revision, close in ((1, "104.05"), (2, "104.10")):
        rows = minute_rows(6)
        rows[3] = rows[3].replace(",104,", f",{close},")
        told = await imported(write_csv(tmp_path / "b.csv", rows), store, ImportOptions(is_replacing=True))
        assert told == Imported(1 if revision == 1 else 0, 1, 4 if revision == 1 else 5)
        stored = await store.candles("NSE:TCS", Interval.M1, *EVER)
        assert stored.revision.tolist() == [0, 0, 0, revision, 0, 0]
        assert stored.close[3] == float(close)
    first = await store.first_revision("NSE:TCS", Interval.M1, int(stored.time[3]))
    assert first is not None
    assert first.close == 104


async def test_an_incomplete_candle_is_replaced_even_by_equal_values(tmp_path: Path, store: MarketStore):
    """A complete candle says more than one whose start was not seen."""
    path = write_csv(tmp_path / "a.csv", minute_rows(3))
    await imported(path, store)
    before = await store.candles("NSE:TCS", Interval.M1, *EVER)
    seen = before.replace(incomplete=~before.incomplete, revision=before.revision + 1)
    await store.upsert_candles(seen.take([1]))
    with pytest.raises(CandleFileRefused, match=r"line 3: the stored NSE:TCS .* has the same values but is marked"):
        await imported(path, store)
    assert await imported(path, store, ImportOptions(is_replacing=True)) == Imported(0, 1, 2)
    assert not (await store.candles("NSE:TCS", Interval.M1, *EVER)).incomplete.any()


async def test_what_a_file_does_not_have_is_not_compared(tmp_path: Path, store: MarketStore):
    """A stored open interest is no conflict with a file without one."""
    with_interest = [f"{row},77" for row in minute_rows(3)]
    header = "time,symbol,open,high,low,close,volume,oi"
    await imported(write_csv(tmp_path / "a.csv", with_interest, header), store)
    assert await imported(write_csv(tmp_path / "b.csv", minute_rows(3)), store) == Imported(0, 0, 3)
    other = [f"{row},78" for row in minute_rows(3)]
    with pytest.raises(CandleFileRefused, match=r"column oi is 78, but the stored .* has 77"):
        await imported(write_csv(tmp_path / "c.csv", other, header), store)


async def test_an_import_broken_off_half_way_stores_nothing(tmp_path: Path, store: MarketStore):
    """The error comes from the progress display, after the first batch went in."""
    rows = [minute_row(minute + day * 1440) for day in range(3) for minute in range(375)]
    options = ImportOptions(provenance=Provenance.SYNTHETIC)
    checked = await check_file(write_csv(tmp_path / "a.csv", rows), options, store)
    seen = []

    def stop(done: int, whole: int) -> None:
        seen.append((done, whole))
        if done:
            raise OSError("terminal gone")

    with pytest.raises(OSError, match="terminal gone"):
        await store_file(checked, options, store, stop)
    assert seen == [(0, 1125), (1125, 1125)]
    assert await store.count_candles(Interval.M1, *EVER) == {}
    assert await store_file(checked, options, store) == Imported(1125, 0, 0)
    assert set((await store.candles("NSE:TCS", Interval.M1, *EVER)).provenance.tolist()) == {Provenance.SYNTHETIC}


async def test_large_files_go_in_by_batches_of_bounded_size(
    tmp_path: Path, store: MarketStore, monkeypatch: pytest.MonkeyPatch
):
    """And come back whole, in order."""
    monkeypatch.setattr(candle_files, "ROWS_OF_A_BATCH", 7)
    path = write_csv(tmp_path / "a.csv", [*minute_rows(30, "TCS"), *minute_rows(30, "INFY")])
    checked = await check_file(path, PLAIN, store)
    progress: list[int] = []
    assert await store_file(checked, PLAIN, store, lambda done, _all: progress.append(done)) == Imported(60, 0, 0)
    assert progress == [0, 7, 14, 21, 28, 35, 42, 49, 56, 60]
    stored = await store.candles("NSE:INFY", Interval.M1, *EVER)
    assert stored.open.tolist() == [100 + minute for minute in range(30)]


async def test_a_candle_stored_meanwhile_by_another_is_kept(tmp_path: Path, store: MarketStore):
    """Between comparison and storing a live minute came in; it stays, and is counted."""

    class Overtaken(SqliteMarketStore):
        """A store into which another process writes just before the import does."""

        async def upsert_all(self, batches: object) -> int:
            batch: CandleBatch = next(iter(batches))  # type: ignore[call-overload]
            await self.upsert_candles(batch.take([1]))
            return await super().upsert_all([batch])

    overtaken = Overtaken(tmp_path / "market.db")
    await overtaken.open()
    told = await imported(write_csv(tmp_path / "a.csv", minute_rows(4)), overtaken)
    await overtaken.close()
    assert told == Imported(3, 0, 0, kept=1)
