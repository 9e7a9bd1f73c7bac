"""What every layer's shell needs once: clock, settings base, stage runner, retry, metrics, logging."""
