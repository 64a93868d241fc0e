"""A PostgreSQL of the bench's own: the fixture of the tests, used outside pytest."""

from contextlib import contextmanager

from tests.conftest import new_postgresql_database, postgresql_server


@contextmanager
def server():
    """Run a server; None when the machine has none."""
    running = postgresql_server.__wrapped__(None, "bench")
    try:
        yield next(running)
    finally:
        next(running, None)


def two_databases(found):
    """Return the URLs of a main database and a key store."""
    return new_postgresql_database(found), new_postgresql_database(found)
