"""Attachments: added to a question or a referral, listed with how far they are, and looked at only when somebody asks to."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from contracts.attachments import MAX_CONTENT, Grade
from contracts.errors import SchemaError
from contracts.ids import MessageId, ThreadId
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_of
from gateway.console.marking import N_
from gateway.console.pages.attachable import GRADES, KINDS, MOST, seen
from gateway.console.pages.case_room import CaseRoom
from gateway.console.pages.uploads import TooBigError, read_upload
from gateway.console.words import Words
from gateway.exchange import attachments, collecting
from gateway.exchange.asked import NoSuchRequestError
from gateway.exchange.attachment_ports import AttachmentEntry, AttachmentId, AttachmentState
from gateway.exchange.attachments import SEEN, AttachmentsFullError, Content, NoSuchAttachmentError
from gateway.people.roles import Permission
from gateway.web import Watch

ADDING = "/adjuntos/nuevo"
"""Where a form carries a file."""
_LIST, _ONE = "/adjuntos", "/adjuntos/{attachment_id}"
_STATES = {
    AttachmentState.READY: N_("listo; ningún mensaje lo nombra todavía"),
    AttachmentState.SENT: N_("enviado; quien lo recibió puede traerlo"),
    AttachmentState.HERE: N_("llegó entero"),
    AttachmentState.MISSING: N_("no se pudo traer: pídalo otra vez"),
    AttachmentState.BROKEN: N_("llegó dañado: avise a la administración"),
    AttachmentState.ERASING: N_("borrándose"),
    AttachmentState.ERASED: N_("borrado"),
}
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}
_READABLE = frozenset({AttachmentState.READY, AttachmentState.SENT, AttachmentState.HERE})
DONE = {
    "agregado": N_("Quedó guardado, sin lugar, fecha ni nombres. Elíjalo en lo que envíe, donde dice «Adjuntos»."),
    "descartado": N_("Se descartó."),
    "traer": N_("Se intentó traer ahora; abajo dice cuánto va."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One attachment as people read it."""

    address: str
    id: str
    kind: str
    grade: str
    peer: str
    ours: bool
    state: str
    picture: bool
    delicate: bool
    readable: bool
    wanted: bool
    unused: bool


