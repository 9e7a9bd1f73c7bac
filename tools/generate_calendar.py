"""Write `src/niftyflow/market/data/holidays.csv` from its sources, and check the hand-kept tables against them.

Sources: exchange_calendars' XBOM, and a folder with `nse_trading_days.xlsx` (PyPI nse-trading-calendar) and
`aion_holidays_2026.json` (PyPI aion-indian-market-calendar), both MIT. It never settles a disagreement by itself: one
that DECISIONS does not name stops it.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import exchange_calendars
import openpyxl

from niftyflow.market.calendar import Session, SessionClass, day_start, session
from niftyflow.market.tables import DATA, SATURDAY, Segment, tables
from niftyflow.model import Exchange

TARGET = DATA / "holidays.csv"


class Decision(NamedTuple):
    """What holds on a day on which the sources disagree, and why."""

    is_open: bool
    reason: str


_NSE_TRADED = "NSE days, NSE daily bars (XBOM lists BSE's holiday)"
_NO_TRADE = "a Sunday in the NSE days on which no share of the daily bars traded"
_MOVED = "NSE days, NSE daily and one-minute bars (XBOM has the planned date)"
_DECLARED_LATE = "published NSE and BSE lists; declared on 2026-01-12, after XBOM and the NSE days were made"
DECISIONS = {
    date(2001, 1, 1): Decision(is_open=True, reason=_NSE_TRADED),
    date(2004, 1, 1): Decision(is_open=True, reason=_NSE_TRADED),
    date(2010, 5, 16): Decision(is_open=False, reason=_NO_TRADE),
    date(2012, 11, 11): Decision(is_open=False, reason=_NO_TRADE),
    date(2013, 11, 14): Decision(is_open=True, reason=_MOVED),
    date(2013, 11, 15): Decision(is_open=False, reason=_MOVED),
    date(2026, 1, 15): Decision(is_open=False, reason=_DECLARED_LATE),
}


class Published(NamedTuple):
    """The current year's list: names by day, and its year."""

    year: int
    names: dict[date, str]
    events: list[dict[str, Any]]
    rules: dict[str, list[dict[str, Any]]]


def main() -> None:
    """Generate the file, or with --check say whether it would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True, help="folder with the XLSX and the JSON")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file would change")
    options = parser.parse_args()
    listed = nse_days(options.sources / "nse_trading_days.xlsx")
    published = read_published(options.sources / "aion_holidays_2026.json")
    complaints: list[str] = []
    text = holidays_text(listed, published, complaints)
    check_special_sessions(listed, published, complaints)
    check_hours(published, complaints)
    if complaints:
        sys.exit("\n".join(complaints))
    if options.check:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == text else f"{TARGET} would change: run without --check")
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET}: {len(text.splitlines()) - 1} holidays; settled by decision:")
    for day, decision in DECISIONS.items():
        print(f"  {day} {'open' if decision.is_open else 'closed'}: {decision.reason}")


def nse_days(path: Path) -> set[date]:
    """Return the trading days of the XLSX; its first column mixes dates and texts."""
    sheet = openpyxl.load_workbook(path, read_only=True).worksheets[0]
    return {_as_date(value) for (value, _) in sheet.iter_rows(min_row=2, max_col=2, values_only=True) if value}


def _as_date(value: Any) -> date:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.date()


def read_published(path: Path) -> Published:
    """Return the year's published holidays, special sessions and session rules."""
    content = json.loads(path.read_text(encoding="utf-8"))
    names: dict[date, str] = {}
    for event in content["events"]:
        if event["category"] == "EXCHANGE_HOLIDAY" and {"NSE_EQUITY", "BSE_EQUITY"} <= set(event["applies_to"]):
            names[date.fromisoformat(event["start"][:10])] = event["name"].partition(": ")[2]
    year = date.fromisoformat(content["range"]["start"]).year
    return Published(year, names, content["events"], content["session_rules"])


def holidays_text(listed: set[date], published: Published, complaints: list[str]) -> str:
    """Return the file's text: every weekday without trading, with the sources that say so."""
    known = tables()
    first, last = min(known.days_known_from.values()), known.last_day
    calendar = exchange_calendars.get_calendar("XBOM", start=first, end=last)
    planned = {stamp.date() for stamp in calendar.sessions}
    special = {day for _, day in known.special}
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["day", "exchanges", "name", "source"])
    for day in weekdays(first, last):
        if day in special:
            continue
        votes = {"XBOM": day in planned, "NSE days": day in listed}
        if day.year == published.year:
            votes["published list"] = day not in published.names
        decision = DECISIONS.get(day)
        if decision is None and len(set(votes.values())) > 1:
            complaints.append(f"{day}: sources disagree ({votes}); add it to DECISIONS with a reason")
        is_open = decision.is_open if decision else votes["XBOM"]
        if not is_open:
            exchanges = " ".join(name for name, start in known.days_known_from.items() if start <= day)
            rows.writerow(
                [day, exchanges, published.names.get(day, ""), decision.reason if decision else ", ".join(votes)]
            )
    return out.getvalue()


def weekdays(first: date, last: date) -> Iterator[date]:
    """Yield Monday to Friday from first to last."""
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day.weekday() < SATURDAY:
            yield day


def check_special_sessions(listed: set[date], published: Published, complaints: list[str]) -> None:
    """Require a special-session row for every weekend session, and the published hours of this year's."""
    known = tables()
    for day in sorted(listed):
        settled = (Exchange.NSE, day) in known.special or (day in DECISIONS and not DECISIONS[day].is_open)
        if day.weekday() >= SATURDAY and day >= known.days_known_from[Exchange.NSE] and not settled:
            complaints.append(f"{day}: a weekend session in the NSE days has no row in special_sessions.csv")
    for event in published.events:
        if event["category"] != "SPECIAL_TRADING_SESSION" or not event["applies_to"][0].endswith("_EQUITY"):
            continue
        of = SessionClass(Exchange(event["applies_to"][0].removesuffix("_EQUITY")), Segment.CASH)
        ours = session(of, date.fromisoformat(event["start"][:10]))
        said = tuple(int(datetime.fromisoformat(event[edge]).timestamp() * 1000) for edge in ("start", "end"))
        if ours is None or (ours.open, ours.close) != said:
            complaints.append(f"{event['id']}: published {event['start']} to {event['end']}, ours {ours}")


def check_hours(published: Published, complaints: list[str]) -> None:
    """Compare the close of continuous trading with the published session rules."""
    segments = {"EQUITY_FNO_UNDERLYING": Segment.CASH_WITH_DERIVATIVES, "EQUITY_DERIVATIVES": Segment.DERIVATIVE}
    for market, rules in published.rules.items():
        house, _, name = market.partition("_")
        for rule in rules if name in segments else ():
            ends = {part["close"] for part in rule["segments"] if part["kind"] == "continuous"}
            day = date.fromisoformat(rule["effective_from"])
            ours = session(SessionClass(Exchange(house), segments[name]), day)
            if ours is None or {_clock(ours)} != ends:
                complaints.append(f"{market} from {day}: published close {ends}, ours {ours and _clock(ours)}")


def _clock(ours: Session) -> str:
    minutes = (ours.close - day_start(ours.day)) // 60_000
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


if __name__ == "__main__":
    main()
