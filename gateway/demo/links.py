"""The demo's ways in: a link for each role, which signs in once. Made on the nodes' files, as whoever holds those may."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp

from contracts.ids import NodeId
from gateway.config import load_config
from gateway.demo.clock import DemoClock
from gateway.demo.founding import MEMBERS
from gateway.demo.processes import DemoNode
from gateway.demo.staff import ADMINISTRATOR, AUDITOR, CLERK, HEAD, OFFICER, PRIVACY, SECOND
from gateway.demo.stage import Stage
from gateway.demo.visiting import Visit
from gateway.main.first_person import make_demo_link


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who can come in, in words."""

    node: str
    login: str
    es: str
    en: str


ENTRIES = (
    Entry("gt.conamigua", CLERK, "Ventanilla de CONAMIGUA en Huehuetenango", "Desk clerk at CONAMIGUA, Huehuetenango"),
    Entry("gt.igm.mbmid", OFFICER, "Oficial del MBMID", "Officer of the MBMID"),
    Entry("gt.minex", OFFICER, "Oficial consular en Houston", "Consular officer in Houston"),
    Entry("gt.minex", SECOND, "Otra oficial consular: la segunda aprobación", "Another consular officer: second approval"),
    Entry("gt.minex", HEAD, "Responsable del consulado en Houston", "Head of the Houston consulate"),
    Entry(
        "gt.minex",
        ADMINISTRATOR,
        "Administración del nodo de MINEX: no ve casos",
        "Administrator of MINEX's node: sees no case",
    ),
    Entry("gt.minex", PRIVACY, "Protección de datos de MINEX", "Data protection at MINEX"),
    Entry("gt.pgn", OFFICER, "Oficial de la PGN (Alba-Keneth)", "Officer of child protection (PGN)"),
    Entry("gt.pdh", AUDITOR, "Auditoría de la PDH: ve los intercambios, ningún caso", "Auditor of the ombudsman (PDH)"),
)


@dataclass(frozen=True, slots=True)
class DemoLink:
    """A link and whom it lets in."""

    entry: Entry
    host: str
    """The name and port of the node's pages on this machine."""

    code: str
    expires_at: datetime

    @property
    def url(self) -> str:
        """What to open."""
        return f"http://{self.host}/enlace/{self.code}"


def nodes_in(home: Path) -> Mapping[str, DemoNode]:
    """Return the nodes of a demo that runs elsewhere, by its folder.

    Raises:
        ConfigurationError: a node's configuration cannot be read.
    """
    found = {}
    for name, _, title in MEMBERS:
        config = load_config(home / name / "paradero.toml")
        ports = config.federation.port, config.private.port
        found[name] = DemoNode(NodeId(name), title.partition(" (")[0], home / name, *ports)
    return found


async def links_to(nodes: Mapping[str, DemoNode], home: Path) -> list[DemoLink]:
    """Make a link for each role; those made before open nothing any more."""
    return [await _link(entry, nodes[entry.node], home) for entry in ENTRIES]


async def link_for(nodes: Mapping[str, DemoNode], home: Path, node: str, login: str) -> DemoLink:
    """Make one person's link."""
    return await _link(next(entry for entry in ENTRIES if (entry.node, entry.login) == (node, login)), nodes[node], home)


async def _link(entry: Entry, node: DemoNode, home: Path) -> DemoLink:
    config = await asyncio.to_thread(load_config, node.config)
    made = await make_demo_link(config, entry.login, clock=DemoClock(home))
    return DemoLink(entry, node.local_host, made.code, made.expires_at)


async def ways_in(stage: Stage) -> None:
    """Every link opens its own person's page, once."""
    with stage.narrator.step("links", "Un enlace por persona deja entrar a las páginas, una sola vez") as telling:
        links = await links_to(stage.federation.nodes, stage.federation.home)
        opened = [await _opens_once(link, stage.session) for link in links]
        telling.expect(all(opened), f"{len(links)} enlaces: mirar no gasta, entrar sí, y no sirven otra vez", links=len(links))
        total = stage.federation.memory_mb()
        telling.say(f"Con las páginas de cinco nodos cargadas: {total} MB de memoria en total.", memory_mb_with_pages=total)


async def _opens_once(link: DemoLink, session: aiohttp.ClientSession) -> bool:
    visit, later = Visit(session, link.host), Visit(session, link.host)
    path = f"/enlace/{link.code}"
    looked = [await later.open(path), await visit.open(path)]
    entered, inside = await visit.send(""), visit.path != path
    again = await later.send("")
    return (looked, entered, inside, again) == ([200, 200], 200, True, 401)
