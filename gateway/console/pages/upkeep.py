"""How the node stands, for those who look after it: diagnosis, its keys, backups, what is to be erased, what waits to leave.

Metadata alone. Nothing here opens a message or a record; who administers a node does not read cases.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from contracts.ids import MessageId
from contracts.policy.words import say, word
from contracts.said import Said
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.machine_room import Check
from gateway.console.marking import N_
from gateway.console.network import since_in_words
from gateway.console.operations import Operations
from gateway.console.pages.audit_words import code_in_words
from gateway.console.pages.looks import Looks
from gateway.console.words import Words
from gateway.exchange.erasing import CLOCK, PAUSE, VOLUME, erase_turn, go_on, plan
from gateway.exchange.states import OutboxState
from gateway.exchange.work import NoSuchWorkError
from gateway.people.roles import Permission

_FRESH = timedelta(seconds=15)
_SOON = timedelta(days=30)
SEVERITIES: Mapping[str, tuple[str, str]] = {
    "refuse": ("✗", N_("Falla: arréglelo ya")),
    "warn": ("!", N_("Atención")),
    "ok": ("✓", N_("Bien")),
}
"""Worst first: sign and word. The colour says nothing that these do not."""
_STOPS = {
    CLOCK: N_("el reloj de este equipo saltó"),
    PAUSE: N_("pasó demasiado tiempo desde su última vuelta"),
    VOLUME: N_("se borraría mucho más de lo usual"),
}
_KINDS = {"thread": N_("hilo"), "record": N_("registro"), "message": N_("mensaje")}
_STATES = {
    OutboxState.WAITING.value: N_("en espera de entregarse"),
    OutboxState.DEAD.value: N_("vencieron sin recibo: no se sabe si llegaron"),
    OutboxState.REJECTED.value: N_("rechazados por quien los recibe"),
}
DONE = {
    "reintentado": N_("Se intenta ahora."),
    "sigue": N_("El borrado sigue."),
}
_SECTIONS = (
    (
        "/administracion/estado",
        N_("Estado y diagnóstico"),
        N_("Qué está bien, qué no, y qué hacer."),
        Permission.DIAGNOSIS_READ,
    ),
    (
        "/administracion/personas",
        N_("Personas"),
        N_("Quién trabaja aquí, invitar, puestos, cerrar cuentas."),
        Permission.PEOPLE_READ,
    ),
    ("/administracion/oficinas", N_("Oficinas"), N_("Horas, zonas y feriados."), Permission.OFFICES_READ),
    ("/administracion/salida", N_("Bandeja de salida"), N_("Lo que espera, lo que no llegó."), Permission.OUTBOX_READ),
    ("/administracion/llaves", N_("Llaves del nodo"), N_("Su edad, cuándo vencen, qué ejecutar."), Permission.DIAGNOSIS_READ),
    ("/administracion/respaldos", N_("Respaldos"), N_("El último bueno y el último comprobado."), Permission.DIAGNOSIS_READ),
    ("/administracion/retencion", N_("Retención y borrado"), N_("Qué se borra, cuándo, y por qué."), Permission.ERASURE_READ),
    ("/avisos", N_("Avisos"), N_("A qué programas se avisa, sin datos de nadie."), Permission.NOTICES_READ),
    ("/adaptadores", N_("Fuentes y adaptadores"), N_("De dónde se lee; probar sin enviar."), Permission.SOURCES_READ),
    ("/red", N_("Red"), N_("Enlaces con otras instituciones; probarlos y pausarlos."), Permission.FEDERATION_READ),
)


class UpkeepPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._looking = asyncio.Lock()
        self._seen: tuple[datetime, Sequence[Check]] | None = None

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        diagnosis = Permission.DIAGNOSIS_READ
        return (
            Route("GET", "/administracion", self._home, Permission.ERASURE_READ, Face.PAGE),
            Route("GET", "/administracion/estado", self._state, diagnosis, Face.PAGE),
            Route("GET", "/administracion/estado/informe", self._report, diagnosis, Face.PAGE),
            Route("GET", "/administracion/llaves", self._keys, diagnosis, Face.PAGE),
            Route("GET", "/administracion/respaldos", self._backups, diagnosis, Face.PAGE),
            Route("GET", "/administracion/retencion", self._retention, Permission.ERASURE_READ, Face.PAGE),
            Route("POST", "/administracion/retencion/seguir", self._go_on, Permission.ERASURE_RUN, Face.PAGE),
            Route("GET", "/administracion/salida", self._outbox, Permission.OUTBOX_READ, Face.PAGE),
            Route("POST", "/administracion/salida/{message_id}/reintentar", self._retry, Permission.OUTBOX_OPERATE, Face.PAGE),
        )

    async def _home(self, request: web.Request) -> web.Response:
        told, principal = self._looks.words(request), request[PRINCIPAL]
        sections = [
            (address, told.gettext(label), told.gettext(hint))
            for address, label, hint, needs in _SECTIONS
            if principal.may(needs)
        ]
        return await self._looks.page(request, "administracion.html", sections=sections, release=self._operations.room.release)

    # -- diagnosis -----------------------------------------------------------------------------------------------------

    async def _checks(self) -> tuple[datetime, Sequence[Check]]:
        """Return what was found and when; looked at once in a quarter of a minute, whoever asks how often."""
        async with self._looking:
            now = self._node.clock.now()
            if self._seen is None or not timedelta() <= now - self._seen[0] < _FRESH:
                self._seen = (now, await self._operations.room.diagnose())
            return self._seen

    async def _state(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        at, checks = await self._checks()
        health = self._operations.health()
        groups = [
            (mark, told.gettext(label), severity, [_told(item, told) for item in checks if item.severity == severity])
            for severity, (mark, label) in SEVERITIES.items()
        ]
        return await self._looks.page(
            request,
            "admin_estado.html",
            at=at,
            groups=[group for group in groups if group[3]],
            headline=_headline(checks, told),
            stopped=sorted(name for name, fine in health.components.items() if not fine),
            counts=await self._operations.models.counts(),
        )

    async def _report(self, _request: web.Request) -> web.Response:
        """Return what helpers need to know of the node, as a text: no secret, no address, no name of a person, no case."""
        at, checks = await self._checks()
        trust, models = self._node.trust(), self._operations.models
        lines = [
            f"Paradero {self._operations.room.release}",
            f"nodo {self._node.us} · {self._node.mode}{' · demo' if trust.federation.demo else ''}",
            f"{at.isoformat(timespec='seconds')}",
            f"registro {trust.version} · {trust.freshness(at).value} · política {trust.policy.version}",
            "",
            *(f"{SEVERITIES[item.severity][0]} {item.what}{f' → {item.advice}' if item.advice else ''}" for item in checks),
            "",
            *(
                f"componente {name}: {'bien' if fine else 'FALLA'}"
                for name, fine in self._operations.health().components.items()
            ),
            *(
                f"{queue} {name}: {number}"
                for queue, states in (await models.counts()).items()
                for name, number in states.items()
            ),
            "",
            *(_lane_line(lane) for lane in await models.lanes()),
            "",
        ]
        answer = web.Response(text="\n".join(lines), content_type="text/plain", charset="utf-8")
        answer.headers["Content-Disposition"] = 'attachment; filename="paradero-diagnostico.txt"'
        return answer

    # -- keys and backups ----------------------------------------------------------------------------------------------

    async def _keys(self, request: web.Request) -> web.Response:
        now, trust = self._node.clock.now(), self._node.trust()
        keyset = trust.keysets.get(self._node.us)
        keys = None
        if keyset is not None:
            left = keyset.expires_at - now
            keys = {
                "seq": keyset.seq,
                "issued": keyset.issued_at,
                "until": keyset.expires_at,
                "ids": [*(str(key.kid) for key in keyset.sig), *(str(key.kid) for key in keyset.enc)],
                "identity": str(trust.member(self._node.us).id_key.kid),
                "state": "late" if left <= timedelta() else "soon" if left < _SOON else "",
            }
        return await self._looks.page(request, "admin_llaves.html", keys=keys, now=now)

    async def _backups(self, request: web.Request) -> web.Response:
        found, now = await self._operations.room.backups(), self._node.clock.now()
        told = self._looks.words(request)
        checked = [item.opened for item in found if item.opened is not None]
        whole = [at for item in found for at in (item.whole, item.opened) if at is not None]
        taken = await self._operations.models.last_backup()
        return await self._looks.page(
            request,
            "admin_respaldos.html",
            rows=found[:50],
            last=since_in_words(taken, now, told),
            late=taken is None or now - taken > timedelta(hours=36),
            opened=since_in_words(max(checked, default=None), now, told),
            whole=since_in_words(max(whole, default=None), now, told),
            restore=await self._operations.models.restore(),
        )

    # -- what is to go -------------------------------------------------------------------------------------------------

    async def _retention(self, request: web.Request) -> web.Response:
        told, now, policy = self._looks.words(request), self._node.clock.now(), self._node.trust().policy
        found = await plan(replace(self._node, begin=self._operations.look))
        stopped = found.watch.stopped or found.stops
        terms = [(say(flow, told.lang) or flow.id, policy.retain_days(flow.id)) for flow in policy.flows]
        return await self._looks.page(
            request,
            "admin_retencion.html",
            waiting=[
                {
                    "item": item.item,
                    "kind": told.gettext(_KINDS[item.kind.value]),
                    "by": told.gettext(N_("venció su tiempo"))
                    if item.ordered_by == self._node.us
                    else self._looks.name(item.ordered_by),
                    "goes": item.shred_at,
                    "due": item.shred_at <= now,
                }
                for item in found.waiting
            ],
            outlived=[str(thread) for thread in found.outlived],
            kept=[
                {"thread": str(item.thread_id), "basis": self._basis(str(item.basis), told), "since": item.set_at}
                for item in found.kept
            ],
            out=[(self._looks.name(peer), out.copies, out.attachments) for peer, out in sorted(found.out.items())],
            stopped=told.gettext(_STOPS[stopped]) if stopped in _STOPS else stopped,
            last_run=since_in_words(found.watch.last_run, now, told),
            terms=terms,
            may_run=request[PRINCIPAL].may(Permission.ERASURE_RUN),
            done=_done(request, told),
        )

    def _basis(self, code: str, told: Words) -> str:
        return say(next((item for item in self._node.trust().policy.bases if item.id == code), None), told.lang) or code

    async def _go_on(self, request: web.Request) -> web.Response:
        await go_on(self._node, actor=request[PRINCIPAL].actor)
        await erase_turn(self._node, self._operations.scrub)
        return web.Response(status=303, headers={"Location": "/administracion/retencion?hecho=sigue"})

    # -- what waits to leave -------------------------------------------------------------------------------------------

    async def _outbox(self, request: web.Request) -> web.Response:
        told, now = self._looks.words(request), self._node.clock.now()
        lists = []
        for state, title in _STATES.items():
            rows = await self._operations.models.outbox(state)
            lists.append((state, told.gettext(title), len(rows), [self._message(row, now, told) for row in rows[:100]]))
        return await self._looks.page(
            request,
            "admin_salida.html",
            lists=lists,
            may_operate=request[PRINCIPAL].may(Permission.OUTBOX_OPERATE),
            done=_done(request, told),
        )

    def _message(self, row: Mapping[str, Any], now: datetime, told: Words) -> dict[str, Any]:
        return {
            "id": row["message_id"],
            "short": row["message_id"][-12:],
            "peer": self._looks.name(row["peer"]),
            "address": f"/red/{row['peer']}",
            "kind": word("kind", row["kind"], told.lang),
            "created": since_in_words(datetime.fromisoformat(row["created"]), now, told),
            "expires": datetime.fromisoformat(row["expires"]),
            "attempts": row["attempts"],
            "reason": "" if row["reason"] is None else code_in_words(row["reason"], told),
        }

    async def _retry(self, request: web.Request) -> web.Response:
        try:
            message_id = MessageId(request.match_info["message_id"])
        except ValueError:
            raise NoSuchWorkError("no id") from None
        if not await self._operations.retry(message_id, actor=request[PRINCIPAL].actor):
            raise NoSuchWorkError("no such waiting message")
        return web.Response(status=303, headers={"Location": "/administracion/salida?hecho=reintentado"})


def _done(request: web.Request, told: Words) -> str:
    code = request.query.get("hecho")
    return told.gettext(DONE[code]) if code in DONE else ""


def _headline(checks: Sequence[Check], told: Words) -> str:
    wrong, odd = (sum(1 for item in checks if item.severity == severity) for severity in ("refuse", "warn"))
    if not wrong and not odd:
        return told.gettext("Todo lo que se miró está bien.")
    parts = (
        told.ngettext("%(number)s falla.", "%(number)s fallas.", wrong) % {"number": wrong} if wrong else "",
        told.ngettext("%(number)s cosa que atender.", "%(number)s cosas que atender.", odd) % {"number": odd} if odd else "",
    )
    return " ".join(part for part in parts if part)


def _lane_line(lane: Mapping[str, Any]) -> str:
    last = lane["last_success"] or "nunca"
    state = "en pausa" if lane["paused"] else "detenido" if lane["held"] else f"{lane['failures']} fallos seguidos"
    return f"enlace {lane['peer']}: {lane['waiting']} en espera · {state} · última entrega {last}"


def _told(item: Check, told: Words) -> dict[str, str]:
    """Return a check in the language of whoever reads; what has no other words than Spanish is marked as that."""
    spoken = {"what": told.say(item.what), "advice": told.say(item.advice)}
    marked = {f"{name}_lang": told.lang if isinstance(getattr(item, name), Said) else "es" for name in spoken}
    return spoken | marked
