"""The network: who there is, how both directions of each link stand, what went over them; trying a link, and pausing one.

Metadata alone. What is shown is what this node saw: what others send each other does not pass here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from contracts.ids import NodeId
from contracts.policy.words import word, words
from contracts.register import Role
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.network import (
    CLOCK,
    DAYS,
    Lane,
    Link,
    first_day,
    lane_in_words,
    lanes_by_peer,
    links_of,
    matrix_of,
    month_of,
    opening,
    sendable,
    since_in_words,
    standing_in_words,
)
from gateway.console.operations import Operations
from gateway.console.pages.link_map import SHAPES, link_map
from gateway.console.pages.looks import Looks
from gateway.console.pages.probes import Probes, probe_in_words
from gateway.console.words import Words
from gateway.exchange.work import NoSuchWorkError
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.link_models import Contact

_ONE = "/red/{peer}"
_KEYS_SOON = timedelta(days=30)
DONE = {
    "pausa": N_("Los envíos a esta institución están en pausa. Lo que haya para ella espera; no se pierde."),
    "sigue": N_("Los envíos a esta institución siguen."),
    "probada": N_("Se probó la conexión: abajo está paso por paso."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One institution as the list shows it."""

    address: str
    name: str
    node: NodeId
    role: str
    standing: str
    they_ask: str
    we_ask: str
    from_them: str
    to_them: str
    sending: str
    waiting: int
    protocol: str
    keys: str


class NetworkPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk, probes: Probes) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._probes = probes

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, operate = Permission.FEDERATION_READ, Permission.OUTBOX_OPERATE
        return (
            Route("GET", "/red", self._list, read, Face.PAGE),
            Route("GET", "/red/mapa", self._map, read, Face.PAGE),
            Route("GET", "/red/matriz", self._matrix, read, Face.PAGE),
            Route("GET", _ONE, self._show, read, Face.PAGE),
            Route("POST", f"{_ONE}/probar", self._try, Permission.LINKS_TEST, Face.PAGE),
            Route("POST", f"{_ONE}/pausar", self._pause, operate, Face.PAGE),
            Route("POST", f"{_ONE}/reanudar", self._resume, operate, Face.PAGE),
        )

    # -- the list ------------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        told, now, trust = self._looks.words(request), self._node.clock.now(), self._node.trust()
        links = await self._links(now)
        return await self._looks.page(
            request,
            "red.html",
            rows=[self._row(link, now, told) for link in links],
            federation=trust.federation.name,
            register=told.gettext("versión %(version)s, de hace %(span)s")
            % {"version": trust.version, "span": told.span(now - trust.published_at)},
            headline=_headline(links, told),
        )

    async def _links(self, now: datetime) -> list[Link]:
        trust, us = self._node.trust(), self._node.us
        lanes = lanes_by_peer(await self._operations.models.lanes())
        contacts = await self._operations.room.links.contacts([node for node in trust.members if node != us])
        return links_of(trust, us, lanes, contacts, now)

    def _row(self, link: Link, now: datetime, told: Words) -> Row:
        theirs, ours, policy = link.member.role, self._own_role(), self._node.trust().policy
        return Row(
            address=f"/red/{link.member.node}",
            name=link.member.name,
            node=link.member.node,
            role=word("role", theirs, told.lang),
            standing=standing_in_words(link.standing, told),
            they_ask=_kinds(opening(sendable(policy, theirs, ours)), told),
            we_ask=_kinds(opening(sendable(policy, ours, theirs)), told),
            from_them=since_in_words(link.contact.received, now, told),
            to_them=since_in_words(link.contact.delivered, now, told),
            sending=lane_in_words(link.lane, now, told),
            waiting=link.lane.waiting,
            protocol=link.protocol,
            keys=_keys_in_words(link.keys_until, now, told),
        )

    def _own_role(self) -> Role:
        return self._node.trust().member(self._node.us).role

    async def _map(self, request: web.Request) -> web.Response:
        told, own = self._looks.words(request), self._node.trust().member(self._node.us)
        links = await self._links(self._node.clock.now())
        return await self._looks.page(
            request,
            "red_mapa.html",
            map=link_map(links, own.country, told),
            own=own.name,
            headline=_headline(links, told),
            shapes=[(shape, told.gettext(said)) for shape, said in SHAPES.items()],
        )

    async def _matrix(self, request: web.Request) -> web.Response:
        told, now = self._looks.words(request), self._node.clock.now()
        peers = [node for node in self._node.trust().members if node != self._node.us]
        cells = matrix_of(await self._operations.room.links.carried(peers, first_day(now)), self._node.us)
        rows = [
            {
                "sender": self._looks.name(cell.sender),
                "recipient": self._looks.name(cell.recipient),
                "kinds": [(word("kind", kind, told.lang), number) for kind, number in cell.kinds],
                "total": cell.total,
                "last": since_in_words(cell.last, now, told),
            }
            for cell in cells
        ]
        return await self._looks.page(request, "red_matriz.html", rows=rows, days=DAYS)

    # -- one institution -----------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request, "", 200)

    async def _page(self, request: web.Request, error: str, status: int) -> web.Response:
        told, now, peer, trust = self._looks.words(request), self._node.clock.now(), self._peer(request), self._node.trust()
        member, keyset = trust.member(peer), trust.keysets.get(peer)
        lane = lanes_by_peer(await self._operations.models.lanes()).get(peer, Lane())
        contact = (await self._operations.room.links.contacts([peer]))[peer]
        numbers = await self._operations.room.links.days(peer, first_day(now), CLOCK)
        last = self._probes.last(peer)
        principal = request[PRINCIPAL]
        return await self._looks.page(
            request,
            "red_nodo.html",
            status=status,
            name=member.name,
            peer=peer,
            facts=self._facts(peer, lane, contact, now, told),
            keys=None
            if keyset is None
            else {
                "seq": keyset.seq,
                "issued": keyset.issued_at,
                "until": keyset.expires_at,
                "told": _keys_in_words(keyset.expires_at, now, told),
                "sign": [str(key.kid) for key in keyset.sig],
                "protocol": keyset.profile,
            },
            policy=self._policy(member.role, told),
            month=month_of(numbers, now),
            lane=lane,
            probe=None if last is None else probe_in_words(last, told),
            probed=None if last is None else last.at,
            may_test=principal.may(Permission.LINKS_TEST),
            may_operate=principal.may(Permission.OUTBOX_OPERATE),
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
            error=error,
        )

    def _facts(self, peer: NodeId, lane: Lane, contact: Contact, now: datetime, told: Words) -> list[dict[str, str]]:
        trust = self._node.trust()
        member = trust.member(peer)
        pairs = [
            (N_("Nodo"), str(peer)),
            (N_("Papel en la red"), word("role", member.role, told.lang)),
            (N_("País"), member.country),
            (N_("Estado en el registro"), standing_in_words(trust.standing(peer, now), told)),
            (N_("De ella a nosotros: último mensaje"), since_in_words(contact.received, now, told)),
            (N_("De nosotros a ella: última entrega"), since_in_words(contact.delivered, now, told)),
            (N_("Envíos"), lane_in_words(lane, now, told)),
            (N_("En espera de salir"), _waiting(lane, now, told)),
        ]
        return [{"label": told.gettext(label), "text": text} for label, text in pairs]

    def _policy(self, theirs: Role, told: Words) -> list[dict[str, Any]]:
        policy, ours = self._node.trust().policy, self._own_role()
        ways = ((N_("Puede enviarnos"), theirs, ours), (N_("Podemos enviarle"), ours, theirs))
        return [
            {
                "title": told.gettext(title),
                "kinds": [word("kind", kind, told.lang) for kind in sendable(policy, sender, recipient)],
            }
            for title, sender, recipient in ways
        ]

    # -- acts ----------------------------------------------------------------------------------------------------------

    async def _try(self, request: web.Request) -> web.Response:
        peer, told = self._peer(request), self._looks.words(request)
        seconds = await self._probes.run(peer, actor=request[PRINCIPAL].actor)
        if seconds:
            why = told.gettext("Se probó hace un momento. Espere %(number)s segundos y pruebe otra vez.") % {"number": seconds}
            answer = await self._page(request, why, 429)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        return _back(peer, "probada")

    async def _pause(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, "pausa", paused=True)

    async def _resume(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, "sigue", paused=False)

    async def _set_paused(self, request: web.Request, done: str, *, paused: bool) -> web.Response:
        peer = self._peer(request)
        lane = lanes_by_peer(await self._operations.models.lanes()).get(peer, Lane())
        if lane.paused is not paused:  # sent twice it is done, and logged, once
            await self._operations.pause(peer, paused=paused, actor=request[PRINCIPAL].actor)
        return _back(peer, done)

    def _peer(self, request: web.Request) -> NodeId:
        """Return the member in a route's path: never another name, so that nothing outside the register is looked at.

        Raises:
            NoSuchMemberError: it names none, or this node itself.
        """
        try:
            peer = NodeId(request.match_info["peer"])
        except ValueError:
            raise NoSuchMemberError("no node") from None
        if peer == self._node.us or peer not in self._node.trust().members:
            raise NoSuchMemberError("no member")
        return peer


