"""Brokers: the port, the supervised connection, and an adapter a folder."""
