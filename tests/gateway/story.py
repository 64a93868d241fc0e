"""A case as its people live it: officers of several running nodes, each at their own private port or command line.

Example::

    async with told_story(tmp_path, MBMID, DESK) as story:
        status, answer = await story.call("GET", "cases", at=DESK)
        await story.ok("POST", f"requests/{ref}/answer", {...}, at=DESK, login="ana")   # the same person each time
"""

import asyncio
import itertools
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from contracts.codec import b64u_decode, decode_message
from contracts.ids import MessageId
from gateway.cli import run
from gateway.cli.cases import told
from gateway.cli.sessions import KeptSession, SessionFile
from gateway.config import load_config
from gateway.console.private import PrivateApi
from gateway.web import Caps, Deadlines, Watch
from keys.leaves import open_leaf
from tests.gateway.test_exchange import table
from tests.people.hired import back_at, hired_at
from tests.simulator.federation import simulated_federation

MBMID = "gt.igm.mbmid"
OFFICER = "officer@igm"


class Story:
    """The people of a case, and what they ask of their nodes; of the MBMID's where nothing else is said."""

    def __init__(self, federation, clients, home=MBMID):
        self.federation, self.clients, self.home = federation, clients, home
        self.seen = []
        """Every answer of a private port, as text: (node, login, path, text)."""
        self._number = itertools.count(1)
        self._known = set()

    @property
    def node(self):
        return self.federation.nodes[self.home]

    @property
    def client(self):
        return self.clients[self.home]

    async def token(self, who, *, at, login=None):
        """Of somebody new each time, since days pass between calls and sessions end; of one person where `login` says who."""
        if login is None:
            return await hired_at(self.federation.nodes[at].people, who, login=f"p{next(self._number)}.ficticia")
        desk = self.federation.nodes[at].people
        if (at, login) in self._known:
            return await back_at(desk, login)
        self._known.add((at, login))
        return await hired_at(desk, who, login=login)

    async def call(self, method, path, body=None, *, who=OFFICER, at=None, login=None, **more):
        at = at or self.home
        headers = {"Authorization": f"Bearer {await self.token(who, at=at, login=login)}"} | more.pop("headers", {})
        answer = await self.clients[at].request(method, f"/api/v1/{path}", json=body, headers=headers, **more)
        self.seen.append((at, login or who, path, await answer.text()))
        return answer.status, await answer.json(content_type=None)

    async def ok(self, method, path, body=None, **more):
        """The answer to a call that succeeds."""
        status, answer = await self.call(method, path, body, **more)
        assert status == 200, (path, status, answer)
        return answer

    def decree(self, policy):
        """Let every node go by another policy than the one that was signed: what a wall must stand against."""
        for node in self.federation.nodes.values():
            state = node.trust.state
            newest = max(state.policies)
            known = {**state.policies, newest: replace(state.policies[newest], policy=policy)}
            node.trust.state = replace(state, policies=known)

    async def reports(self, mapping, table, *, at, who, login=None):
        """Somebody at a desk hands in a file of reports; returns the answer's rows."""
        headers = {"Authorization": f"Bearer {await self.token(who, at=at, login=login)}"}
        path = f"/api/v1/imports?mapping={mapping}"
        answer = await self.clients[at].post(path, data=table.encode(), headers=headers)
        self.seen.append((at, login or who, path, await answer.text()))
        assert answer.status == 200, await answer.text()
        return (await answer.json())["rows"]

    async def says(self, case, act, who, *scopes, **more):
        body = {"act": act, "relative": who, "scopes": list(scopes), "form": "written", "language": "es"} | more
        return await self.call("POST", f"cases/{case}/consents", body)

    async def family_reads(self, case, lang="es"):
        _, answer = await self.call("GET", f"cases/{case}/who-has")
        return "\n".join(told(answer["case"], answer["holdings"], lang))

    def seen_at(self, at, login=None):
        """Everything a person read there, or everybody, as one text."""
        return "\n".join(text for node, who, _, text in self.seen if node == at and login in (None, who))


MAPPING = Path(__file__).parents[2] / "gateway" / "demo" / "fixtures" / "reportes_conamigua.toml"


