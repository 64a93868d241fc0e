"""Routes of the private port for attachments: add one, list them, fetch one now, take one out of the node (SPEC 23)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from contracts.attachments import MAX_CONTENT, Grade
from contracts.errors import EnvelopeError, SchemaError, ThreadErasedError, TooLargeError
from contracts.ids import MessageId, ThreadId
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer, problem
from gateway.console.operations import Operations
from gateway.exchange import attachments, collecting
from gateway.exchange.asked import request_of
from gateway.exchange.attachment_ports import AttachmentEntry, AttachmentId
from gateway.exchange.attachments import AttachmentElsewhereError, Content, NoSuchAttachmentError
from gateway.people.roles import Permission
from gateway.web import Watch

_LIST = 500
Handler = Callable[[web.Request], Awaitable[web.Response]]


class AttachmentsApi:
    """The handlers."""

    def __init__(self, operations: Operations, watch: Watch) -> None:
        self._operations = operations
        self._node = operations.node
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs. Content leaves the node only where evidence may."""
        read, write, export = Permission.REQUESTS_READ, Permission.REQUESTS_ANSWER, Permission.EVIDENCE_EXPORT
        base, one = "/api/v1/attachments", "/api/v1/attachments/{attachment_id}"
        return (
            Route("GET", base, self._list, read),
            Route("POST", base, _told(self._add), write),
            Route("GET", one, _told(self._show), read),
            Route("POST", f"{one}/fetch", _told(self._fetch), write),
            Route("POST", f"{one}/drop", _told(self._drop), write),
            Route("GET", f"{one}/content", _told(self._content), export),
        )

    async def _list(self, _request: web.Request) -> web.Response:
        async with self._operations.look() as work:
            entries = await work.attachments.listed(limit=_LIST)
        return json_answer({"attachments": [_shown(entry) for entry in entries]})

    async def _add(self, request: web.Request) -> web.Response:
        grade, thread = _grade(request), await self._thread(request)
        data = await self._upload(request)
        kind, cleaned = await asyncio.to_thread(self._operations.clean, data)
        content = Content(kind, grade, cleaned)
        entry = await attachments.add(content, self._node, thread_id=thread, actor=request[PRINCIPAL].actor)
        return json_answer(_shown(entry) | {"bytes": len(cleaned)})

    async def _thread(self, request: web.Request) -> ThreadId | None:
        try:
            if asked := request.query.get("request"):
                return (await request_of(MessageId(asked), self._node)).message.thread_id
            given = request.query.get("thread")
            return ThreadId(given) if given else None
        except ValueError:
            raise SchemaError("request y thread son identificadores enteros") from None

    async def _upload(self, request: web.Request) -> bytes:
        body = bytearray()
        async for chunk in request.content.iter_chunked(256 * 1024):
            body += chunk
            if len(body) > MAX_CONTENT:
                error = TooLargeError("Pasa de 25 MiB.")
                error.advice = "Reduzca la fotografía, o divida el documento (make it smaller)."
                raise error
        self._watch.body_read(request)
        return bytes(body)

    async def _show(self, request: web.Request) -> web.Response:
        attachment_id = _id(request)
        async with self._operations.look() as work:
            entry = (await work.attachments.find([attachment_id])).get(attachment_id)
        if entry is None:
            raise NoSuchAttachmentError("none")
        return json_answer(_shown(entry))

    async def _fetch(self, request: web.Request) -> web.Response:
        return json_answer(_shown(await collecting.fetch_now(_id(request), self._node)))

    async def _drop(self, request: web.Request) -> web.Response:
        await attachments.drop(_id(request), self._node, actor=request[PRINCIPAL].actor)
        return json_answer({"state": "dropped"})

    async def _content(self, request: web.Request) -> web.Response:
        content = await attachments.content_of(_id(request), self._node, actor=request[PRINCIPAL].actor)
        headers = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox"}
        return web.Response(body=content.data, content_type=content.media_type, headers=headers)


def _shown(entry: AttachmentEntry) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "direction": "sent" if entry.outgoing else "received",
        "thread_id": str(entry.thread_id),
        "peer": None if entry.peer is None else str(entry.peer),
        "message_id": None if entry.message_id is None else str(entry.message_id),
        "media_type": entry.media_type,
        "grade": entry.grade,
        "size": entry.size,
        "have": entry.have,
        "state": entry.state.value,
        "reason": entry.reason,
        "made": entry.made_at.isoformat(timespec="seconds"),
        "next_try": None if entry.due_at is None else entry.due_at.isoformat(timespec="seconds"),
    }


def _grade(request: web.Request) -> Grade:
    try:
        return Grade(request.query.get("grade", ""))
    except ValueError:
        raise SchemaError("grade es object (una cosa), mark (una seña) o face (un rostro, o un documento)") from None


def _id(request: web.Request) -> AttachmentId:
    try:
        return AttachmentId(request.match_info["attachment_id"])
    except ValueError:
        raise NoSuchAttachmentError("no id") from None


def _told(handler: Handler) -> Handler:
    """Return the handler with its refusals in the words people read."""

    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ThreadErasedError:
            raise
        except AttachmentElsewhereError as error:
            return problem(409, "conflict", "Ese adjunto es de otra conversación.", error.advice)
        except NoSuchAttachmentError as error:
            return problem(404, "not-found", "No hay aquí un adjunto así, entero y sin borrar.", error.advice)
        except EnvelopeError:
            advice = "Pida a quien lo envió que lo mande otra vez; avise a quien administra el nodo."
            return problem(409, "damaged", "Lo guardado no es lo que se selló: no se muestra nada.", advice)

    return told
