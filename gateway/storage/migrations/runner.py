"""Runs migrations from the program. An interrupted upgrade goes on where it stopped: each migration is one transaction."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.engine import create_engine
from gateway.storage.revisions import Schema, head, schema_state
from gateway.storage.unit_of_work import typed_errors

_HERE = Path(__file__).parent


def upgrade(url: str, schema: Schema) -> str:
    """Bring a database to this release's schema; return its revision."""
    return asyncio.run(upgrade_async(url, schema))


async def upgrade_async(url: str, schema: Schema) -> str:
    """As `upgrade`, inside a running loop."""
    engine = create_engine(url)
    try:
        return await upgrade_engine(engine, schema)
    finally:
        await engine.dispose()


async def upgrade_engine(engine: AsyncEngine, schema: Schema, revision: str = "head") -> str:
    """As `upgrade`, on an engine that is open; up to an older revision when a backup of it is to be filled in."""
    with typed_errors():
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, schema, revision)
    return head(schema) if revision == "head" else revision


def _upgrade(connection: Connection, schema: Schema, revision: str) -> None:
    if revision == "head" and schema_state(connection, schema) == "current":
        return  # every start asks; nothing is loaded to find out that there is nothing to do
    config = _config(schema)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _config(schema: Schema) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    folder = "versions" if schema is Schema.MAIN else "key_versions"
    config.set_main_option("version_locations", str(_HERE / folder))
    config.set_main_option("path_separator", "os")
    config.attributes["schema"] = schema
    return config
