"""Tables of decisions for people: wide where there is room, the same facts under one another in 80 columns.

It only arranges text; what is in a cell is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from niftyflow.kit.clock import to_ist

PLAIN_WIDTH = 180
NOTHING_FOUND = 3


class Column(NamedTuple):
    """A column's heading; numbers stand right."""

    heading: str
    is_number: bool = False


class Layout(NamedTuple):
    """The columns of a table, the width they need side by side, and which stand under one another in less.

    A stack is a tuple of places of columns; it stands right when its first column does.
    """

    columns: Sequence[Column]
    width: int
    stacks: Sequence[tuple[int, ...]]


class Row(NamedTuple):
    """Cells in order of columns, and how they look."""

    cells: Sequence[str]
    style: str | None = None


def show(title: str, layout: Layout, rows: Sequence[Row], totals: Row | None = None) -> None:
    """Print a table on standard output, `totals` below a line; cells are text, never markup."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    is_wide = console.width >= layout.width
    stacks = [(place,) for place in range(len(layout.columns))] if is_wide else layout.stacks
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    lines = max(map(len, stacks))
    for stack in stacks:
        headings = "\n".join([*(layout.columns[place].heading for place in stack), *[""] * (lines - len(stack))])
        table.add_column(headings, justify="right" if layout.columns[stack[0]].is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row, stacks), style=row.style)
    if totals is not None:
        table.add_section()
        table.add_row(*_cells(totals, stacks), style=totals.style)
    console.print(table)


def _cells(row: Row, stacks: Sequence[tuple[int, ...]]) -> list[str]:
    return [escape("\n".join(row.cells[place] for place in stack).rstrip("\n")) for stack in stacks]


def rupees(amount: Decimal | float | None) -> str:
    """Return an amount with two decimals, or a dot where there is none."""
    return "·" if amount is None else f"{amount:,.2f}"


def clock(time: int) -> str:
    """Return ms UTC as Indian date and time, to the second."""
    return f"{to_ist(time):%Y-%m-%d %H:%M:%S}" if time else "·"


def nothing(message: str) -> typer.Exit:
    """Say that nothing was found, and return what ends the command with exit code 3."""
    typer.echo(f"niftyflow: {message}", err=True)
    return typer.Exit(NOTHING_FOUND)
