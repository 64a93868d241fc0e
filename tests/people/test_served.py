"""The whole of it with real processes: `paradero serve`, and commands as people type them, each person in their own account."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.ports import reserved_ports
from tests.faults.rig import DESK, MBMID, found_rig
from tests.people.world import FIXTURES, OFFICE, password_of

ROOT = Path(__file__).parents[2]
ADMIN, CLERK = "admin.ficticia", "v.ficticia"


class Commands:
    """Runs `python -m gateway` as somebody; keeps all that was said."""

    def __init__(self, config, folder):
        self.config, self.folder, self.said = config, folder, []

    def __call__(self, who, *words, given="", code=0):
        home = self.folder / "homes" / who
        home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "XDG_CONFIG_HOME": str(home)}
        command = [sys.executable, "-m", "gateway", *map(str, words), "--config", str(self.config), "--json"]
        done = subprocess.run(
            command, input=given.encode(), capture_output=True, env=environment, cwd=ROOT, check=False, timeout=120
        )
        self.said.append((done.stdout + done.stderr).decode())
        assert done.returncode == code, (words, done.returncode, self.said[-1])
        return json.loads(done.stdout) if done.stdout.strip() else self.said[-1]


@pytest.mark.timeout(400)
async def test_people_at_a_real_node_through_a_power_cut(tmp_path):
    with reserved_ports(4) as ports:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports)
        node = rig.nodes[DESK]
        node.config.mapping_folder.mkdir(parents=True, exist_ok=True)
        mapping = (FIXTURES / "reportes_conamigua.toml").read_bytes()
        (node.config.mapping_folder / "reportes_conamigua.toml").write_bytes(mapping)
        run = Commands(node.config_file, tmp_path)
        try:
            await asyncio.to_thread(through, run, node)
        finally:
            rig.end()
        log = node.log.read_text()
    needles = [ADMIN, CLERK, "Ficticia Administra", password_of(ADMIN), password_of(CLERK)]
    assert [needle for needle in needles if needle in log] == []


def through(run, node):
    run(ADMIN, "user", "bootstrap", ADMIN, "--name", "Ficticia Administra", "--password-stdin", given=f"{password_of(ADMIN)}\n")
    run(ADMIN, "login", ADMIN, "--password-stdin", given=f"{password_of(ADMIN)}\n", code=7)  # it does not run yet
    node.start_alone()
    asyncio.run(node.until_ready())
    run(CLERK, "outbox", "list", code=5)  # nobody signed in: the node's machine asks, and it may not
    run(ADMIN, "login", ADMIN, "--password-stdin", given=f"{password_of(ADMIN)}\n")
    run(ADMIN, "office", "add", OFFICE, "--name-es", "Ficticia", "--name-en", "Made up", "--zone", "America/Guatemala")
    invited = run(ADMIN, "user", "add", CLERK, "--name", "Ficticia Ventanilla", "--role", f"desk-clerk@{OFFICE}")
    run(ADMIN, "report", "transfer", FIXTURES / "reportes_corte.xlsx", "-m", "reportes_conamigua", code=5)
    given = f"{invited['invitation']}\n{password_of(CLERK)}\n"
    run(CLERK, "login", CLERK, "--invitation", "--password-stdin", given=given)
    sent = run(CLERK, "report", "transfer", FIXTURES / "reportes_corte.xlsx", "-m", "reportes_conamigua")
    assert sent["counts"] == {"imported": sent["total"]}
    node.kill()
    node.start_alone()
    asyncio.run(node.until_ready())
    assert run(CLERK, "whoami")["posts"] == [f"desk-clerk@{OFFICE}"], "a session outlives the process"
    run(CLERK, "outbox", "list", code=5)
    waiting = run(ADMIN, "outbox", "list")["messages"]
    assert len(waiting) == sent["total"]
    run(ADMIN, "user", "disable", CLERK)
    run(CLERK, "whoami", code=3)
    run(ADMIN, "logout")
    run(ADMIN, "logout", code=6)
