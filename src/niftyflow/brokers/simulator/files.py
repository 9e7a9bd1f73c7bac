"""Opening a file or folder as a tape, by what is in it: ticks, 1m candles, or a recording."""

from __future__ import annotations

from pathlib import Path

from niftyflow.brokers.simulator.candles import CandleFile, Label
from niftyflow.brokers.simulator.columns import choose_columns
from niftyflow.brokers.simulator.recording import Recording, is_recording
from niftyflow.brokers.simulator.tape import Source
from niftyflow.brokers.simulator.ticks import TickFiles
from niftyflow.model import Misconfigured

_SUFFIXES = (".parquet", ".csv", ".csv.gz")


def open_source(path: Path, label: Label | None = None) -> Source:
    """Return the tape in a file, or in a folder of tick files; `label` is for candles only.

    Raises:
        Misconfigured: it is not there, or is none of these; the message names what is missing.
    """
    if path.is_dir():
        paths = sorted(each for each in path.iterdir() if each.name.endswith(_SUFFIXES))
        if not paths:
            raise Misconfigured(f"{path} holds no Parquet or CSV file")
        if len(paths) > 1:
            return TickFiles(paths)
        path = paths[0]
    columns = _columns(path)
    if is_recording(columns):
        return Recording(path)
    known = set(choose_columns(columns))
    if known >= {"open", "high", "low", "close"}:
        return CandleFile(path, label)
    if "ltp" in known:
        return TickFiles([path])
    raise Misconfigured(
        f"{path} is neither candles (open, high, low, close) nor ticks (ltp) nor a recording; "
        f"it has {', '.join(columns)}"
    )


def _columns(path: Path) -> list[str]:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    try:
        scan = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path)
        return scan.collect_schema().names()
    except FileNotFoundError:
        raise Misconfigured(f"{path} is not there") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Misconfigured(f"{path} cannot be read: {reason}") from error
