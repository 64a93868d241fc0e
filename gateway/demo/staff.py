"""The demo's people: an administrator and an officer at each node the story works at, who sign in as people do."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import aiohttp

from gateway.config import load_config
from gateway.demo.processes import DemoNode
from gateway.main.first_person import make_first_administrator
from keys.keystore import write_durably

ADMINISTRATOR, OFFICER, SECOND = "administra", "oficial", "segunda"
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

SECONDS = frozenset({"gt.minex"})
"""Nodes where a second officer works: what is about the dead leaves with two persons' word."""


def password_file(node: DemoNode, login: str) -> Path:
    """Return where the demo keeps a made-up person's password (0600), for who tries the node by hand."""
    return node.folder / f"{login}.clave"


async def appoint(node: DemoNode) -> None:
    """Make the node's first administrator, on its files, before it starts."""
    if str(node.node) in OFFICES:
        password = await _new_password(node, ADMINISTRATOR)
        await make_first_administrator(load_config(node.config), ADMINISTRATOR, "Ficticia Administra", password)


async def hire(node: DemoNode, session: aiohttp.ClientSession) -> None:
    """As the administrator, open the office and invite an officer; as the officer, accept and stay signed in."""
    if str(node.node) not in OFFICES:
        return
    code, name_es, name_en, zone, calendar = OFFICES[str(node.node)]
    password = await asyncio.to_thread(password_file(node, ADMINISTRATOR).read_text, "utf-8")
    entry = {"login": ADMINISTRATOR, "password": password.strip()}
    node.token = str((await node.send(session, "/api/v1/session", entry))["token"])
    office = {"code": code, "name_es": name_es, "name_en": name_en, "zone": zone, "calendar": calendar}
    await node.send(session, "/api/v1/offices", office)
    invitation = await _invite(node, session, OFFICER, "Ficticio Oficial", code)
    second = await _invite(node, session, SECOND, "Ficticia Segunda", code) if str(node.node) in SECONDS else None
    # The administrator's session is presented and ends: nobody is left signed in who reads no cases.
    node.token = await _accept(node, session, OFFICER, invitation)
    if second is not None:
        node.second = replace(node, token=None)
        node.second.token = await _accept(node.second, session, SECOND, second)


async def _invite(node: DemoNode, session: aiohttp.ClientSession, login: str, name: str, office: str) -> str:
    person = {"login": login, "name": name, "posts": [f"officer@{office}"]}
    return str((await node.send(session, "/api/v1/people", person))["invitation"])


async def _accept(node: DemoNode, session: aiohttp.ClientSession, login: str, invitation: str) -> str:
    accepted = {"login": login, "invitation": invitation, "password": await _new_password(node, login)}
    return str((await node.send(session, "/api/v1/session/invitation", accepted))["token"])


async def _new_password(node: DemoNode, login: str) -> str:
    password = secrets.token_urlsafe(18)
    await asyncio.to_thread(write_durably, password_file(node, login), f"{password}\n".encode())
    return password
