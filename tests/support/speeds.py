"""Whether the long form of the soak tests was asked for (`make soak`)."""

from __future__ import annotations

import os

LONG = os.environ.get("NIFTYFLOW_LONG") == "1"
