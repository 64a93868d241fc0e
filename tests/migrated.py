"""Databases at this release's schema, migrated once a process and copied: only tests of migrations need to see it happen."""

import atexit
import shutil
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path

from gateway.storage.migrations.runner import upgrade
from gateway.storage.revisions import Schema

SQLITE_NAMES = {Schema.MAIN: "paradero.db", Schema.KEYS: "thread-keys.db"}


def migrate(url, schema):
    """Bring a database to this release's schema, also from inside a running loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(upgrade, url, schema).result()


@cache
def _sqlite_templates():
    folder = Path(tempfile.mkdtemp(prefix="paradero-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for schema, name in SQLITE_NAMES.items():
        migrate(f"sqlite+aiosqlite:///{folder / name}", schema)
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


def place_sqlite(data):
    """Put both databases of a node into its data folder."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in SQLITE_NAMES.values():
        shutil.copyfile(_sqlite_templates() / name, data / name)
