"""What an adapter's author imports: the cases, what runs them, and what a ground and its stages are made of.

It holds names and nothing else; commands import what they need from where it is, as this imports everything.
"""

from niftyflow.brokers.conformance.cards import (
    Card,
    GroundName,
    Outcome,
    Result,
    is_experimental,
    read_card,
    totals,
    write_card,
)
from niftyflow.brokers.conformance.case import Case, Failed, Needs, NotOffered, NotRun
from niftyflow.brokers.conformance.cases import CASES
from niftyflow.brokers.conformance.grounds import Absent, LiveGround
from niftyflow.brokers.conformance.kits import kit_beside
from niftyflow.brokers.conformance.recorded import NobodyThere, RecordedGround
from niftyflow.brokers.conformance.replayed import ReplayServer
from niftyflow.brokers.conformance.runner import run_case, run_cases
from niftyflow.brokers.conformance.stage import ArrivedCall, CandleQuestion, Faults, Ground, Kit, Stage

__all__ = [
    "CASES",
    "Absent",
    "ArrivedCall",
    "CandleQuestion",
    "Card",
    "Case",
    "Failed",
    "Faults",
    "Ground",
    "GroundName",
    "Kit",
    "LiveGround",
    "Needs",
    "NobodyThere",
    "NotOffered",
    "NotRun",
    "Outcome",
    "RecordedGround",
    "ReplayServer",
    "Result",
    "Stage",
    "is_experimental",
    "kit_beside",
    "read_card",
    "run_case",
    "run_cases",
    "totals",
    "write_card",
]
