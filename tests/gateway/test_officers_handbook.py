"""docs/oficial.md as people follow it: every command of the page is run, as the person it names, at the node it names."""

import json
import re
import shlex
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from gateway.exchange.searching import Question, ask_search
from tests.gateway.test_answers import at_slot
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_leaving import ADULT, by
from tests.people.world import ADMIN, OFFICE, open_port
from tests.simulator.federation import simulated_federation

PAGE = Path(__file__).parents[2] / "docs" / "oficial.md"
NODES = {"mbmid": "gt.igm.mbmid", "minex": "gt.minex", "conamigua": "gt.conamigua", "pdh": "gt.pdh"}
STAFF = {
    "mbmid": {"oficial": f"officer@{OFFICE}"},
    "minex": {"oficial": f"officer@{OFFICE}", "segunda": f"officer@{OFFICE}", "datos": "data-protection"},
    "conamigua": {"oficial": f"officer@{OFFICE}"},
    "pdh": {"auditora": "auditor"},
}
VERBS_THAT_ANSWER_ANOTHER = {"clarify": 0, "extend": 0, "no-information": 1, "decline": 2}
_FENCE = re.compile(r"(?:<!-- (?P<who>[a-z ]+) -->\n)?```(?P<kind>[a-z]+)\n(?P<text>.*?)```", re.DOTALL)
_CODE = re.compile(r"# → (\d+)")


def steps():
    """Blocks of the page in their order: ("sh", who, commands), or a file to write."""
    return [(found["kind"], found["who"], found["text"]) for found in _FENCE.finditer(PAGE.read_text("utf-8"))]


def commands(text):
    """The commands of a block with the exit code each ends with."""
    for line in text.splitlines():
        code = _CODE.search(line)
        words = shlex.split(line, comments=True)
        if words:
            yield words, int(code[1]) if code else 0


class Offices:
    """Everybody who works in the page, and the words it leaves to be filled in."""

    def __init__(self, federation, worlds, folder):
        self.federation, self.worlds, self.folder = federation, worlds, folder
        self.questions, self.question, self.folio = [], None, None

    async def prepare(self):
        await send(self.federation, row())
        await self.federation.settle()
        [(self.folio,)] = await table(self.federation.nodes["gt.igm.mbmid"], "SELECT folio FROM cases WHERE kind = 'report'")
        mbmid = self.federation.nodes["gt.igm.mbmid"].capabilities
        for number in range(3):
            asked = Question(
                to=NodeId("gt.minex"),
                want=(Code("sex"),),
                purpose=Code("locate-missing"),
                basis=Code("gt:codigo-migracion:198-207"),
                case_ref=f"caso-{number}",
                records=(SourceRecord(RecordType.MISSING_PERSON, ADULT),),
            )
            self.questions.append(str((await ask_search(asked, mbmid, by=by(mbmid))).message.message_id))
        await self.federation.settle()
        for name, world in self.worlds.items():
            await world.bootstrap()
            if name != "pdh":
                await world.open_office()
            for who, post in STAFF[name].items():
                await world.hire(who, post)

    async def filled(self, words, world, who):
        """The words of a command as this person would type them here."""
        verb = words[2] if words[1] == "request" else ""
        question = self.questions[VERBS_THAT_ANSWER_ANOTHER[verb]] if verb in VERBS_THAT_ANSWER_ANOTHER else self.question
        now = self.federation.clock.now()
        said = {
            "FOLIO": self.folio,
            "PREGUNTA": question,
            "AAAA-MM-DDT12:00:00-06:00": (now + timedelta(days=9)).isoformat(),
            "AYER": (now - timedelta(days=1)).isoformat(),
        }
        if "PENDIENTE" in words:
            said["PENDIENTE"] = (await world.ask(who, "hold", "list"))["held"][0]["id"]
        if "TEXTO" in words:
            said["TEXTO"] = (await world.ask(who, "hold", "show", said["PENDIENTE"]))["texts"][0]["place"]
        if "REFERENCIA" in words:
            said["REFERENCIA"] = (await world.ask(who, "referral", "list", "--all"))["work"][0]["id"]
        files = {name: str(self.folder / name) for name in ("pregunta.toml", "respuesta.toml", "hallazgo.json")}
        return [(said | files).get(word, word) for word in words]

    async def run(self, name, who, words, code):
        world = self.worlds[name]
        login = ADMIN if who == "administra" else who
        typed = (await self.filled(words, world, login))[1:]
        if typed[0] == "login":
            await world.login(login)
            return
        result = await world.cli(login, *typed, code=code)
        if typed[:2] == ["request", "new"] and code == 0:
            self.question = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", result.stdout)[0]
        await self.federation.settle()


