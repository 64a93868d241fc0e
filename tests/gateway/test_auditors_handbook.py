"""docs/auditor.md as people follow it: every command of the page is run, as the person it names, at the node it names."""

import asyncio
import re
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_officers_handbook import _FENCE, commands
from tests.people.world import OFFICE, open_port
from tests.simulator.federation import simulated_federation

PAGE = Path(__file__).parents[2] / "docs" / "auditor.md"
NODES = {"mbmid": "gt.igm.mbmid", "conamigua": "gt.conamigua", "pdh": "gt.pdh"}
STAFF = {"mbmid": {"oficial": f"officer@{OFFICE}", "auditora": "auditor"}, "pdh": {"oficial": f"officer@{OFFICE}"}}
ON_FILES = {"verify"}


def steps():
    return [(found["who"], found["text"]) for found in _FENCE.finditer(PAGE.read_text("utf-8")) if found["kind"] == "sh"]


class Followed:
    """The federation the page is followed in, and what its words in capitals stand for."""

    def __init__(self, federation, worlds, folder):
        self.federation, self.worlds, self.folder = federation, worlds, folder
        self.said, self.ran = {}, []

    async def prepare(self):
        await send(self.federation, row())
        await self.federation.settle()
        mbmid = self.federation.nodes["gt.igm.mbmid"]
        [(folio,)] = await table(mbmid, "SELECT folio FROM cases WHERE kind = 'report'")
        await self.sealed()
        [(message,)] = await table(mbmid, "SELECT message_id FROM outbox WHERE state = 'delivered' LIMIT 1")
        self.said = {"FOLIO": folio, "MENSAJE": message}
        for name, staff in STAFF.items():
            await self.worlds[name].bootstrap()
            await self.worlds[name].open_office()
            for who, post in staff.items():
                await self.worlds[name].hire(who, post)

    async def sealed(self):
        """What the nodes' own loops do: entries get their place, and checkpoints are signed over them."""
        self.federation.clock.forward(minutes=10)
        for node in self.federation.nodes.values():
            while await node.log.sequence():
                pass
            [loop] = [loop for loop in node.loops if loop.name == "log"]
            await loop.step()

    def typed(self, words):
        files = {name: str(self.folder / name) for name in ("constancia.json", "tachada.json", "rota.json", "hojas")}
        toml = {"paradero.toml": str(self.worlds["mbmid"].config)}
        return [(self.said | files | toml).get(word, word) for word in words[1:]]

    async def run(self, name, who, words, code):
        world, typed = self.worlds[name], self.typed(words)
        self.ran.append(typed[0])
        if typed[0] == "login":
            await world.login(who)
            return
        if typed[0] in ON_FILES:
            result = await asyncio.to_thread(CliRunner().invoke, app, typed)
            assert result.exit_code == code, (typed, result.output)
            world.seen.append(result.output)
            return
        result = await world.cli(who, *typed, code=code)
        if typed[:2] == ["audit", "open"]:
            self.said["VENTANA"] = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", result.stdout)[0]
        await self.federation.settle()
        if typed[0] == "evidence":
            whole = self.folder / "constancia.json"
            await asyncio.to_thread(shutil.copy, whole, self.folder / "rota.json")
            (self.folder / "rota.json").write_bytes(whole.read_bytes()[:-200])


@pytest.fixture
async def followed(tmp_path, monkeypatch):
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(simulated_federation(tmp_path, *NODES.values()))
        worlds = {
            name: await stack.enter_async_context(open_port(tmp_path, monkeypatch, federation, node))
            for name, node in NODES.items()
        }
        found = Followed(federation, worlds, tmp_path)
        await found.prepare()
        yield found


@pytest.mark.timeout(300)
async def test_every_command_of_the_page_does_what_the_page_says(followed):
    for who, text in steps():
        name, login = who.split()
        for words, code in commands(text):
            await followed.run(name, login, words, code)
    assert len(followed.ran) > 15
    told = "".join(text for world in followed.worlds.values() for text in world.seen)
    assert "TODO VERIFICA" in told
    assert "VERIFIES" in told
    assert "NO VERIFICA" in told
    assert "puntos de control firmados concuerdan" in told
    assert "Actualizado a" in told
    assert "pasos" in told


def test_the_page_names_a_person_for_every_command():
    assert all(who for who, _ in steps())
    assert {words[0] for _, text in steps() for words, _ in commands(text)} == {"paradero"}


async def test_every_page_it_names_is_there(followed):
    known = {route.path for route in followed.worlds["mbmid"].api.routes()}
    named = set(re.findall(r"`(/[a-z/]+)`", PAGE.read_text("utf-8")))
    assert len(named) > 8
    assert named <= known
