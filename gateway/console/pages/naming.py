"""Who the work of a list is about: said only to whom asked to see names in this very session, and noted before it is opened."""

import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from aiohttp import web

from contracts.codec import b64u_encode
from contracts.errors import ExchangeError
from contracts.ids import ActorPseudonym
from gateway.console.access import PRINCIPAL, SESSION_COOKIE
from gateway.console.operations import Operations
from gateway.console.pages.values import said
from gateway.console.words import Words
from gateway.exchange.candidates import values_of
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.held_models import HeldModels
from gateway.storage.seeing import Seen

NAMES_COOKIE = "__Host-paradero-nombres"
NAMES = ("given_names", "said_names", "possible_names", "surname_1", "surname_2")
_BESIDE = ("sex", "age_range", "birth_date", "residence", "found_place", "last_contact_place")
_ABOUT_PEOPLE = frozenset({"search", "disclosure", "identity", "report", "finding", "duty"})
"""Machines whose first message brings a record; an offer of a referral names nobody."""


def shows_names(request: web.Request) -> bool:
    """Return whether whoever asks chose, in this session, to see names; the choice of another session is worth nothing."""
    session, given = request.cookies.get(SESSION_COOKIE, ""), request.cookies.get(NAMES_COOKIE, "")
    may = request[PRINCIPAL].may(Permission.REQUESTS_READ)
    return bool(session) and may and hmac.compare_digest(given.encode(), _chosen(session).encode())


def choose_names(request: web.Request, answer: web.StreamResponse, *, shown: bool) -> None:
    """Keep the choice in the browser for as long as the session lasts."""
    how: dict[str, Any] = {"path": "/", "secure": True, "httponly": True, "samesite": "Strict"}
    value = _chosen(request.cookies.get(SESSION_COOKIE, "")) if shown else ""
    answer.set_cookie(NAMES_COOKIE, value, max_age=None if shown else 0, **how)


def _chosen(session: str) -> str:
    return b64u_encode(hmac.new(session.encode(), b"names", sha256).digest())


async def note_names(rows: Sequence[Mapping[str, Any]], desk: PeopleDesk, *, actor: ActorPseudonym) -> None:
    """Write into the log whose names somebody is about to read, an entry each, in one transaction."""
    leaves = [desk.leaf(f"inbox.name {item['id']}", now=desk.clock.now(), actor=actor) for item in rows if _named(item)]
    if leaves:
        async with desk.begin() as work:
            await work.audit.stage(leaves)
        desk.nudge_log()


async def people_in(rows: Sequence[Mapping[str, Any]], operations: Operations, told: Words, seen: Seen) -> dict[str, str]:
    """Return, by opening message, who it is about: name, then sex, age and place, as far as they were told."""
    wanted, found = [item["id"] for item in rows if _named(item)], {}
    for message in await HeldModels(operations.models.engine).of(wanted, seen):
        with suppress(ExchangeError):  # erased, or blocked meanwhile: it has no name any more
            values = {name: value for _, claims in await values_of(message, operations.node) for name, value in claims.items()}
            found[str(message.key.opening)] = _in_words(values, operations, told)
    return found


def _named(item: Mapping[str, Any]) -> bool:
    return item["machine"] in _ABOUT_PEOPLE


def _in_words(values: Mapping[str, Any], operations: Operations, told: Words) -> str:
    policy = operations.node.trust().policy
    kinds = {
        name: known.kind
        for record in ("custody", "unidentified-remains", "unidentified-person", "missing-person")
        for name, known in policy.fields_of(record).items()
    }
    name = " ".join(
        word
        for part in NAMES
        if part in values
        for word in (values[part] if isinstance(values[part], list) else [values[part]])
    )
    beside = [said(kinds.get(part, ""), values[part], told) for part in _BESIDE if part in values]
    return " · ".join([name or told.gettext("sin nombre"), *beside[:3]])
