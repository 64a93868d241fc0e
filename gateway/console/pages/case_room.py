"""What every page about a case stands on: whose case it is, that it was opened, and what stands at its top."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contracts.ids import MessageId, ThreadId
from contracts.leaves import LeafEvent, LeafFields
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_of, open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.looks import Looks
from gateway.console.requests import by_of
from gateway.console.staff import office_in_words
from gateway.console.words import Words
from gateway.exchange.consenting import known_case
from gateway.exchange.folios import folio
from gateway.exchange.ports import Nudge
from gateway.exchange.referrals import case_of
from gateway.exchange.work import NoSuchWorkError
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.web import Handler

ONE = "/e/{thread}"
KINDS = {
    "report": N_("Reporte recibido"),
    "report-sent": N_("Reporte trasladado"),
    "finding": N_("Hallazgo recibido"),
    "finding-sent": N_("Hallazgo avisado"),
    "duty": N_("Aviso por deber"),
    "search": N_("Solicitud recibida"),
    "disclosure": N_("Petición de datos"),
    "identity": N_("Verificación de identidad"),
}
STATES = {
    "received": N_("abierto"),
    "acknowledged": N_("abierto, con acuse"),
    "sent": N_("enviado, sin acuse todavía"),
    "held": N_("espera a otra persona antes de salir"),
    "searching": N_("en búsqueda"),
    "closed": N_("terminado"),
    "cancelled": N_("terminado"),
    "erased": N_("suprimido"),
}
_MACHINES = {"report-sent": "report", "finding-sent": "finding"}


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case that somebody may see. `refs`: what our books call it; `ref`: under which of them new things are filed."""

    row: dict[str, Any]
    refs: tuple[str, ...]
    ref: str

    @property
    def thread(self) -> ThreadId:
        """Its thread."""
        return ThreadId(self.row["thread_id"])

    @property
    def address(self) -> str:
        """Where its page stands."""
        return f"/e/{self.thread}"

    @property
    def folio(self) -> str:
        """What people call it."""
        return case_folio(self.row)

    @property
    def over(self) -> bool:
        """Whether nothing is to be done about it any more."""
        return self.row["state"] in {"closed", "cancelled", "erased"}


CASE = web.RequestKey("case", CaseFile)


def case_folio(row: dict[str, Any]) -> str:
    """Return what people call a case: its folio, or the end of its id while it has none."""
    return row["folio"] or folio(_MACHINES.get(row["kind"], row["kind"]), row["opened_by"])


class CaseRoom:
    """Lets in who may see a case, and writes down that they did."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self.looks = looks
        self.operations = operations
        self.node = operations.node
        self.desk = desk

    def route(self, method: str, path: str, handler: Handler, permission: Permission) -> Route:
        """Return a route of a case for those who may see it: of another office's nobody is told that it is there."""

        async def seen(request: web.Request) -> web.StreamResponse:
            request[CASE] = await self.find(request, request.match_info["thread"])
            return await handler(request)

        return Route(method, path, seen, permission, Face.PAGE)

    async def find(self, request: web.Request, thread: str) -> CaseFile:
        """Return a case by its thread.

        Raises:
            NoSuchWorkError: there is none, or it is another office's: nobody is told which.
        """
        try:
            named = ThreadId(thread)
        except ValueError:
            raise NoSuchWorkError("no id") from None
        eyes = await eyes_of(request, Permission.CASES_READ, self.desk)
        row = await self.operations.files.one(named)
        if row is None or await self.operations.work.case_hidden(named, eyes):
            raise NoSuchWorkError("no such case")
        async with self.operations.look() as work:
            refs = tuple(await known_case(named, work))
            return CaseFile(row, refs, await case_of(named, work))

    async def record(self, detail: str, file: CaseFile, request: web.Request) -> None:
        """Write into the log that somebody is about to read something of a case, before they do."""
        fields = LeafFields(
            at=int(self.node.clock.now().timestamp()),
            event=LeafEvent.ADMIN,
            message_id=MessageId(file.row["opened_by"]),
            actor=by_of(request).actor,
            detail=f"{detail} {file.thread}",
        )
        async with self.node.begin() as work:
            await work.audit.stage([self.node.leaves.leaf(fields)])
        self.node.nudge(Nudge.LOG)

    async def head(self, request: web.Request, file: CaseFile) -> dict[str, Any]:
        """Return what stands at the top of each page about a case: its identity, and nobody's name but of who works on it."""
        told = self.looks.words(request)
        offices = await open_offices(self.desk)
        row = file.row
        return {
            "file": file,
            "folio": file.folio,
            "kind": kind_in_words(row["kind"], told),
            "peer": self.looks.name(row["peer"]),
            "state": state_in_words(row["state"], told),
            "owner": row["person"] or office_in_words(row["office"], offices, told),
            "opened": row["opened"],
            "kept_since": row["kept_since"],
            "now": self.node.clock.now(),
            "allowed": {item.value for item in Permission if request[PRINCIPAL].may(item)},
        }


def kind_in_words(kind: str, told: Words) -> str:
    """Return what a case began with."""
    return told.gettext(KINDS[kind]) if kind in KINDS else kind


def state_in_words(state: str, told: Words) -> str:
    """Return where a case stands. How one ended is told nowhere: the words are the same for every ending."""
    return told.gettext(STATES[state]) if state in STATES else told.gettext("abierto")
