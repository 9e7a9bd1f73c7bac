"""A recording holds what was received, and plays as it was received."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.recording import Recording, read_recording, write_recording
from niftyflow.brokers.simulator.tape import DAY
from niftyflow.model import Kind, Misconfigured, Name, NameTable, TickBatch
from support.simulator import OPENS

INFY, NIFTY = (1594 << 8) | 1, (77 << 8) | 9


def batch(names: NameTable, count: int, since: int = OPENS) -> TickBatch:
    """Return ticks, one each 100 ms, that walk over the names."""
    rows = np.arange(count)
    plain = {name: rows + place for place, name in enumerate(("volume", "day_volume", "open_interest", "sequence"))}
    return TickBatch(
        names, name=rows % len(names), ltp=100 + rows * 0.05, bid=rows * 1.0, ask=rows * 2.0,
        timestamp=since + rows * 100, traded_at=since + rows * 100 - 50, received=since + rows * 100 + 7, **plain,
    )  # fmt: skip


def two() -> NameTable:
    """Return the names of a share and an index."""
    return NameTable([Name("NSE:INFY", str(INFY), "kite"), Name("NSE:NIFTY 50", str(NIFTY), "kite")])


def test_what_is_written_is_read_back_in_order(tmp_path):
    """Every column, key, token and source, over batches with different name tables."""
    other = NameTable([Name("BSE:SBIN", "5", "mstock")])
    batches = [batch(two(), 30), batch(other, 5, OPENS + 3000), batch(two(), 7, OPENS + 4000)]
    path = tmp_path / "day.parquet"
    assert write_recording(path, iter(batches)) == 42
    ticks = [tick for each in read_recording(path) for tick in each.to_records()]
    assert ticks == [tick for each in batches for tick in each.to_records()]
    assert list(tmp_path.iterdir()) == [path]


def test_large_recordings_are_read_in_parts(tmp_path):
    """Parts share one name table, so an index means the same in all of them."""
    path = tmp_path / "day.parquet"
    names = two()
    write_recording(path, (batch(names, 60_000, OPENS + each * 6_000_000) for each in range(4)))
    parts = list(read_recording(path))
    assert [len(part) for part in parts] == [200_000, 40_000]
    assert parts[0].names is parts[1].names


def test_a_recording_plays_by_the_time_of_receipt(tmp_path):
    """Tokens are kept, an index is told by its token, each day is a session."""
    path = tmp_path / "day.parquet"
    write_recording(path, [batch(two(), 10), batch(two(), 4, OPENS + DAY)])
    source = open_source(path)
    assert isinstance(source, Recording)
    assert [(each.key, each.token, each.kind) for each in source.instruments] == [
        ("NSE:INFY", str(INFY), Kind.EQUITY), ("NSE:NIFTY 50", str(NIFTY), Kind.INDEX),
    ]  # fmt: skip
    chunks = [chunk for chunk in source.chunks() if len(chunk)]
    assert [len(chunk) for chunk in chunks] == [10, 4]
    assert chunks[0]["arrival"].tolist() == [OPENS + each * 100 + 7 for each in range(10)]
    assert chunks[0]["traded_at"].tolist() == [OPENS + each * 100 - 50 for each in range(10)]
    assert [each.start for each in source.sessions] == [OPENS, OPENS + DAY]


def test_a_receipt_that_steps_back_arrives_with_its_predecessor(tmp_path):
    """The order of the recording stands."""
    ticks = batch(two(), 4)
    ticks.received[:] = [OPENS + 5, OPENS + 9, OPENS + 6, OPENS + 10]
    path = tmp_path / "day.parquet"
    write_recording(path, [ticks])
    (events,) = Recording(path).chunks()
    assert events["arrival"].tolist() == [OPENS + 5, OPENS + 9, OPENS + 9, OPENS + 10]
    assert events["day_volume"].tolist() == [1, 2, 3, 4]


def test_a_broken_writer_leaves_no_file(tmp_path):
    """Neither the recording nor a part of it."""

    def breaks():
        yield batch(two(), 3)
        raise OSError(28, "No space left on device")

    with pytest.raises(Misconfigured, match="cannot be written"):
        write_recording(tmp_path / "day.parquet", breaks())
    with pytest.raises(Misconfigured, match="cannot be written"):
        write_recording(tmp_path / "no" / "day.parquet", [batch(two(), 3)])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_recording_is_refused(tmp_path):
    """A missing file, an empty one, and one that lacks columns."""
    path = tmp_path / "other.parquet"
    with pytest.raises(Misconfigured, match="is not there"):
        Recording(path)
    pl.DataFrame({"key": ["NSE:INFY"]}).write_parquet(path)
    with pytest.raises(Misconfigured, match="is no recording; it lacks ask, bid"):
        list(read_recording(path))
    write_recording(path, [])
    with pytest.raises(Misconfigured, match="empty recording"):
        Recording(path)
