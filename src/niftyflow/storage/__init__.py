"""Layer 3: the market store and the hot store, their ports and engines, and leases.

Import engines from their modules: `sqlite_market` brings SQLAlchemy along, `memory_hot` and `leases` nothing heavy.
It keeps what it is given and gives it back; it decides nothing about candles, orders or people.
"""

from niftyflow.storage.ports import HotStore, Lease, Leases, MarketStore, RepairRequest

__all__ = ["HotStore", "Lease", "Leases", "MarketStore", "RepairRequest"]
