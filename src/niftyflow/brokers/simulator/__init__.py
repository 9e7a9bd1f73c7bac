"""The exchange simulator: sessions from files or a generator, played at any speed over the real Kite wire."""
