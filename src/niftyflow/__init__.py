"""niftyflow: algorithmic trading for the Indian markets, from the broker's tick to the order."""

__version__ = "0.1.0"
