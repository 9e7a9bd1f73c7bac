"""Indicators, each written once as a step over arrays of shape (symbols, time): live is one bar, history is many.

`registry.py` says what there is: parameters, warm-up, formula and source. Nothing here reads a clock or does I/O.
"""

from niftyflow.kernels.indicators.indicator import Indicator, Parameter
from niftyflow.kernels.indicators.registry import REGISTRY, advance, history

__all__ = ["REGISTRY", "Indicator", "Parameter", "advance", "history"]
