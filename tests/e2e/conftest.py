"""What tests in a browser share."""

from support.demos import browser, playwright

__all__ = ["browser", "playwright"]
