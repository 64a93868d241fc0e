"""The demo's people: who works at each node of the story. They are invited, choose a password and sign in as people do."""

import asyncio
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from gateway.config import load_config
from gateway.demo.processes import DemoNode
from gateway.main.first_person import make_first_administrator
from gateway.people.roles import OFFICE_ROLES, ROLE_NAMES, Role
from keys.keystore import write_durably

ADMINISTRATOR, OFFICER, SECOND, PRIVACY, AUDITOR = "administra", "oficial", "segunda", "datos", "auditora"
CLERK, HEAD = "ventanilla", "responsable"
# Node: its office, as the mappings of the fixtures name it, and what it is called.
OFFICES = {
    "gt.igm.mbmid": ("sede", "Sede central (ficticia)", "Headquarters (made up)", "America/Guatemala", "GT"),
    "gt.conamigua": ("huehuetenango", "Huehuetenango (ficticia)", "Huehuetenango (made up)", "America/Guatemala", "GT"),
    "gt.minex": (
        "consulado-houston",
        "Consulado en Houston (ficticio)",
        "Houston consulate (made up)",
        "America/Chicago",
        "US",
    ),
    "gt.pgn": ("alba-keneth", "Alba-Keneth (ficticia)", "Alba-Keneth (made up)", "America/Guatemala", "GT"),
}
# What is about the dead, or about a child, leaves with two persons' word; who protects data works on no case.
_POSTS = {
    OFFICER: ("Ficticio Oficial", Role.OFFICER),
    SECOND: ("Ficticia Segunda", Role.OFFICER),
    CLERK: ("Ficticia Ventanilla", Role.DESK_CLERK),
    HEAD: ("Ficticio Responsable", Role.OFFICE_HEAD),
    PRIVACY: ("Ficticia Datos", Role.DATA_PROTECTION),
    AUDITOR: ("Ficticia Auditora", Role.AUDITOR),
}
STAFF = {
    "gt.igm.mbmid": (OFFICER, SECOND, PRIVACY),
    "gt.conamigua": (OFFICER, CLERK),
    "gt.minex": (OFFICER, SECOND, HEAD, PRIVACY),
    "gt.pgn": (OFFICER,),
    "gt.pdh": (AUDITOR,),
}
"""Who works at each node, beside its administrator."""


@dataclass(frozen=True, slots=True)
class Person:
    """One made-up person of the demo, for who lists them."""

    login: str
    role_es: str


def people_of(node: DemoNode) -> tuple[Person, ...]:
    """Return who can sign in at a node; nobody works where the story does not pass."""
    if str(node.node) not in STAFF:
        return ()
    roles = ((ADMINISTRATOR, Role.NODE_ADMIN), *((login, _POSTS[login][1]) for login in STAFF[str(node.node)]))
    return tuple(Person(login, ROLE_NAMES[role][0].lower()) for login, role in roles)


def password_file(node: DemoNode, login: str) -> Path:
    """Return where the demo keeps a made-up person's password (0600), for who tries the node by hand."""
    return node.folder / f"{login}.clave"


async def appoint(node: DemoNode) -> None:
    """Make the node's first administrator, on its files, before it starts."""
    if str(node.node) in STAFF:
        password = await _new_password(node, ADMINISTRATOR)
        await make_first_administrator(load_config(node.config), ADMINISTRATOR, "Ficticia Administra", password)


async def hire(node: DemoNode, session: aiohttp.ClientSession) -> None:
    """As the administrator, open the office and invite who works there; they accept and stay signed in."""
    if str(node.node) not in STAFF:
        return
    await sign_in(node, session, ADMINISTRATOR)
    office = OFFICES.get(str(node.node))
    if office is not None:
        names = ("code", "name_es", "name_en", "zone", "calendar")
        await node.send(session, "/api/v1/offices", dict(zip(names, office, strict=True)))
    logins = STAFF[str(node.node)]
    invited = {login: await _invite(node, session, login, office[0] if office else "") for login in logins}
    await node.delete(session, "/api/v1/session")  # nobody is left signed in who reads no cases
    await asyncio.gather(*(_accept(node, session, login, code) for login, code in invited.items()))
    node.token = node.people[OFFICER].token if OFFICER in logins else None


async def sign_in(node: DemoNode, session: aiohttp.ClientSession, login: str) -> None:
    """Let one of the node's people in again: sessions end with time, and the story lets some pass."""
    password = await asyncio.to_thread(password_file(node, login).read_text, "utf-8")
    person = node.people.get(login, node)  # what somebody holds ends when they come in again: it must be their own
    entered = await person.send(session, "/api/v1/session", {"login": login, "password": password.strip()})
    person.token = str(entered["token"])
    if login == OFFICER:
        node.token = person.token


async def _invite(node: DemoNode, session: aiohttp.ClientSession, login: str, office: str) -> str:
    name, role = _POSTS[login]
    post = f"{role.value}@{office}" if role in OFFICE_ROLES else role.value
    person = {"login": login, "name": name, "posts": [post]}
    return str((await node.send(session, "/api/v1/people", person))["invitation"])


async def _accept(node: DemoNode, session: aiohttp.ClientSession, login: str, invitation: str) -> None:
    person = replace(node, token=None, people={})
    node.people[login] = person
    accepted = {"login": login, "invitation": invitation, "password": await _new_password(node, login)}
    person.token = str((await person.send(session, "/api/v1/session/invitation", accepted))["token"])


async def _new_password(node: DemoNode, login: str) -> str:
    password = secrets.token_urlsafe(18)
    await asyncio.to_thread(write_durably, password_file(node, login), f"{password}\n".encode())
    return password
