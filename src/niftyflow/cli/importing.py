"""`niftyflow import`: candles from files into the workspace's store. What is found in a file is stated first.

It asks and tells; every rule is in `ingestion/candle_files.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.model import Exchange, Interval, Provenance

if TYPE_CHECKING:
    from niftyflow.ingestion.candle_files import CheckedFile, Imported, ImportOptions, Progress
    from niftyflow.runtime.workspace import Workspace


class StoredInterval(StrEnum):
    """Intervals that are stored; all others are built from them."""

    M1 = "1m"
    D1 = "1d"


class TimeLabel(StrEnum):
    """Which end of its interval a candle is labelled by."""

    START = "start"
    END = "end"


class Origin(StrEnum):
    """Where the numbers come from."""

    LIVE = "live"
    OFFICIAL = "official"
    REPAIRED = "repaired"
    SYNTHETIC = "synthetic"


def import_candles(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(help="Candles of 1m or 1d: CSV, .csv.gz or Parquet.", metavar="FILE...")
    ],
    *,
    symbol: Annotated[
        str | None, typer.Option(help="The one instrument of the file [by column, or file name].")
    ] = None,
    exchange: Annotated[Exchange | None, typer.Option(help="Exchange of the symbols [NSE].")] = None,
    interval: Annotated[StoredInterval | None, typer.Option(help="Interval [by the distance of the rows].")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Zone of times that name none, such as UTC [Asia/Kolkata].", metavar="ZONE")
    ] = None,
    label: Annotated[
        TimeLabel | None, typer.Option(help="Whether times are starts or ends [by column: ts, ts_end].")
    ] = None,
    provenance: Annotated[Origin, typer.Option(help="Where the numbers come from.")] = Origin.OFFICIAL,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let a different stored candle be corrected: its next revision.")
    ] = False,
    sort: Annotated[bool, typer.Option("--sort", help="Put rows in order of time.")] = False,
    drop_duplicates: Annotated[bool, typer.Option("--drop-duplicates", help="Keep one of equal rows.")] = False,
    drop_outside: Annotated[bool, typer.Option("--drop-outside", help="Leave out rows outside the sessions.")] = False,
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Import though session minutes are missing.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Check and state only; store nothing.")] = False,
) -> None:
    """Import candles from files, all or nothing.

    Every file is checked before the first is stored. A message names line, column, value and rule of what is wrong.
    A candle that is stored already with the same values is left as it is.
    """
    from niftyflow.ingestion.candle_files import ImportOptions  # noqa: PLC0415 - heavy

    options = ImportOptions(
        symbol=symbol,
        exchange=exchange,
        interval=None if interval is None else Interval(interval.value),
        time_zone=time_zone,
        label=None if label is None else label.value,
        provenance=Provenance.of(provenance.value),
        is_replacing=replace,
        is_sorting=sort,
        drops_duplicates=drop_duplicates,
        drops_outside=drop_outside,
        allows_gaps=allow_gaps,
    )
    workspace = state_of(context).workspace
    settings_of(workspace, {}, quiet=True)
    run(_import(workspace, files, options, is_check=check))


async def _import(workspace: Workspace, paths: list[Path], options: ImportOptions, *, is_check: bool) -> None:
    from niftyflow.ingestion.candle_files import check_file, refuse_overlaps, store_file  # noqa: PLC0415 - heavy
    from niftyflow.runtime.stores import market_of  # noqa: PLC0415 - heavy

    workspace.create()
    async with market_of(workspace) as store:
        spans = []
        file = None
        for path in paths:
            file = await check_file(path, options, store)
            _state(file)
            spans += file.spans()
        refuse_overlaps(spans)
        if is_check:
            typer.echo("nothing was stored: --check")
            return
        for path in paths:
            if file is None or len(paths) > 1:  # of many files only one is held in memory
                file = await check_file(path, options, store)
            with _progress(path) as progress:
                told = await store_file(file, options, store, progress)
            _tell(file, told)
            file = None


def _state(file: CheckedFile) -> None:
    typer.echo(f"{file.rows.source.path.name}: {len(file.rows):,} candles", err=True)
    for line in file.stated:
        typer.echo(f"  {line}", err=True)


def _tell(file: CheckedFile, told: Imported) -> None:
    rows = file.rows
    parts = [f"{told.added:,} added", f"{told.unchanged:,} stored already"]
    if told.replaced:
        parts.append(f"{told.replaced:,} corrected")
    if told.kept:
        parts.append(f"{told.kept:,} left as another process stored them meanwhile")
    count = "1 instrument" if len(rows.keys) == 1 else f"{len(rows.keys):,} instruments"
    typer.echo(
        f"{rows.source.path.name}: {rows.interval.value} candles of {count}, {rows.when(file.first)} to "
        f"{rows.when(file.last)}: {', '.join(parts)}"
    )


@contextmanager
def _progress(path: Path) -> Iterator[Progress]:
    """Show how far the storing is, where there is a terminal."""
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.progress import Progress as Bar  # noqa: PLC0415 - heavy

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _all: None
        return
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task(path.name)
        yield lambda done, all_: bar.update(task, completed=done, total=all_)
