"""Shared fixtures: every test of storage runs on SQLite and on a real PostgreSQL that the suite starts itself."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from aiohttp import web_app

from gateway.storage.revisions import Schema
from tests.migrated import migrate

REQUIRE = "PARADERO_REQUIRE_POSTGRESQL"


@pytest.fixture(autouse=True)
def handlers_forgotten():
    """aiohttp remembers the last thousand handlers it built, and with them every node a test opened: gigabytes in one process."""
    yield
    web_app._cached_build_middleware.cache_clear()


def _postgresql_bin() -> Path | None:
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if candidates:
        return candidates[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _as_nobody() -> dict:
    # initdb and postgres refuse to run as root.
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory, worker_id):
    """A private PostgreSQL server; None when the machine has none (then PostgreSQL tests are skipped loudly)."""
    programs = _postgresql_bin()
    if programs is None:
        yield None
        return
    base = Path(f"/tmp/paradero-pg-{os.getpid()}")
    base.mkdir(mode=0o700)
    if os.getuid() == 0:
        shutil.chown(base, "nobody", "nogroup")
    data = base / "data"
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    run = {
        "env": environment,
        "cwd": "/",
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        **_as_nobody(),
    }
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "paradero", "-A", "trust", "-E", "UTF8", "--no-sync"], check=True, **run
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (base / "log").open("wb")
    options = [
        "-c",
        f"unix_socket_directories={base}",
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "shared_buffers=32MB",
        "-c",
        "max_connections=300",
    ]
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(port), *options],
        env=environment,
        cwd="/",
        stdout=log,
        stderr=log,
        **_as_nobody(),
    )
    try:
        for _ in range(200):
            ready = subprocess.run(
                [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)],
                stdout=subprocess.DEVNULL,
                env=environment,
                check=False,
            )
            if ready.returncode == 0:
                break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"PostgreSQL did not start: {(base / 'log').read_text()[-500:]}")
        yield {"port": port, "programs": programs, "environment": environment, "log": base / "log", "migrated": {}}
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: what a fast shutdown would write to a slow disk is thrown away anyway
        server.wait(20)
        log.close()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def worker_id(request):
    return getattr(request.config, "workerinput", {}).get("workerid", "main")


_COUNTER = iter(range(1_000_000))


def new_node_databases(server) -> tuple[str, str]:
    """Create both databases of a node at this release's schema; return the URLs of (main database, key store)."""
    for schema in Schema:
        if schema not in server["migrated"]:
            url = new_postgresql_database(server)
            migrate(url, schema)
            server["migrated"][schema] = url.rpartition("/")[2]
    main, keys = (new_postgresql_database(server, like=server["migrated"][schema]) for schema in (Schema.MAIN, Schema.KEYS))
    return main, keys


def new_postgresql_database(server, like="template1") -> str:
    """Create an empty database, or a copy of another, and return its URL."""
    name = f"t{os.getpid()}_{next(_COUNTER)}"
    command = [
        server["programs"] / "psql",
        "-h",
        "127.0.0.1",
        "-p",
        str(server["port"]),
        "-U",
        "paradero",
        "-d",
        "postgres",
        "-qc",
    ]
    subprocess.run([*command, f"CREATE DATABASE {name} TEMPLATE {like}"], env=server["environment"], check=True)
    return f"postgresql+asyncpg://paradero@127.0.0.1:{server['port']}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_urls(request, tmp_path):
    """(main database, key store) on each engine."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/main.db", f"sqlite+aiosqlite:///{tmp_path}/keys.db"
    server = request.getfixturevalue("postgresql_server")
    if server is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail("PostgreSQL is required here and is not installed")
        pytest.skip("NO POSTGRESQL FOUND: this test ran on SQLite only. apt-get install postgresql")
    return new_postgresql_database(server), new_postgresql_database(server)


@pytest.fixture
def database_url(database_urls):
    return database_urls[0]
