"""A node's stores, on each database and on SQLite alone."""

import pytest

from tests.storage.plans import opened


@pytest.fixture
async def node(database_urls):
    async with opened(database_urls) as node:
        yield node


@pytest.fixture
async def sqlite_node(tmp_path):
    async with opened([f"sqlite+aiosqlite:///{tmp_path}/{name}.db" for name in ("main", "keys")]) as node:
        yield node