class AttachedPages:
    """The handlers."""

    def __init__(self, room: CaseRoom, watch: Watch) -> None:
        self._room = room
        self._watch = watch
        self._node = room.node
        self._looks = room.looks

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs. A copy leaves the node only where evidence may."""
        read, write, export = Permission.REQUESTS_READ, Permission.REQUESTS_ANSWER, Permission.EVIDENCE_EXPORT
        return (
            Route("GET", _LIST, self._list, read, Face.PAGE),
            Route("GET", ADDING, self._new, write, Face.PAGE),
            Route("POST", ADDING, self._add, write, Face.PAGE),
            Route("GET", _ONE, self._show, read, Face.PAGE),
            Route("GET", f"{_ONE}/imagen", self._picture, read, Face.PAGE),
            Route("GET", f"{_ONE}/copia", self._copy, export, Face.PAGE),
            Route("POST", f"{_ONE}/traer", self._fetch, write, Face.PAGE),
            Route("POST", f"{_ONE}/descartar", self._drop, write, Face.PAGE),
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        async with self._room.operations.look() as work:
            entries = await work.attachments.listed(limit=MOST)
        rows = [self._row(entry, told) for entry in await self._seen(request, entries)]
        done = told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else ""
        adds = request[PRINCIPAL].may(Permission.REQUESTS_ANSWER)
        return await self._looks.page(request, "adjuntos.html", rows=rows, done=done, adds=adds)

    async def _seen(self, request: web.Request, entries: Sequence[AttachmentEntry]) -> list[AttachmentEntry]:
        return await seen(request, entries, self._room.operations, self._room.desk)

    def _row(self, entry: AttachmentEntry, told: Words) -> Row:
        return Row(
            address=f"/adjuntos/{entry.id}",
            id=str(entry.id),
            kind=told.gettext(KINDS.get(entry.media_type, N_("documento"))),
            grade=told.gettext(GRADES[entry.grade][0]) if entry.grade in GRADES else entry.grade,
            peer="" if entry.peer is None else self._looks.name(entry.peer),
            ours=entry.outgoing,
            state=self._state(entry, told),
            picture=entry.media_type.startswith("image/"),
            delicate=entry.grade != Grade.OBJECT.value,
            readable=entry.state in _READABLE,
            wanted=entry.state in {AttachmentState.WANTED, AttachmentState.MISSING},
            unused=entry.state is AttachmentState.READY,
        )

    def _state(self, entry: AttachmentEntry, told: Words) -> str:
        if entry.state is AttachmentState.WANTED:
            sizes = {"have": _size(entry.have), "all": _size(entry.size)}
            return told.gettext("llegando: %(have)s de %(all)s") % sizes
        return f"{told.gettext(_STATES[entry.state])} · {_size(entry.size)}"

    async def _entry(self, request: web.Request) -> AttachmentEntry:
        """Return the attachment of an address.

        Raises:
            NoSuchAttachmentError: there is none, or it is another office's.
        """
        try:
            attachment_id = AttachmentId(request.match_info["attachment_id"])
        except ValueError:
            raise NoSuchAttachmentError("no id") from None
        async with self._room.operations.look() as work:
            entry = (await work.attachments.find([attachment_id])).get(attachment_id)
        if entry is None or not await self._seen(request, [entry]):
            raise NoSuchAttachmentError("none")
        return entry

    async def _show(self, request: web.Request) -> web.Response:
        entry, told = await self._entry(request), self._looks.words(request)
        row = self._row(entry, told)
        return await self._looks.page(
            request,
            "adjunto.html",
            row=row,
            made=entry.made_at,
            seeing=request.query.get("ver") == "si" and row.readable and row.picture,
            exports=request[PRINCIPAL].may(Permission.EVIDENCE_EXPORT),
            writes=request[PRINCIPAL].may(Permission.REQUESTS_ANSWER),
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
        )

    # -- content -------------------------------------------------------------------------------------------------------

    async def _picture(self, request: web.Request) -> web.Response:
        """Answer with the picture, drawn anew here whoever sent it; that somebody looked is in the log first."""
        entry = await self._entry(request)
        if not entry.media_type.startswith("image/"):
            raise NoSuchAttachmentError("no picture")
        content = await attachments.content_of(entry.id, self._node, actor=request[PRINCIPAL].actor, act=SEEN)
        kind, data = await asyncio.to_thread(self._room.operations.clean, content.data)
        return web.Response(body=data, content_type=kind, headers={"Content-Disposition": "inline"})

    async def _copy(self, request: web.Request) -> web.Response:
        entry = await self._entry(request)
        content = await attachments.content_of(entry.id, self._node, actor=request[PRINCIPAL].actor)
        name = f"adjunto-{str(entry.id)[-8:]}.{_ENDINGS.get(content.media_type, 'bin')}"  # of nobody's name
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=content.data, content_type=content.media_type, headers=headers)

    # -- added, fetched, dropped ---------------------------------------------------------------------------------------

    async def _new(self, request: web.Request) -> web.Response:
        return await self._new_page(request, request.query.get("para", ""), "", "")

    async def _new_page(self, request: web.Request, what_for: str, grade: str, error: str, status: int = 422) -> web.Response:
        told = self._looks.words(request)
        thread = await self._thread(request, what_for) if what_for else None
        return await self._looks.page(
            request,
            "adjunto_nuevo.html",
            status=status if error else 200,
            what_for=what_for if thread is not None else "",
            grades=[(code, told.gettext(label), told.gettext(more)) for code, (label, more) in GRADES.items()],
            grade=grade,
            error=error,
        )

    async def _thread(self, request: web.Request, what_for: str) -> ThreadId:
        """Return the thread of a question or a referral, for those who may see it.

        Raises:
            NoSuchRequestError: there is none, or it is another office's.
        """
        try:
            opening = MessageId(what_for)
        except ValueError:
            raise NoSuchRequestError("no id") from None
        eyes = await eyes_of(request, Permission.REQUESTS_ANSWER, self._room.desk)
        async with self._room.operations.look() as work:
            items = await work.work_items.find(opening)
        if len(items) != 1 or await self._room.operations.work.hidden(opening, eyes):
            raise NoSuchRequestError("nothing of that id")
        return items[0].thread_id

    async def _add(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        try:
            came = await read_upload(request, self._watch, limit=MAX_CONTENT)
        except TooBigError:
            why = told.gettext("No se guardó. Reduzca la fotografía, o divida el documento: caben 25 MiB.")
            return await self._new_page(request, "", "", why, 413)
        what_for, grade, data = came.fields.get("para", ""), came.fields.get("grado", ""), came.data
        thread = await self._thread(request, what_for) if what_for else None
        if grade not in GRADES or data is None:
            why = told.gettext("Elija un archivo, y diga qué se ve en él.")
            return await self._new_page(request, what_for, grade, why)
        try:
            kind, cleaned = await asyncio.to_thread(self._room.operations.clean, data)
        except SchemaError as error:
            more = f" {error} {error.advice}".rstrip() if told.lang == "es" else ""  # what the cleaner says is in Spanish
            why = told.gettext("No se guardó. Valen JPEG, PNG, WebP y PDF, sin clave, formularios ni notas.")
            return await self._new_page(request, what_for, grade, why + more)
        try:
            content = Content(kind, Grade(grade), cleaned)
            entry = await attachments.add(content, self._node, thread_id=thread, actor=request[PRINCIPAL].actor)
        except AttachmentsFullError:
            why = told.gettext("No queda sitio para adjuntos en este nodo. Avise a la administración.")
            return await self._new_page(request, what_for, grade, why, 413)
        return web.Response(status=303, headers={"Location": f"/adjuntos/{entry.id}?hecho=agregado"})

    async def _fetch(self, request: web.Request) -> web.Response:
        entry = await self._entry(request)
        await collecting.fetch_now(entry.id, self._node)
        return web.Response(status=303, headers={"Location": f"/adjuntos/{entry.id}?hecho=traer"})

    async def _drop(self, request: web.Request) -> web.Response:
        entry = await self._entry(request)
        await attachments.drop(entry.id, self._node, actor=request[PRINCIPAL].actor)
        return web.Response(status=303, headers={"Location": "/adjuntos?hecho=descartado"})


def _size(number: int) -> str:
    """Return a size in the unit people know from their telephones."""
    return f"{max(1, round(number / 1024))} kB" if number < 1024 * 1024 else f"{number / 1024 / 1024:.1f} MB"
