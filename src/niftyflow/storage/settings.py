"""Where the database and the hot store are, and how patient their clients are.

It only names values: the pools and stores read them. Addresses may hold a password, so none of them is ever printed.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from niftyflow.kit.settings import Settings


class PostgresSettings(Settings):
    """PostgreSQL, where it holds the market and the book in place of files."""

    url: SecretStr | None = Field(
        None,
        description="Address of the database: postgresql://user:password@host:5432/niftyflow. Without: SQLite files.",
    )
    connections_kept: int = Field(5, ge=1, description="Connections a process keeps open.")
    connections_most: int = Field(20, ge=1, description="Connections a process may have open at once.")
    acquire_seconds: float = Field(5.0, gt=0, description="How long to wait for a free connection, or for a new one.")
    statement_seconds: float = Field(60.0, gt=0, description="How long a statement may run before it is given up.")
    idle_transaction_seconds: float = Field(
        60.0, gt=0, description="How long a transaction of a process that stands still may hold its locks."
    )
    slow_statement_seconds: float = Field(0.1, gt=0, description="Statements that take longer are logged and counted.")
    through_pgbouncer: bool = Field(
        default=False,
        description="The address is a PgBouncer in transaction mode: no named statements, no settings of a session.",
    )


class RedisSettings(Settings):
    """Redis (or Valkey), where it holds what may vanish in place of this process's memory."""

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Address of the server: redis://host:6379/0, rediss:// for TLS, unix:///path for a socket file. "
        "It may hold user:password@. With Sentinel it gives all but the host.",
    )
    username: str = Field("", description="User of the server, where the address names none.")
    password: SecretStr = Field(SecretStr(""), description="Password of the user, where the address holds none.")
    ca_file: Path | None = Field(None, description="Certificates that vouch for the server, instead of the system's.")
    certificate_file: Path | None = Field(None, description="Our certificate, where the server asks for one.")
    key_file: Path | None = Field(None, description="The key of our certificate.")
    sentinels: list[str] = Field([], description="Sentinels as host:port; they know which server is the master.")
    sentinel_master: str = Field("", description="Name of the master that the Sentinels watch.")
    sentinel_username: str = Field("", description="User of the Sentinels, where they ask for one.")
    sentinel_password: SecretStr = Field(
        SecretStr(""), description="Password of the Sentinels, where they ask for one."
    )
    prefix: str = Field("", description="Put before every key and channel on a server that others use too.")
    timeout_seconds: float = Field(
        1.0, gt=0, le=30, description="How long any operation may take, connecting included."
    )
    connections: int = Field(16, ge=1, le=1000, description="Operations at once, each on a connection of its own.")
    listener_messages: int = Field(1000, ge=1, description="Messages kept for a slow listener; the oldest go first.")
