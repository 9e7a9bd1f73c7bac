"""Which layers may run without the others, where nothing joins processes."""

from __future__ import annotations

import pytest

from niftyflow.cli.run import Layer, refuse_apart
from niftyflow.model import Misconfigured

ALL = list(Layer)


@pytest.mark.parametrize("layers", [ALL, ALL[:-1], ALL[:2], [Layer.PROCESSING, Layer.INGESTION, Layer.GATEWAY]])
def test_what_has_everything_before_it_may_run(layers: list[Layer]):
    """All of it, or as far as somebody wants it, in any order; the gateway beside it."""
    assert refuse_apart(layers) is None


@pytest.mark.parametrize(
    "layers", [[Layer.INGESTION], [Layer.PROCESSING], [Layer.GATEWAY], ALL[1:], [Layer.INGESTION, Layer.ANALYSIS]]
)
def test_what_would_wait_for_ever_is_refused_with_what_to_do(layers: list[Layer]):
    """A layer without those before it, and ticks that nobody reads."""
    with pytest.raises(Misconfigured, match=r"wait for ever.*`niftyflow up`, or set bus.engine = kafka"):
        refuse_apart(layers)
