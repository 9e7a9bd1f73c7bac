"""Kite Connect (Zerodha): the WebSocket dialect in both directions, and the market data feed that speaks it."""
