"""A finding told from a form: coded descriptors alone, checked before it is signed; remains and children wait for a second."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from contracts.calendars import day_in_guatemala
from contracts.consents import ConsentEvent
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import FieldDefinition, RecordType
from contracts.ids import Code, MessageId, NodeId
from contracts.register import Role
from contracts.walls import marks_of
from gateway.console.access import Face, Route
from gateway.console.marking import N_
from gateway.console.pages.answers import REMAINS, Problem
from gateway.console.pages.case_room import CaseRoom
from gateway.console.pages.drafts import FILE, FINDING, SAVED, DraftAnswers
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.letters import type_in_words
from gateway.console.pages.offers import BEGUN, DONE, TO_DO, Task
from gateway.console.pages.partners import Partners
from gateway.console.pages.refusals import why_not
from gateway.console.pages.requests import local_moment
from gateway.console.pages.typed import Typed, as_typed, read_typed, typable
from gateway.console.requests import by_of
from gateway.console.whose import GUATEMALA, worker
from gateway.console.words import Words, words
from gateway.exchange.departing import AlreadySentError
from gateway.exchange.desk import FINDING_BASIS, addressee
from gateway.exchange.drafting import NoSuchDraftError, Place, drafts_of
from gateway.exchange.findings import PURPOSES, Find, show_finding
from gateway.exchange.ports.drafts import FormDraft
from gateway.exchange.work import Worker
from gateway.people.offices import calendar_at
from gateway.people.roles import Permission

_NEW = "/hallazgos/nuevo"
_ONE = f"{_NEW}/{{record}}"
_KIND = "finding.notice"
KINDS = {
    RecordType.UNIDENTIFIED_PERSON.value: N_("Una persona con vida que nadie ha identificado"),
    RecordType.CUSTODY.value: N_("Una persona detenida o retornada"),
    RecordType.UNIDENTIFIED_REMAINS.value: N_("Una persona que puede haber fallecido"),
}
COUNTRIES = ("GT", "MX", "US", "BZ", "HN", "SV")
_SHEET = "hoja"
"""The field that tells the form of one finding from that of another: somebody may have begun several."""
_SEEN = "menor-visto"
_FILE = N_("Escriba el expediente de esta oficina, hasta 80 caracteres.")
_WHEN = N_("Diga cuándo se supo; no puede ser después de ahora.")
_SENT = N_("De ese expediente ya se avisó, o un aviso espera a otra persona. No se preparó otro.")


@dataclass(frozen=True, slots=True)
class Kind:
    """Somebody who may be told of, and the forms about such that this person has begun."""

    code: str
    label: str
    begun: Sequence[tuple[str, datetime]]


class FindPages:
    """The handlers."""

    def __init__(self, room: CaseRoom) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks
        self._drafts = DraftAnswers(room.looks, room.node)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        find = Permission.FINDINGS_SEND
        return (
            Route("GET", _NEW, self._which, find, Face.PAGE),
            Route("GET", _ONE, self._form, find, Face.PAGE),
            Route("POST", _ONE, self._prepare, find, Face.PAGE),
            Route("POST", f"{_ONE}/borrador", self._save_by_page, find, Face.PAGE),
        )

    async def _which(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        begun = await drafts_of(FINDING, self._node, person=by_of(request).person)
        kinds = [
            Kind(code, told.gettext(label), [(sheet, at) for of, sheet, at in map(_begun, begun) if of == code])
            for code, label in KINDS.items()
            if self._fields(code)
        ]
        done = told.gettext(SAVED) if request.query.get("hecho") == "guardado" else ""
        return await self._looks.page(request, "hallazgo_que.html", kinds=kinds, done=done)

    def _fields(self, record: str) -> dict[str, FieldDefinition]:
        """Return the fields of a record that a finding may carry to the search mechanism, by the policy."""
        trust, to = self._node.trust(), self._mechanism()
        if to is None or not Partners(_KIND, self._node, words("es")).lets(str(to), PURPOSES[record], FINDING_BASIS):
            return {}
        rule = trust.policy.rule_for(record, _KIND, Role.SEARCH_MECHANISM, PURPOSES[record])
        known = typable(trust.policy, record)
        return {} if rule is None else {name: found for name, found in known.items() if rule.form_of(name) is not None}

    def _record(self, request: web.Request) -> str:
        record = request.match_info["record"]
        if record not in KINDS or not self._fields(record):
            raise web.HTTPNotFound
        return record

    def _mechanism(self) -> NodeId | None:
        """Return to whom findings are told; None where the network has nobody, or more than one."""
        try:
            return addressee(self._node.trust(), Role.SEARCH_MECHANISM, self._node.clock.now())
        except NotPermittedError:
            return None

    async def _form(self, request: web.Request) -> web.Response:
        record = self._record(request)
        if _SHEET in request.query:
            sheet = _sheet(request.query[_SHEET])
            kept = await self._drafts.kept(request, _place(record, sheet).purpose)
            if not kept.version:
                raise NoSuchDraftError("no finding that this person has begun")
            return await self._page(request, record, Form({**kept.fields, _SHEET: [sheet]}), ())
        if record == REMAINS and request.query.get("seguir") != "si":
            return await self._looks.page(request, "hallazgo_alto.html", record=record)
        return await self._page(request, record, Form({}), ())

    async def _save_by_page(self, request: web.Request) -> web.Response:
        place = _place(self._record(request), _sheet(request[FORM].text(_SHEET)))
        return await self._drafts.saved_by_page(request, self._drafts.save(request, place, _SHEET, _SEEN))

    async def _page(
        self, request: web.Request, record: str, filled: Form, problems: Sequence[Problem], refused: str = ""
    ) -> web.Response:
        told, policy = self._looks.words(request), self._node.trust().policy
        by = await worker(request, Permission.FINDINGS_SEND, self._room.desk)
        sheet = filled.text(_SHEET) or self._node.new_message_id(self._node.clock.now())
        kept = await self._drafts.kept(request, _place(record, sheet).purpose)
        return await self._looks.page(
            request,
            "hallazgo_nuevo.html",
            status=422 if problems or refused else 200,
            record=record,
            kind=type_in_words(record, policy, told),
            filled=filled,
            problems=problems,
            refused=refused,
            sheet=sheet,
            version=kept.version,
            saved=await self._drafts.saved_at(request, kept),
            rows=self._rows(record, filled, told),
            tasks=self._tasks(record, filled, told),
            countries=COUNTRIES,
            offices=sorted(by.offices),
            received=filled.text("recibido") or f"{self._node.clock.now().astimezone(GUATEMALA):%Y-%m-%dT%H:%M}",
        )

    def _rows(self, record: str, filled: Form, told: Words) -> list[Typed]:
        nobody: Sequence[ConsentEvent] = ()
        partners = Partners(_KIND, self._node, told)
        found = partners.now(str(self._mechanism()), (PURPOSES[record], FINDING_BASIS), nobody, record)
        return [
            as_typed(field, filled, told, may=found.get(name, (False, ""))[0], why=found.get(name, (False, ""))[1])
            for name, field in self._fields(record).items()
        ]

    def _tasks(self, record: str, filled: Form, told: Words) -> list[Task]:
        typed = any(filled.text(f"v-{name}") for name in self._fields(record))
        who = [bool(filled.text(name)) for name in ("autoridad", "pais", FILE)]
        told_of = DONE if all(who) else BEGUN if any(who) else TO_DO
        return [
            Task("t1", told.gettext("Qué se sabe de la persona"), told.gettext(DONE if typed else TO_DO)),
            Task("t2", told.gettext("Quién es competente y dónde"), told.gettext(told_of)),
            Task("t3", told.gettext("Revisar y enviar"), told.gettext(TO_DO)),
        ]

    # -- prepared ------------------------------------------------------------------------------------------------------

    async def _prepare(self, request: web.Request) -> web.Response:
        record, form = self._record(request), request[FORM]
        if not form.text(_SHEET):  # it is of no page that keeps it
            return await self._checked(request, record)
        sheet = _sheet(form.text(_SHEET))
        again, later = f"{request.path}?{_SHEET}={sheet}", f"{_NEW}?hecho=guardado"
        stopped = await self._drafts.stopped(request, _place(record, sheet), _SHEET, _SEEN, again=again, later=later)
        return stopped or await self._checked(request, record)

    async def _checked(self, request: web.Request, record: str) -> web.Response:
        form, told = request[FORM], self._looks.words(request)
        by = await worker(request, Permission.FINDINGS_SEND, self._room.desk)
        if form.text("paso") == "ver":
            return await self._page(request, record, form, ())
        problems: list[Problem] = []
        find = await self._read(record, form, by, problems, told)
        if find is None:
            return await self._page(request, record, form, problems)
        if self._may_be_a_child(find) and form.text(_SEEN) != "si":
            return await self._page(request, record, _seen(form), (Problem("t3", told.gettext(_MINOR)),))
        return await self._shown(request, record, find, by)

    def _may_be_a_child(self, find: Find) -> bool:
        today = day_in_guatemala(self._node.clock.now())
        return find.record.type != REMAINS and marks_of((find.record,), today).minor != "no"

    async def _shown(self, request: web.Request, record: str, find: Find, by: Worker) -> web.Response:
        told = self._looks.words(request)
        try:
            shown = await show_finding(find, self._node, by=by)
        except AlreadySentError:
            return await self._page(request, record, request[FORM], (), refused=told.gettext(_SENT))
        except NotPermittedError as error:
            return await self._page(request, record, request[FORM], (), refused=why_not(error, told))
        return web.Response(status=303, headers={"Location": f"/enviar/{shown.id}"})

    async def _read(self, record: str, form: Form, by: Worker, problems: list[Problem], told: Words) -> Find | None:
        now, known = self._node.clock.now(), self._fields(record)
        values = read_typed(known, known, form, problems, told, now=now, needed=False)
        received, office = local_moment(form.text("recibido"), GUATEMALA), _office(form, by)
        texts = form.text("autoridad"), form.text(FILE), form.text("referencia")
        checks = (
            (
                "autoridad",
                _is_code(texts[0]),
                told.gettext("Escriba el código de la autoridad, en minúsculas."),
            ),
            ("pais", form.text("pais") in COUNTRIES, told.gettext("Diga en qué país.")),
            (
                FILE,
                _is_short(texts[1], 80),
                told.gettext(_FILE),
            ),
            ("referencia", not texts[2] or _is_short(texts[2], 40), told.gettext("La referencia tiene hasta 40 caracteres.")),
            (
                "recibido",
                received is not None and received <= now,
                told.gettext(_WHEN),
            ),
            ("t1", bool(values) or bool(problems), told.gettext("Escriba al menos un dato de lo que se sabe.")),
            ("oficina", office is not None, told.gettext("Diga qué oficina espera el acuse.")),
        )
        problems += [Problem(anchor, text) for anchor, fine, text in checks if not fine]
        if problems or received is None or office is None:
            return None
        return Find(
            record=SourceRecord(record, values),
            authority=Code(texts[0]),
            country=form.text("pais"),
            received_at=received,
            case_ref=texts[1],
            sender_reference=texts[2] or None,
            office=Code(office),
            calendar=await calendar_at(Code(office), self._room.desk),
        )


_MINOR = N_(
    "Por la edad que escribió, o porque no la escribió, puede ser menor de edad: otra persona dará la segunda aprobación. "
    "Si está en peligro, avise a la PGN (Alba-Keneth) ya. Pulse otra vez para seguir."
)


def _place(record: str, sheet: str) -> Place:
    return Place(f"{FINDING}{record} {sheet}")


def _sheet(text: str) -> str:
    try:
        return MessageId(text)
    except ValueError:
        raise NoSuchDraftError("no id") from None


def _begun(draft: FormDraft) -> tuple[str, str, datetime]:
    _, record, sheet = draft.purpose.split(" ")
    return record, sheet, draft.changed_at


def _seen(form: Form) -> Form:
    return Form({**{name: form.every(name) for name in form.names()}, _SEEN: ["si"]})


def _office(form: Form, by: Worker) -> str | None:
    return next((str(code) for code in sorted(by.offices) if code == form.text("oficina") or len(by.offices) == 1), None)


def _is_code(text: str) -> bool:
    return len(text) <= 80 and Code.pattern.fullmatch(text) is not None


def _is_short(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable()
