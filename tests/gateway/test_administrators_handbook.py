"""docs/administrador.md as people follow it: every command of the page is run, in its order, as the person or on the machine it names."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.gateway import test_officers_handbook as handbook
from tests.gateway.test_officers_handbook import commands
from tests.people.world import ADMIN, open_world

PAGE = Path(__file__).parents[2] / "docs" / "administrador.md"
MBMID = "gt.igm.mbmid"
ON_FILES = {("backup", "verify")}
"""These look at a file alone and take no configuration."""

FINDS = {("doctor",): {0, 10}}
"""Ends with what it finds on the machine that runs the tests."""


def steps():
    return [(found["kind"], found["who"], found["text"]) for found in handbook._FENCE.finditer(PAGE.read_text("utf-8"))]


class Machine:
    """The node's machine, and the words the page leaves to be filled in."""

    def __init__(self, world, folder, monkeypatch):
        self.world, self.folder, self.ran = world, folder, []
        monkeypatch.chdir(folder)

    def filled(self, words):
        found = {"administra": ADMIN}
        if "PRINCIPAL" in words or "LLAVES" in words:
            [found["PRINCIPAL"]] = map(str, (self.folder / "respaldos").glob("*.main.backup"))
            [found["LLAVES"]] = map(str, (self.folder / "respaldos").glob("*.keys.backup"))
        return [found.get(word, word) for word in words]

    async def run(self, who, words, code):
        typed = self.filled(words)[1:]
        self.ran.append(" ".join(words[1:3]))
        if typed[0] == "login":
            return await self.world.login(ADMIN)
        allowed = FINDS.get(tuple(typed[:1]), {code})
        cli = self.on_files if tuple(typed[:2]) in ON_FILES else self.world.cli
        result = await cli(ADMIN if who == "administra" else "equipo", *typed, code=None)
        assert result.exit_code in allowed, (words, result.exit_code, result.output)
        return result

    async def on_files(self, _who, *typed, code):
        from typer.testing import CliRunner

        from gateway.cli import app

        del code
        return await asyncio.to_thread(CliRunner().invoke, app, list(typed))


@pytest.fixture
async def machine(tmp_path, monkeypatch):
    async with open_world(tmp_path / "nodo", monkeypatch, None, "gt.conamigua", MBMID) as world:
        await world.bootstrap()
        yield Machine(world, tmp_path, monkeypatch)


@pytest.mark.timeout(600)
async def test_every_command_of_the_page_does_what_the_page_says(machine, tmp_path):
    drills = []
    for kind, who, text in steps():
        assert kind == "sh"
        for words, code in commands(text):
            if who == "simulacro":
                drills.append((words, code))  # on another machine, after the node here has ended
            else:
                await machine.run(who, words, code)
    assert len(machine.ran) > 25
    assert len(drills) == 1
    assert any("invitación" in said.casefold() for said in machine.world.seen)
    await drill(machine, drills[0], tmp_path / "otro-equipo")


async def drill(machine, given, elsewhere):
    """Restore into a copy that has the configuration and the keys, and is not running."""
    from typer.testing import CliRunner

    from gateway.cli import app

    (words, code), here = given, machine.world.config.parent
    shutil.copytree(here, elsewhere)
    config = elsewhere / "paradero.toml"
    moved = config.read_text().replace(str(here), str(elsewhere))
    config.write_text(moved.replace(f"port = {machine.world.port}", "port = 1"))  # there, nothing of it runs
    result = await asyncio.to_thread(CliRunner().invoke, app, [*machine.filled(words)[1:], "--config", str(config)])
    assert result.exit_code == code, result.output


def test_the_page_names_who_runs_every_command():
    assert {who for _, who, _ in steps()} == {"equipo", "administra", "simulacro"}
    assert {words[0] for _, _, text in steps() for words, _ in commands(text)} == {"paradero"}
