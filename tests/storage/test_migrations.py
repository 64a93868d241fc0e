"""Migrations make exactly the tables the code uses, on both databases, and a schema from the future is refused."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from contracts.errors import ConfigurationError
from gateway.storage.engine import create_engine
from gateway.storage.migrations.runner import _config, upgrade_async
from gateway.storage.revisions import REVISIONS, Schema, head, version_table
from gateway.storage.selfcheck import check_database, refuse_unsafe
from gateway.storage.tables import key_metadata, metadata

SCHEMAS = [(Schema.MAIN, metadata), (Schema.KEYS, key_metadata)]


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS, ids=["main", "keys"])
async def test_migrations_make_exactly_the_tables(database_url, schema, expected):
    assert await upgrade_async(database_url, schema) == head(schema)
    engine = create_engine(database_url)

    def difference(connection):
        context = MigrationContext.configure(connection, opts={"version_table": version_table(schema), "compare_type": True})
        return compare_metadata(context, expected)

    async with engine.connect() as connection:
        assert await connection.run_sync(difference) == []
    await engine.dispose()


@pytest.mark.parametrize("schema", list(Schema))
def test_the_revisions_a_node_knows_are_the_migrations(schema):
    scripts = ScriptDirectory.from_config(_config(schema))
    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == list(REVISIONS[schema])


async def test_upgrading_twice_changes_nothing(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    findings = await check_database(engine, Schema.MAIN)
    refuse_unsafe(findings)
    assert {finding.severity for finding in findings} == {"ok"}
    await engine.dispose()


async def test_an_empty_database_is_refused_with_advice(database_url):
    engine = create_engine(database_url)
    with pytest.raises(ConfigurationError) as refused:
        refuse_unsafe(await check_database(engine, Schema.MAIN))
    assert "db upgrade" in refused.value.advice
    await engine.dispose()


async def test_a_schema_from_the_future_is_refused(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
    with pytest.raises(ConfigurationError, match="más nueva"):
        refuse_unsafe(await check_database(engine, Schema.MAIN))
    await engine.dispose()
