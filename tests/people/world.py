"""A node with its private port on a real socket and a clock the test moves, and people who use it by the command line.

Example::

    async with open_world(tmp_path, monkeypatch) as world:
        await world.bootstrap()
        await world.hire("o.ficticia", "officer@huehuetenango")
        result = await world.cli("o.ficticia", "whoami")
"""

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from typer.testing import CliRunner

from gateway.cli import app
from gateway.console.private import PrivateApi
from gateway.web import Caps, Deadlines, Watch, serve_site
from keys.leaves import open_leaf
from tests.simulator.federation import simulated_federation

NODE = "gt.conamigua"
FIXTURES = Path(__file__).parents[2] / "gateway" / "demo" / "fixtures"
ADMIN = "admin.ficticia"
OFFICE = "huehuetenango"


def password_of(login: str) -> str:
    """A password a test can recognise wherever it should not be."""
    return f"Clave-perdida-de-{login[::-1]}-7391"


@dataclass
class World:
    """The node, and what people kept on the machine."""

    folder: Path
    federation: object
    api: PrivateApi
    port: int
    monkeypatch: object
    seen: list[str] = field(default_factory=list)
    name: str = NODE

    @property
    def node(self):
        return self.federation.nodes[self.name]

    @property
    def desk(self):
        return self.node.people

    @property
    def clock(self):
        return self.federation.clock

    @property
    def config(self) -> Path:
        return self.folder / self.name / "paradero.toml"

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def operator_token(self) -> str:
        return self.node.config.operator_token.read_text().strip()

    def home(self, who: str) -> Path:
        return self.folder / "homes" / who

    async def cli(self, who: str, *words: object, given: str = "", code: int | None = 0):
        """Run a command as somebody; `given` is its standard input."""
        self.monkeypatch.setenv("XDG_CONFIG_HOME", str(self.home(who)))
        said = [str(word) for word in words]
        result = await asyncio.to_thread(CliRunner().invoke, app, [*said, "--config", str(self.config)], input=given)
        self.seen.append(result.output)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code is None or result.exit_code == code, (words, result.exit_code, result.output)
        return result

    async def ask(self, who: str, *words: object, given: str = "") -> dict:
        """Run a command with --json; return what it says."""
        return json.loads((await self.cli(who, *words, "--json", given=given)).stdout)

    async def bootstrap(self) -> None:
        words = ("user", "bootstrap", ADMIN, "--name", "Ficticia Administra", "--password-stdin")
        await self.cli(ADMIN, *words, given=f"{password_of(ADMIN)}\n")
        await self.login(ADMIN)

    async def login(self, who: str, *, home: str | None = None, code: int = 0, password: str | None = None):
        given = f"{password or password_of(who)}\n"
        return await self.cli(home or who, "login", who, "--password-stdin", given=given, code=code)

    async def open_office(self, code: str = OFFICE, **changed: str) -> None:
        options = {
            "name-es": "Oficina ficticia",
            "name-en": "Made-up office",
            "zone": "America/Guatemala",
            "calendar": "GT",
        } | changed
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        await self.cli(ADMIN, "office", "add", code, *words)

    async def invited(self, who: str, *posts: str) -> str:
        """Add somebody; return the invitation."""
        roles = [word for post in posts for word in ("--role", post)]
        return (await self.ask(ADMIN, "user", "add", who, "--name", f"Ficticia {who}", *roles))["invitation"]

    async def accept(self, who: str, invitation: str, *, code: int = 0, password: str | None = None):
        given = f"{invitation}\n{password or password_of(who)}\n"
        return await self.cli(who, "login", who, "--invitation", "--password-stdin", given=given, code=code)

    async def hire(self, who: str, *posts: str) -> None:
        """Add somebody, who accepts and is signed in."""
        await self.accept(who, await self.invited(who, *posts))

    def kept(self, who: str) -> dict:
        """What somebody's session file holds."""
        [path] = (self.home(who) / "paradero").glob("*.session")
        return json.loads(path.read_text())

    def token(self, who: str) -> str:
        return self.kept(who)["token"]

    async def call(self, method: str, path: str, token: str | None = None, body: object = None, **query: str):
        """Speak to the port as a program that holds a token; return (status, JSON)."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = json.dumps(body).encode() if body is not None else None
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.base + path, headers=headers, data=data, params=query) as answer,
        ):
            text = await answer.text()
            self.seen.append(text)
            return answer.status, (json.loads(text) if text.startswith("{") else text)

    async def leaves(self) -> list[dict]:
        """What the node's log says, every field opened."""
        while await self.node.log.sequence():
            pass
        found = await self.node.log.scan(0, 10_000)
        return [open_leaf(leaf.data, leaf.disclosures) for leaf in found]

    def mappings(self) -> None:
        folder = self.node.config.mapping_folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(FIXTURES / "reportes_conamigua.toml", folder)


@asynccontextmanager
async def open_world(folder: Path, monkeypatch, databases=None, *names: str):
    """Found a federation with one node (or those named), and serve its private port."""
    given = {NODE: databases} if databases else None
    async with (
        simulated_federation(folder, *(names or (NODE,)), databases=given) as federation,
        open_port(folder, monkeypatch, federation, NODE) as found,
    ):
        yield found


@asynccontextmanager
async def open_port(folder: Path, monkeypatch, federation, name: str):
    """Serve the private port of one node of a federation, and give the world of those who work there."""
    node = federation.nodes[name]
    watch = Watch(Deadlines(header_seconds=75.0), Caps())
    token = node.config.operator_token.read_text().strip()
    api = PrivateApi(node.operations, node.people, token=token, hosts=("127.0.0.1",), watch=watch)
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
    config = folder / name / "paradero.toml"
    config.write_text(config.read_text().replace("port = 8441", f"port = {site.port}"))
    try:
        yield World(folder, federation, api, site.port, monkeypatch, name=name)
    finally:
        await site.close()
