"""The members of the Nifty 50 as the synthetic session plays them: names are facts of September 2025, the rest rounded.

Prices (rupees), weights (percent of the index) and day volumes (shares) are approximate and serve only to give the
generated session the proportions of a real one.
"""

from __future__ import annotations

from typing import NamedTuple


class Member(NamedTuple):
    """One share; `volume` is in thousands of shares a day."""

    symbol: str
    sector: str
    price: float
    weight: float
    volume: int


INDEX = "NIFTY 50"
INDEX_LEVEL = 25_000.0

MEMBERS = (
    Member("HDFCBANK", "financial", 965.0, 12.9, 22_000),
    Member("ICICIBANK", "financial", 1400.0, 8.6, 11_000),
    Member("RELIANCE", "energy", 1390.0, 8.2, 10_000),
    Member("INFY", "technology", 1500.0, 4.8, 7_500),
    Member("BHARTIARTL", "telecom", 1900.0, 4.6, 5_500),
    Member("LT", "construction", 3600.0, 3.9, 1_900),
    Member("ITC", "consumer", 405.0, 3.4, 13_000),
    Member("TCS", "technology", 3080.0, 2.7, 2_600),
    Member("SBIN", "financial", 855.0, 3.0, 9_000),
    Member("AXISBANK", "financial", 1120.0, 2.8, 7_000),
    Member("KOTAKBANK", "financial", 2000.0, 2.7, 2_500),
    Member("M&M", "automobile", 3450.0, 2.7, 2_600),
    Member("BAJFINANCE", "financial", 990.0, 2.3, 7_500),
    Member("HINDUNILVR", "consumer", 2570.0, 2.1, 1_400),
    Member("SUNPHARMA", "healthcare", 1600.0, 1.6, 2_100),
    Member("MARUTI", "automobile", 15_900.0, 1.8, 450),
    Member("ETERNAL", "services", 325.0, 2.0, 38_000),
    Member("NTPC", "energy", 338.0, 1.4, 9_000),
    Member("HCLTECH", "technology", 1440.0, 1.3, 2_700),
    Member("ULTRACEMCO", "materials", 12_300.0, 1.2, 280),
    Member("TATAMOTORS", "automobile", 700.0, 1.3, 10_000),
    Member("TITAN", "consumer", 3500.0, 1.2, 900),
    Member("BEL", "industrial", 400.0, 1.2, 14_000),
    Member("POWERGRID", "energy", 285.0, 1.1, 9_500),
    Member("TATASTEEL", "metals", 170.0, 1.2, 24_000),
    Member("ASIANPAINT", "consumer", 2450.0, 1.0, 900),
    Member("TRENT", "services", 4950.0, 0.9, 700),
    Member("BAJAJFINSV", "financial", 2030.0, 1.0, 1_300),
    Member("JSWSTEEL", "metals", 1110.0, 0.9, 1_700),
    Member("GRASIM", "materials", 2780.0, 0.9, 600),
    Member("ADANIPORTS", "services", 1400.0, 0.9, 2_000),
    Member("HINDALCO", "metals", 750.0, 0.9, 5_000),
    Member("EICHERMOT", "automobile", 6900.0, 0.9, 450),
    Member("ONGC", "energy", 235.0, 0.8, 9_500),
    Member("TECHM", "technology", 1480.0, 0.8, 1_300),
    Member("BAJAJ-AUTO", "automobile", 9000.0, 0.9, 320),
    Member("COALINDIA", "energy", 392.0, 0.8, 5_200),
    Member("JIOFIN", "financial", 310.0, 0.9, 13_500),
    Member("SHRIRAMFIN", "financial", 620.0, 0.8, 4_600),
    Member("CIPLA", "healthcare", 1550.0, 0.7, 1_200),
    Member("NESTLEIND", "consumer", 1200.0, 0.7, 1_000),
    Member("HDFCLIFE", "financial", 770.0, 0.7, 2_200),
    Member("SBILIFE", "financial", 1800.0, 0.7, 800),
    Member("DRREDDY", "healthcare", 1280.0, 0.6, 1_300),
    Member("APOLLOHOSP", "healthcare", 7750.0, 0.7, 350),
    Member("WIPRO", "technology", 250.0, 0.6, 8_500),
    Member("TATACONSUM", "consumer", 1100.0, 0.6, 1_000),
    Member("ADANIENT", "metals", 2500.0, 0.6, 900),
    Member("HEROMOTOCO", "automobile", 5300.0, 0.5, 500),
    Member("INDUSINDBK", "financial", 745.0, 0.4, 4_800),
)