@pytest.fixture
async def offices(tmp_path, monkeypatch):
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(simulated_federation(tmp_path, *NODES.values()))
        worlds = {}
        for name, node in NODES.items():
            worlds[name] = await stack.enter_async_context(open_port(tmp_path, monkeypatch, federation, node))
        found = Offices(federation, worlds, tmp_path)
        await found.prepare()
        yield found


@pytest.mark.timeout(600)  # some fifty commands, each a program of its own
async def test_every_command_of_the_page_does_what_the_page_says(offices):
    ran = []
    for kind, who, text in steps():
        if kind == "toml":
            name = text.splitlines()[0].removeprefix("# ")
            (offices.folder / name).write_text(text.replace("FOLIO", offices.folio), "utf-8")
        elif kind == "json":
            (offices.folder / "hallazgo.json").write_text(json.dumps(json.loads(text)), "utf-8")
        else:
            name, login, *time = who.split()
            if time:
                await at_slot(offices.federation)
            for words, code in commands(text):
                await offices.run(name, login, words, code)
                ran.append(words[1])
    assert len(ran) > 45
    said = "".join(text for world in offices.worlds.values() for text in world.seen)
    assert "LO QUE SALE" in said
    assert "no se preguntó" in said
    assert "puede ser la persona" in said, "the answer came, and was read in words"
    assert "quién tiene sus datos" in said, "what was asked by the folio stands in the case's own books"
    await mistakes(offices)


async def mistakes(offices):
    """What is told of slips that would else go unseen."""
    mbmid, minex, folio = offices.worlds["mbmid"], offices.worlds["minex"], offices.folio
    await mbmid.login("oficial")
    kept = ("--scope", "c2", "--form", "written", "--language")
    told = await mbmid.cli("oficial", "consent", "withdraw", folio, "--relative", "la madre", *kept, "es")
    assert "no tenía autorizado nada" in told.stdout
    await mbmid.cli("oficial", "consent", "grant", folio, "--relative", "madre", *kept, "zz zz", code=2)
    path = offices.folder / "pregunta.toml"
    asking = path.read_text("utf-8")
    path.write_text(asking.replace(folio, "MBMID-2026-999999"), "utf-8")
    await mbmid.cli("oficial", "request", "new", path, code=4)
    path.write_text(asking.replace('"marks"]', '"nada_asi"]'), "utf-8")
    assert "un campo que no existe" in (await mbmid.cli("oficial", "request", "new", path, code=2)).output
    path.write_text(asking.replace('to = "gt.minex"', 'to = "gt.nadie"'), "utf-8")
    refused = (await mbmid.cli("oficial", "request", "new", path, code=5)).output
    assert "no es miembro de la red" in refused
    await minex.login("oficial")
    twice = offices.folder / "doble.json"
    twice.write_text('{"result":"match","result":"possible"}', "utf-8")
    assert "un dato está dos veces" in (await minex.cli("oficial", "preview", offices.questions[0], twice, code=2)).output


def test_the_page_names_a_person_for_every_command():
    assert all(who for kind, who, _ in steps() if kind == "sh")
    assert {words[0] for kind, _, text in steps() if kind == "sh" for words, _ in commands(text)} == {"paradero"}


def test_control_a_command_the_page_has_wrong_is_seen():
    assert list(commands("paradero inbox list   # → 5: no\n")) == [(["paradero", "inbox", "list"], 5)]
