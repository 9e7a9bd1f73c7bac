"""A day's signals, orders, charges and profit as tables in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from niftyflow.cli.tables import rupees
from niftyflow.runtime.day_report import DayReport, StrategyReport

PLAIN_WIDTH = 100
"""In a file or a pipe, where nothing tells a width."""


def show(report: DayReport, console: Console | None = None) -> None:
    """Print the report; nothing when nothing was signalled or ordered."""
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    if report.signals:
        counts = ", ".join(f"{count} {name}" for name, count in report.signals.items())
        console.print(f"{sum(report.signals.values())} signals: {counts}", highlight=False, soft_wrap=True)
    if not report.strategies:
        console.print("no orders", highlight=False, soft_wrap=True)
        return
    table = Table(title="orders and profit, rupees", expand=False, box=box.SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("strategy", "orders", "refused", "filled", "realised", "charges", "profit", "open"):
        table.add_column(heading, justify="left" if heading == "strategy" else "right", no_wrap=True)
    for each in report.strategies:
        table.add_row(*_row(each))
    if len(report.strategies) > 1:
        table.add_section()
        table.add_row(*_row(report.total))
    console.print(table)
    if report.charges:
        parts = ", ".join(f"{part} {amount:,.2f}" for part, amount in report.charges.items())
        console.print(f"turnover {rupees(report.total.turnover)}, charges: {parts}", highlight=False, soft_wrap=True)
    if report.refusals:
        refusals = ", ".join(f"{check} {count}" for check, count in report.refusals)
        console.print(f"refused by the risk gate: {refusals}", highlight=False, soft_wrap=True)


def _row(of: StrategyReport) -> tuple[str, ...]:
    return (
        of.strategy, f"{of.orders:,}", f"{of.refused:,}", f"{of.filled:,}", rupees(of.realised), rupees(of.charges),
        rupees(of.profit), str(of.open_positions),
    )  # fmt: skip
