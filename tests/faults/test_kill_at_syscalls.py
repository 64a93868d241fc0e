"""R1, R5: a node killed at each write and each sync of its databases: receiving a batch, importing and delivering, migrating."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.ports import reserved_ports
from keys.keystore import write_durably
from tests.faults.oracle import open_oracle
from tests.faults.rig import DESK, MBMID, PGN, Zygote, found_rig
from tests.faults.test_kill_sender import MAPPING, ROWS, import_file, rows
from tests.faults.tracing import CALLS, calls_in, require_strace, traced
from tests.reliability.ledger import night, note, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(scaled(ci=600, night=14_400))]


def files(node):
    """Return the files a node's databases write to."""
    return [node.config.data / name for name in ("thread-keys.db-wal", "paradero.db-wal")]


def sample(points, size):
    """Return all points at night, else `size` of them, evenly spread."""
    if night() or len(points) <= size:
        return points
    return [points[index * (len(points) - 1) // (size - 1)] for index in range(size)]


async def test_killed_at_each_write_and_sync_of_an_accept(tmp_path):
    require_strace()
    broken, killed = [], 0
    with reserved_ports(4) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports)
        node = rig.nodes[MBMID]
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            points = []
            for path in files(node):
                node.start(zygote)
                await node.until_ready()
                with traced(node.pid, tmp_path / "trace", paths=[path]):
                    assert await oracle.send(oracle.write(3)) == 3
                node.kill()
                found = calls_in(tmp_path / "trace")
                assert "fdatasync" in found, f"nothing syncs {path.name}"
                points += [(path, number) for number in range(1, len(found) + 1)]
            tried = sample(points, 10)
            for path, number in tried:
                node.start(zygote)
                await node.until_ready()
                letters = oracle.write(3)
                with traced(node.pid, tmp_path / "trace", paths=[path], inject=f"signal=KILL:when={number}"):
                    await oracle.send(letters)
                    killed += node.exit_code(1.0) == -signal.SIGKILL
                node.kill()
                broken += await oracle.broken(node)
                node.start(zygote)
                await node.until_ready()
                broken += await oracle.replay(letters)
                node.kill()
                broken += await oracle.broken(node)
    for promise in ("R1", "R5"):
        note(
            promise,
            "killed at each write and sync of an accept",
            unit="kills",
            trials=len(tried),
            failures=len(broken),
            figures={"points": len(points), "killed inside": killed},
        )
    assert broken == []
    assert killed > len(tried) / 2


async def test_killed_at_each_write_and_sync_of_an_import_and_its_deliveries(tmp_path):
    require_strace()
    broken, killed, number = [], 0, 0
    with reserved_ports(6) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, PGN, ports=ports)
        desk = rig.nodes[DESK]
        write_durably(desk.config.mapping_folder / "prueba.toml", MAPPING.encode())
        for name in (MBMID, PGN):
            rig.nodes[name].start(zygote)
            await rig.nodes[name].until_ready()
        points = [(path, at) for path in files(desk) for at in (range(1, 8) if "keys" in path.name else range(1, 60))]
        tried = sample(points, 10)
        for path, at in tried:
            desk.start(zygote)
            await desk.until_ready()
            with traced(desk.pid, tmp_path / "trace", paths=[path], inject=f"signal=KILL:when={at}"):
                told = await import_file(desk, number)
                killed += desk.exit_code(1.5) == -signal.SIGKILL
            desk.kill()
            filed = rows(desk, "SELECT kind FROM outbox WHERE kind IN ('report.transfer', 'duty.notice')")
            children = sum(kind == "duty.notice" for (kind,) in filed)
            if len(filed) != children * (ROWS + 1):
                broken.append(f"at {path.name} {at}: {len(filed)} messages, {children} duty notices: a row left by halves")
            if told and len(filed) < (number + 1) * (ROWS + 1):
                broken.append(f"at {path.name} {at}: told to be sent and not filed")
            desk.start(zygote)
            await desk.until_ready()
            again = await import_file(desk, number)  # the same file once more: sent now, or known
            if again is None or {row["outcome"] for row in again} not in ({"imported"}, {"duplicate"}):
                broken.append(f"at {path.name} {at}: the same file again is answered {again}")
            desk.kill()
            number += 1
        for node in rig.nodes.values():
            node.kill()
    for promise in ("R1", "R2"):
        note(
            promise,
            "killed at each write and sync of an import with a child's row, and of its deliveries",
            unit="kills",
            trials=len(tried),
            failures=len(broken),
            figures={"points": len(points), "killed inside": killed},
        )
    assert broken == []
    assert killed > len(tried) / 3


def paradero(*arguments, before=()):
    command = [*before, sys.executable, "-m", "gateway", *(str(part) for part in arguments)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, check=False)


async def test_killed_at_each_sync_of_the_first_start(tmp_path):
    """`init` is killed at a sync; what it left is refused or whole, and after removing it, as advised, `init` works."""
    require_strace()
    count = tmp_path / "count"

    def init(folder, before=()):
        folder.mkdir()
        named = ["--node", DESK, "--role", "migrant-council", "--name", "Ficticia", "--country", "GT", "--self-signed"]
        where = ["--endpoint", "https://127.0.0.1/x", "--config", folder / "paradero.toml", "--data", folder / "data"]
        return paradero("init", *named, *where, before=before)

    calls = "fsync,fdatasync"
    done = init(tmp_path / "whole", ["strace", "-f", "-qq", "-o", str(count), "-e", f"trace={calls}"])
    assert done.returncode == 0, done.stderr
    points, broken = range(1, len(calls_in(count)) + 1), []
    tried = sample(list(points), 5)
    for at in tried:
        folder = tmp_path / f"at-{at}"
        init(
            folder,
            ["strace", "-f", "-qq", "-o", str(count), "-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={at}"],
        )
        for half in folder.rglob("*"):
            # What has its name is whole: the temporary ones are the only halves.
            if half.suffix in {".age", ".key", ".token", ".pem"} and not half.name.startswith(".") and not half.stat().st_size:
                broken.append(f"sync {at}: {half.name} is empty")
        config = folder / "paradero.toml"
        if config.exists() and (folder / "data" / "request.json").exists():
            broken += [] if paradero("db", "upgrade", "--config", config).returncode == 0 else [f"sync {at}: no upgrade"]
        elif config.exists() and (again := paradero("serve", "--config", config)).returncode != 3:
            broken.append(f"sync {at}: serve on half a node ends with {again.returncode}")
    note(
        "R1",
        "killed at each sync of `init`",
        unit="kills",
        trials=len(tried),
        failures=len(broken),
        figures={"points": len(points)},
    )
    assert broken == []
    assert CALLS
