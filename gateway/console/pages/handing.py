"""What goes with a referral once it was accepted: chosen field by field on our side, read on theirs after the log has it."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import FieldDefinition, RecordType
from contracts.ids import MessageId, NodeId
from contracts.threads import Side
from gateway.console.access import Face, Route
from gateway.console.eyes import eyes_of
from gateway.console.pages.answers import Problem
from gateway.console.pages.attachable import ready
from gateway.console.pages.case_room import CaseFile, CaseRoom
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.letters import type_in_words
from gateway.console.pages.partners import Partners
from gateway.console.pages.questions import Pair
from gateway.console.pages.refusals import why_not
from gateway.console.pages.typed import Choices, Typed, as_typed, read_typed, refuse_unready, typable
from gateway.console.pages.values import said, typed
from gateway.console.whose import worker
from gateway.console.words import Words
from gateway.exchange.attachments import KIND
from gateway.exchange.consenting import consents_of
from gateway.exchange.folios import folio
from gateway.exchange.handing import case_of_referral, show_records
from gateway.exchange.persons import person_of
from gateway.exchange.reading import read
from gateway.exchange.work import NoSuchWorkError
from gateway.people.roles import Permission

_DATA, _READ = "/r/{message_id}/datos", "/r/{message_id}/datos/{update}"
_KIND = "referral.update"
_ABOUT = (
    RecordType.MISSING_PERSON,
    RecordType.UNIDENTIFIED_PERSON,
    RecordType.CUSTODY,
    RecordType.UNIDENTIFIED_REMAINS,
)
"""Records about the person, by who holds what: whoever searches has the first, whoever found somebody one of the others."""


class HandingPages:
    """The handlers."""

    def __init__(self, room: CaseRoom) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", _DATA, self._choose, Permission.REFERRALS_SEND, Face.PAGE),
            Route("POST", _DATA, self._prepare, Permission.REFERRALS_SEND, Face.PAGE),
            Route("GET", _READ, self._read, Permission.WORK_READ, Face.PAGE),
        )

    async def _case(self, request: web.Request) -> CaseFile:
        """Return the case whose person's data may go with this referral.

        Raises:
            NoSuchWorkError: it was not accepted, is not ours, or its case is not theirs to see.
        """
        by = await worker(request, Permission.REFERRALS_SEND, self._room.desk)
        return await self._room.find(request, await case_of_referral(_opening(request, "message_id"), self._node, by=by))

    def _known(self, record: str) -> dict[str, FieldDefinition]:
        return typable(self._node.trust().policy, record, attached=True)

    async def _item(self, request: web.Request) -> dict[str, Any]:
        eyes = await eyes_of(request, Permission.WORK_READ, self._room.desk)
        item = await self._room.operations.work.one(_opening(request, "message_id"), eyes, "referral")
        if item is None:
            raise NoSuchWorkError("no such referral")
        return item

    def _records(self, item: Mapping[str, Any]) -> list[str]:
        """Return the records about the person of which the policy lets something go with this referral."""
        trust = self._node.trust()
        member = trust.members.get(NodeId(item["peer"]))
        if member is None:
            return []
        found = (trust.policy.rule_for(record, _KIND, member.role, item["purpose"]) for record in _ABOUT)
        return [str(record) for record, rule in zip(_ABOUT, found, strict=True) if rule is not None]

    async def _record(self, request: web.Request, said: str) -> str:
        """Return which record is chosen: the one said, else the first that may go."""
        records = self._records(await self._item(request))
        return said if said in records else next(iter(records), str(_ABOUT[0]))

    async def _choose(self, request: web.Request) -> web.Response:
        file, record = await self._case(request), await self._record(request, request.query.get("tipo", ""))
        known = self._known(record)
        await self._room.record("case.person", file, request)  # first: nobody reads it unseen
        values: dict[str, list[str]] = {}
        for record_type, claims in await person_of(file.thread, self._node):
            if record_type == record:
                held = {name: value for name, value in claims.items() if name in known and known[name].kind != KIND}
                values |= {f"v-{name}": [typed(known[name], value)] for name, value in held.items()}
        return await self._page(request, file, record, Form(values), ())

    async def _page(
        self,
        request: web.Request,
        file: CaseFile,
        record: str,
        filled: Form,
        problems: Sequence[Problem],
        refused: str = "",
    ) -> web.Response:
        opening, told, item = _opening(request, "message_id"), self._looks.words(request), await self._item(request)
        policy, records = self._node.trust().policy, self._records(item)
        events, _ = await consents_of(str(file.thread), self._node)
        may = Partners(_KIND, self._node, told).now(item["peer"], (item["purpose"], item["basis"]), events, record)
        return await self._looks.page(
            request,
            "referencia_datos.html",
            status=422 if problems or refused else 200,
            **await self._room.head(request, file),
            address=f"/r/{opening}",
            referral=folio("referral", opening),
            to=self._looks.name(item["peer"]),
            record=record,
            records=[(code, type_in_words(code, policy, told)) for code in records],
            rows=self._rows(self._known(record), filled, may, told, await self._ready(request)),
            problems=problems,
            refused=refused,
        )

    async def _ready(self, request: web.Request) -> list[tuple[str, str]]:
        async with self._room.operations.look() as work:
            items = await work.work_items.find(_opening(request, "message_id"))
        told = self._looks.words(request)
        return await ready(request, items[0].thread_id, self._room.operations, self._room.desk, told) if items else []

    def _rows(
        self,
        known: Mapping[str, FieldDefinition],
        filled: Form,
        may: dict[str, tuple[bool, str]],
        told: Words,
        chosen: Choices,
    ) -> list[Typed]:
        rows = []
        for name, found in known.items():
            fine, why = may.get(name, (False, ""))
            if fine or filled.text(f"v-{name}"):
                rows.append(as_typed(found, filled, told, may=fine, why=why, ready=chosen))
        return sorted(rows, key=lambda row: not row.may)

    async def _prepare(self, request: web.Request) -> web.Response:
        file, form, told = await self._case(request), request[FORM], self._looks.words(request)
        record = await self._record(request, form.text("tipo"))
        known = self._known(record)
        problems: list[Problem] = []
        chosen = [name for name in known if name in form.every("sale")]
        now, files = self._node.clock.now(), await self._ready(request)
        values = read_typed(known, chosen, form, problems, told, now=now, needed=True)
        refuse_unready(values, known, files, problems, told)
        if not values and not problems:
            problems.append(Problem("tabla", told.gettext("Elija al menos un dato que salga.")))
        if problems:
            return await self._page(request, file, record, form, problems)
        by = await worker(request, Permission.REFERRALS_SEND, self._room.desk)
        try:
            shown = await show_records(_opening(request, "message_id"), SourceRecord(record, values), self._node, by=by)
        except NotPermittedError as error:
            return await self._page(request, file, record, form, (), refused=why_not(error, told))
        return web.Response(status=303, headers={"Location": f"/enviar/{shown.id}"})

    async def _read(self, request: web.Request) -> web.Response:
        opening, update, told = _opening(request, "message_id"), _opening(request, "update"), self._looks.words(request)
        by = await worker(request, Permission.WORK_READ, self._room.desk)
        eyes = await eyes_of(request, Permission.WORK_READ, self._room.desk)
        item = await self._room.operations.work.one(opening, eyes, "referral")
        if item is None or not any(line["message_id"] == update and not line["ours"] for line in item["said"]):
            raise NoSuchWorkError("nothing of that id was said in it")
        await self._room.desk.record(f"received.open {update}", actor=by.actor)  # first: nobody reads it unseen
        brought, policy, records = await read(update, self._node, by=by), self._node.trust().policy, []
        for kind, claims in brought.claims:
            known = policy.fields_of(kind)
            shown = [
                (known[name], value) for name, value in claims.items() if name in known and known[name].kind != "attachments"
            ]
            pairs = [Pair(found.label(told.lang), said(found.kind, value, told)) for found, value in shown]
            records.append((type_in_words(kind, policy, told), pairs))
        return await self._looks.page(
            request,
            "referencia_leer.html",
            address=f"/r/{opening}",
            referral=folio("referral", opening),
            peer=self._looks.name(item["peer"]),
            ours=item["side"] == Side.OPENER,
            received=brought.received_at,
            records=records,
        )


def _opening(request: web.Request, name: str) -> MessageId:
    try:
        return MessageId(request.match_info[name])
    except ValueError:
        raise NoSuchWorkError("no id") from None
