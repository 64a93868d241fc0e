"""What became of reports a desk took: a list without content, a receipt to print; for who may read cases, what was said."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from contracts.codec import decode_message
from contracts.fields import plain
from contracts.ids import MessageId, ThreadId
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_at, open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.duties import notice_in_words
from gateway.console.pages.intake_reading import in_words
from gateway.console.pages.looks import Looks
from gateway.console.pages.questions import Pair
from gateway.console.whose import zone_of
from gateway.console.words import Words
from gateway.exchange.duties import told_of
from gateway.exchange.folios import folio
from gateway.exchange.taking import taken_records
from gateway.exchange.work import NoSuchWorkError
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.seeing import Seen

ROWS = 25
HERE, WAITS, HANDED, ACKNOWLEDGED, FAILED, ERASED = "here", "waits", "handed", "acknowledged", "failed", "erased"
STATES: Mapping[str, str] = {
    HERE: N_("recibido por el MBMID"),
    WAITS: N_("recibido; en espera de salir hacia el MBMID"),
    HANDED: N_("transferido; falta el acuse del MBMID"),
    ACKNOWLEDGED: N_("acuse del MBMID"),
    FAILED: N_("no se pudo entregar: avise a la jefatura"),
    ERASED: N_("borrado"),
}
TWICE = frozenset({"consent_details"})
"""Says again what `consents` says."""
DONE = {"descartado": N_("Se descartó. No se envió nada.")}


class ReportPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        send = Permission.REPORTS_SEND
        return (
            Route("GET", "/reportes", self._list, send, Face.PAGE),
            Route("GET", "/recibo/{thread}", self._receipt, send, Face.PAGE),
            Route("GET", "/recibo/{thread}/contenido", self._content, Permission.CASES_READ, Face.PAGE),
        )

    async def _list(self, request: web.Request) -> web.Response:
        told, offices = self._looks.words(request), await open_offices(self._desk)
        eyes = eyes_at(request, Permission.REPORTS_SEND, offices)
        found = await self._operations.work.reports(eyes)
        last = max(1, -(-len(found) // ROWS))
        page = min(_number(request.query.get("pagina", "1")), last)
        names = {office.code: office.name(told.lang) for office in offices}
        rows = [
            _told(item, told) | {"office": names.get(item["office"], item["office"]), "zone": zone_of(item["office"], offices)}
            for item in found[(page - 1) * ROWS : page * ROWS]
        ]
        done = DONE.get(request.query.get("hecho", ""), "")
        return await self._looks.page(
            request, "reportes.html", rows=rows, page=page, last=last, done=told.gettext(done) if done else ""
        )

    async def _receipt(self, request: web.Request) -> web.Response:
        told, offices = self._looks.words(request), await open_offices(self._desk)
        item = await self._seen(request, eyes_at(request, Permission.REPORTS_SEND, offices))
        found = _told(item, told)
        office = next((office for office in offices if office.code == item["office"]), None)
        name = item["office"] if office is None else office.name(told.lang)
        return await self._looks.page(
            request,
            "recibo.html",
            **found,
            step=_state(item),
            qr=_qr(found["folio"]),
            office=name,
            office_zone=zone_of(item["office"], offices),
            institution=self._looks.name(self._node.us),
            notices=await self._notices(item, told),
            reads=request[PRINCIPAL].may(Permission.CASES_READ),
            thread=item["thread"],
        )

    async def _seen(self, request: web.Request, eyes: Seen) -> dict[str, Any]:
        try:
            thread = ThreadId(request.match_info["thread"])
        except ValueError:
            raise NoSuchWorkError("no id") from None
        found = await self._operations.work.reports(eyes, thread=thread)
        if not found:
            raise NoSuchWorkError("no such report of theirs")
        return found[0]

    async def _notices(self, item: Mapping[str, Any], told: Words) -> list[str]:
        """Return who was told by duty, and how far that got; nothing of whom it is about."""
        async with self._operations.look() as work:
            case_ref = item["thread"] if item["here"] else await work.exchanges.case_of(ThreadId(item["thread"]))
            entries = [] if case_ref is None else await told_of(case_ref, work, self._node)
        return [await notice_in_words(entry, self._operations, self._looks, told) for entry in entries]

    # -- what was said -------------------------------------------------------------------------------------------------

    async def _content(self, request: web.Request) -> web.Response:
        told, offices = self._looks.words(request), await open_offices(self._desk)
        item = await self._seen(request, eyes_at(request, Permission.CASES_READ, offices))
        await self._desk.record(
            f"report.open {item['thread']}", actor=request[PRINCIPAL].actor
        )  # first: nobody reads it unseen
        known = {record: self._node.trust().policy.fields_of(record) for record in ("missing-person", "reporter")}
        parts = []
        for record, values in await self._records(item):
            fields = known.get(record, {})
            pairs = [
                Pair(fields[name].label(told.lang), in_words(fields[name], plain(value), told))
                for name, value in values.items()
                if name in fields and name not in TWICE
            ]
            parts.append((record, pairs))
        return await self._looks.page(
            request, "reporte_contenido.html", **_told(item, told), parts=parts, thread=item["thread"]
        )

    async def _records(self, item: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        taken = await taken_records(ThreadId(item["thread"]), self._node)
        if taken is not None:
            return [(str(record.type), record.values) for record in taken]
        sent = await self._operations.models.sent(MessageId(item["id"]))
        if sent is None or not sent.body:
            return []
        kept = await self._node.bodies.open(ThreadId(sent.thread_id), MessageId(sent.message_id), sent.body)
        message = decode_message(kept.payload)
        opened = [self._node.opener.verify_issued(record.sd_jwt, to=message.recipient) for record in message.records]
        return [(record.record_type, record.claims) for record in opened]


def _told(item: Mapping[str, Any], told: Words) -> dict[str, Any]:
    own = folio("report", item["id"])
    return {
        "folio": item["folio"] or own,
        "own": own,
        "official": item["folio"] is not None,
        "taken": datetime.fromisoformat(item["taken"]),
        "state": told.gettext(STATES[_state(item)]),
        "address": f"/recibo/{item['thread']}",
    }


def _state(item: Mapping[str, Any]) -> str:
    if item["state"] == ERASED:
        return ERASED
    if item["here"]:
        return HERE
    if item["folio"] is not None:
        return ACKNOWLEDGED
    return {"delivered": HANDED, "waiting": WAITS}.get(item["delivery"], FAILED)


def _qr(text: str) -> str:
    """Return a square code of a folio, and of nothing else, as a picture in the page."""
    import segno  # noqa: PLC0415 - a node whose desk prints nothing need not load it

    made: str = segno.make(text, error="m", micro=False).svg_inline(scale=4, border=4, svgclass=None, lineclass=None)
    return made


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) <= 4 and int(text) else 1
