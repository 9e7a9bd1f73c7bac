"""Layer 2: ticks into candles. The pure fold, and the stage that stores and publishes what it tells."""
