"""Attachments that somebody may see, and those a message may carry: of its conversation, or, where it opens one, their own."""

from collections.abc import Sequence

from aiohttp import web

from contracts.attachments import Grade
from contracts.ids import ThreadId
from gateway.console.access import PRINCIPAL
from gateway.console.eyes import eyes_of
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.words import Words
from gateway.exchange.attachment_ports import AttachmentEntry, AttachmentState
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from keys.leaves import open_leaf

MOST = 100
_LOOKED_THROUGH = 500
GRADES = {
    Grade.OBJECT.value: (N_("Una cosa"), N_("Un rosario, un zapato. Sin personas.")),
    Grade.MARK.value: (N_("Una seña"), N_("Un tatuaje, una cicatriz. Sin el rostro.")),
    Grade.FACE.value: (N_("Un rostro, un cuerpo o un documento"), N_("Lo más delicado. En la duda, elija ésta.")),
}
KINDS = {"image/jpeg": N_("imagen"), "image/png": N_("imagen"), "application/pdf": N_("documento")}


async def seen(
    request: web.Request, entries: Sequence[AttachmentEntry], operations: Operations, desk: PeopleDesk
) -> list[AttachmentEntry]:
    """Return those whoever asks may see: of an exchange of their offices, or, while it is of none, added by themselves."""
    eyes = await eyes_of(request, Permission.REQUESTS_READ, desk)
    known, hidden = set[str](), set[str]()
    threads = sorted({str(entry.thread_id) for entry in entries})
    for item in await operations.files.exchanges(threads) if threads else ():
        known.add(item["thread_id"])
        if await operations.work.hidden(item["id"], eyes):
            hidden.add(item["thread_id"])
    mine = await _added(request, [str(entry.id) for entry in entries if str(entry.thread_id) not in known], operations)
    return [
        entry
        for entry in entries
        if str(entry.thread_id) not in hidden and (str(entry.thread_id) in known or str(entry.id) in mine)
    ]


async def _added(request: web.Request, ids: Sequence[str], operations: Operations) -> set[str]:
    """Return which of these whoever asks added, as the log has it."""
    leaves = await operations.log.acts_about(ids, limit=MOST * 10) if ids else []
    opened = [open_leaf(leaf.data, leaf.disclosures) for leaf in leaves]
    actor = str(request[PRINCIPAL].actor)
    own = [str(found.get("detail", "")) for found in opened if found.get("actor") == actor]
    return {detail.partition(" ")[2] for detail in own if detail.startswith("attachment.added ")}


async def ready(
    request: web.Request, thread: ThreadId | None, operations: Operations, desk: PeopleDesk, told: Words
) -> list[tuple[str, str]]:
    """Return what can be chosen, (id, label): ready in this thread; or, of no exchange yet, added by whoever asks."""
    async with operations.look() as work:
        found = await work.attachments.listed(limit=_LOOKED_THROUGH)
    entries = [entry for entry in found if entry.outgoing and entry.state is AttachmentState.READY]
    if thread is not None:
        entries = [entry for entry in entries if entry.thread_id == thread]
    offered = await seen(request, entries[:MOST], operations, desk)
    if thread is None:
        known = await operations.files.exchanges(sorted({str(entry.thread_id) for entry in offered})) if offered else []
        taken = {item["thread_id"] for item in known}
        offered = [entry for entry in offered if str(entry.thread_id) not in taken]
    return [(str(entry.id), _label(entry, told)) for entry in offered]


def _label(entry: AttachmentEntry, told: Words) -> str:
    kind = told.gettext(KINDS.get(entry.media_type, N_("documento")))
    grade = told.gettext(GRADES[entry.grade][0]) if entry.grade in GRADES else str(entry.grade)
    return f"{kind} · {grade} · {str(entry.id)[-12:]}"
