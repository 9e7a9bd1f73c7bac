"""Layer 3: the market store and the hot store, their ports and engines, and leases."""