def desk_mapping(node, name, office, more=""):
    """Let a desk read the sheet of reports, with its headings in the first row; `more` are columns of the person sought."""
    folder = node.config.mappings or node.config.data / "mappings"
    folder.mkdir(parents=True, exist_ok=True)
    text = MAPPING.read_text().replace("reportes_conamigua", name, 1).replace("header_row = 2", "header_row = 1")
    text = text.replace('office = "huehuetenango"', f'office = "{office}"')
    last = '    { headings = ["Relato"], parser = "long_text", field = "narrative" },\n'
    (folder / f"{name}.toml").write_text(text.replace(last, last + more))


@asynccontextmanager
async def told_story(home: Path, *names: str, at: str = MBMID, **more) -> AsyncIterator[Story]:
    """Whole nodes and the private port of each. `more` as for `simulated_federation`."""
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(simulated_federation(home, *names, **more))
        clients = {}
        for name, node in federation.nodes.items():
            watch = Watch(Deadlines(), Caps())
            api = PrivateApi(node.operations, node.people, token="ficha-de-prueba", hosts=("127.0.0.1",), watch=watch)
            server = TestServer(api.application(), host="127.0.0.1")
            clients[name] = await stack.enter_async_context(TestClient(server))
        yield Story(federation, clients, at)


async def opened(node, kind):
    """The messages of a kind that this node took in, opened, oldest first."""
    taken = f"SELECT thread_id, message_id, body FROM inbox WHERE kind LIKE '{kind}' ORDER BY received_ms"
    return [await open_row(node, *row) for row in await table(node, taken)]


async def sent(node, kind="%", to="%"):
    """The messages of a kind that this node signed for a peer, opened: what the peer reads, arrived or not."""
    signed = (
        "SELECT thread_id, message_id, body FROM outbox JOIN outbox_bodies USING (lane, message_id) "
        f"WHERE kind LIKE '{kind}' AND lane LIKE '{to}' ORDER BY created_ms"
    )
    return [await open_row(node, *row) for row in await table(node, signed)]


def in_clear(message):
    """Everything a message says, the values in its records among it, as one text."""
    parts = [part for record in message.records for part in record.sd_jwt.split("~")[1:] if part]
    return "\n".join([message.model_dump_json(), *(b64u_decode(part).decode() for part in parts)])


async def open_row(node, thread, message, body):
    return decode_message((await node.capabilities.bodies.open(thread, MessageId(message), body)).payload)


async def told_in(story, name):
    """Every value the records that reached a node carry, opened there, as one text in small letters."""
    node, found = story.federation.nodes[name], []
    for message in await opened(node, "%"):
        for record in message.records:
            opener, now = node.capabilities.opener, node.capabilities.clock.now()
            found.append(repr(opener.verify_record(record.sd_jwt, sender=message.sender, at=now).claims))
    return "\n".join(found).casefold()


async def leaves_of(node):
    """Every leaf of a node's log, opened."""
    await node.log.sequence()
    newest = (await node.log.epochs())[-1].number
    return [open_leaf(leaf.data, leaf.disclosures) for leaf in await node.log.scan(0, 500, newest)]


class CommandLine:
    """The command of an officer who signed in at a node."""

    def __init__(self, story, monkeypatch, capsys, home, *, at=None):
        self._story, self._patch, self._capsys = story, monkeypatch, capsys
        self._at, self._config = at or story.home, home / "commands.toml"

    async def sign_in(self, who=OFFICER, login="cli.ficticia"):
        node, home = self._story.federation.nodes[self._at], self._config.parent
        served = f"[private]\nport = {self._story.clients[self._at].port}"
        made = (Path(node.config.data) / "paradero.toml").read_text()
        self._config.write_text(re.sub(r"\[private\]\nport = \d+", served, made))
        self._patch.setenv("HOME", str(home))
        self._patch.setenv("XDG_CONFIG_HOME", str(home / "own"))
        token = await self._story.token(who, at=self._at, login=login)
        SessionFile(load_config(self._config)).write(KeptSession(login, token, "2030-01-01T00:00:00+00:00"), "d")
        return self

    async def __call__(self, *words):
        """Return the exit code, and what it said."""
        self._patch.setattr(sys, "argv", ["paradero", *words, "--config", str(self._config)])
        code = await asyncio.to_thread(run)
        said = self._capsys.readouterr()
        return code, said.out + said.err
