"""What a person began and did not send: each where it goes on, and a way to put it away. Nothing of it is opened here."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiohttp import web

from contracts.ids import MessageId
from gateway.console.access import Face, Open, Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.case_room import case_folio
from gateway.console.pages.drafts import FINDING
from gateway.console.pages.finds import KINDS
from gateway.console.pages.intake import INTAKE
from gateway.console.pages.looks import Looks
from gateway.console.requests import by_of
from gateway.console.words import Words
from gateway.exchange.drafting import KEPT, NoSuchDraftError, drafts_of, drop_draft
from gateway.exchange.folios import folio
from gateway.exchange.ports.drafts import FormDraft

_LIST = "/cuenta/borradores"
DONE = {"descartado": N_("Se descartó. No se envió nada."), "ya": N_("Eso ya no estaba: se envió, o se descartó antes.")}


class _Form(NamedTuple):
    """A sort of form: what it is called, and where one of it goes on."""

    name: str
    place: Callable[[FormDraft], str]


def _word(draft: FormDraft, number: int) -> str:
    return (*draft.purpose.split(" "), "", "")[number]


_FORMS: Mapping[str, _Form] = {
    INTAKE: _Form(N_("Reporte"), lambda draft: f"/reportes/{draft.id}"),
    "ask": _Form(N_("Solicitud"), lambda draft: f"/s/nueva/{draft.thread_id}"),
    "answer": _Form(N_("Respuesta a una solicitud"), lambda draft: f"/s/{_word(draft, 1)}/responder/{_word(draft, 2)}"),
    "offer": _Form(N_("Referencia"), lambda draft: f"/r/nueva/{draft.thread_id}"),
    FINDING.strip(): _Form(N_("Hallazgo"), lambda draft: f"/hallazgos/nuevo/{_word(draft, 1)}?hoja={_word(draft, 2)}"),
}
"""By the first word of a draft's purpose."""


class UnfinishedPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs: a draft is its person's alone, whatever else they may do."""
        return (
            Route("GET", _LIST, self._list, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", f"{_LIST}/{{draft}}/descartar", self._discard, Open.ANYBODY_SIGNED_IN, Face.PAGE),
        )

    async def _list(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        rows = [
            {
                "id": draft.id,
                "name": " · ".join([told.gettext(form.name), *await self._about(draft, told)]),
                "address": form.place(draft),
                "changed": draft.changed_at,
                "until": draft.changed_at + KEPT,
            }
            for draft in await drafts_of("", self._node, person=by_of(request).person)
            if (form := _FORMS.get(_word(draft, 0))) is not None
        ]
        done = DONE.get(request.query.get("hecho", ""))
        return await self._looks.page(request, "borradores.html", rows=rows, done=told.gettext(done) if done else "")

    async def _about(self, draft: FormDraft, told: Words) -> list[str]:
        """Return what tells one form from another of its sort, as far as its purpose says: no word that was typed."""
        match _word(draft, 0):
            case "ask":
                return [*await self._case(draft), self._looks.name(draft.purpose.rpartition(" ")[2])]
            case "offer":
                return await self._case(draft)
            case "answer":
                return [folio("search", MessageId(_word(draft, 1)))]
            case "finding":
                return [told.gettext(KINDS[_word(draft, 1)])]
            case _:
                return []

    async def _case(self, draft: FormDraft) -> list[str]:
        row = await self._operations.files.one(draft.thread_id)
        return [] if row is None else [case_folio(row)]

    async def _discard(self, request: web.Request) -> web.Response:
        done = "descartado"
        try:
            await drop_draft(MessageId(request.match_info["draft"]), self._node, person=by_of(request).person)
        except (ValueError, NoSuchDraftError):
            done = "ya"  # another window was first, or it is somebody else's: nobody is told which
        return web.Response(status=303, headers={"Location": f"{_LIST}?hecho={done}"})
