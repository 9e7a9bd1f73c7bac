"""Signals: rules over scorecards, the view of the market, predictions and the time of day, and what they conclude."""