class NoSuchMemberError(NoSuchWorkError):
    """The register has no other member of that name."""


def _back(peer: NodeId, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/red/{peer}?hecho={done}"})


def _kinds(kinds: Sequence[str], told: Words) -> str:
    return words("kind", kinds, told.lang) if kinds else told.gettext("nada, según la política")


def _keys_in_words(until: datetime | None, now: datetime, told: Words) -> str:
    if until is None:
        return told.gettext("no ha publicado llaves")
    if until <= now:
        return told.gettext("vencieron hace %(span)s") % {"span": told.span(now - until)}
    if until - now < _KEYS_SOON:
        return told.gettext("vencen pronto, en %(span)s") % {"span": told.span(until - now)}
    return told.gettext("vencen en %(span)s") % {"span": told.span(until - now)}


def _waiting(lane: Lane, now: datetime, told: Words) -> str:
    if not lane.waiting:
        return told.gettext("nada")
    number = told.ngettext("%(number)s mensaje", "%(number)s mensajes", lane.waiting) % {"number": lane.waiting}
    if lane.oldest is None:
        return number
    return told.gettext("%(number)s; el primero desde hace %(span)s") % {"number": number, "span": told.span(now - lane.oldest)}


def _headline(links: Sequence[Link], told: Words) -> str:
    cut = sum(1 for link in links if link.lane.failures and link.lane.waiting)
    paused = sum(1 for link in links if link.lane.paused)
    waiting = sum(link.lane.waiting for link in links)
    parts = [
        told.ngettext("%(number)s institución además de ésta.", "%(number)s instituciones además de ésta.", len(links))
        % {"number": len(links)},
        told.ngettext("%(number)s sin enlace.", "%(number)s sin enlace.", cut) % {"number": cut} if cut else "",
        told.ngettext("%(number)s en pausa.", "%(number)s en pausa.", paused) % {"number": paused} if paused else "",
        told.ngettext("%(number)s mensaje en espera.", "%(number)s mensajes en espera.", waiting) % {"number": waiting},
    ]
    return " ".join(part for part in parts if part)
