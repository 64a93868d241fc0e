"""Alembic's entry point; always given an open connection by `runner`."""

from alembic import context

from gateway.storage.revisions import Schema, version_table
from gateway.storage.tables import key_metadata, metadata

schema: Schema = context.config.attributes["schema"]
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata if schema is Schema.MAIN else key_metadata,
    version_table=version_table(schema),
    # The caller's transaction is the migration's: it commits whole or not at all.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
