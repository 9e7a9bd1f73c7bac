"""Layer 1: from a broker's feed to the log. Journal first; normalise, validate, tell the time by watermarks."""
