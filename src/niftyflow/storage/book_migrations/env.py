"""What Alembic runs: the migrations, on the connection that the engine gives, inside the engine's transaction.

It opens nothing and reads no file of settings; two processes that start together wait for each other's transaction.
"""

from __future__ import annotations

from alembic import context

from niftyflow.storage.book_schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    version_table=context.config.attributes.get("version_table", "alembic_version"),
)
context.run_migrations()
