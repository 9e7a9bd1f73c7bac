"""Fixtures of the storage suites that ill-treat real servers."""

from support.postgres import empty_postgres_url, pgbouncer, postgres_database, postgres_server, postgres_url
from support.redis import redis_server, start_redis

__all__ = [
    "empty_postgres_url",
    "pgbouncer",
    "postgres_database",
    "postgres_server",
    "postgres_url",
    "redis_server",
    "start_redis",
]
