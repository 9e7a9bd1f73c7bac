"""The one list of cases for every adapter, in the order of a card; each is written once, for all brokers there are."""

from __future__ import annotations

from typing import Final

from niftyflow.brokers.conformance.case import Case
from niftyflow.brokers.conformance.declared_cases import DECLARED_CASES
from niftyflow.brokers.conformance.failure_cases import FAILURE_CASES
from niftyflow.brokers.conformance.market_cases import MARKET_CASES
from niftyflow.brokers.conformance.offered_cases import OFFERED_CASES
from niftyflow.brokers.conformance.order_cases import ORDER_CASES
from niftyflow.brokers.conformance.reading_cases import READING_CASES
from niftyflow.brokers.conformance.refusal_cases import REFUSAL_CASES

CASES: Final[tuple[Case, ...]] = (
    *READING_CASES, *MARKET_CASES, *ORDER_CASES, *DECLARED_CASES, *REFUSAL_CASES, *FAILURE_CASES, *OFFERED_CASES,
)  # fmt: skip
