"""Analysis: closed candles become scorecards, one column engine for all symbols of a partition."""
