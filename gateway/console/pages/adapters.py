"""Sources: what was read of each, and trying one without sending anything: row, record, what would leave.

Values are masked. Who works at the source's office may ask to see them, and that is logged first; who administers the node
cannot read cases, and never sees one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contracts.errors import SchemaError
from contracts.ids import Code
from contracts.policy.words import word
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.network import since_in_words
from gateway.console.operations import Operations
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.console.trials import (
    OUTCOMES,
    STAYS,
    MappingInfo,
    Trial,
    TrialRow,
    masked_trial,
    reason_in_words,
    spoken_trial,
    summary,
)
from gateway.console.words import Words
from gateway.exchange.work import NoSuchWorkError
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.link_models import SourceRun

ROWS = 20
_LONGEST = 200_000
_ONE = "/adaptadores/{name}/probar"
_WAITS = {"text-held": N_("antes lo lee una persona"), "needs-second-person": N_("antes lo aprueba una segunda persona")}


class NoSuchSourceError(NoSuchWorkError):
    """There is no such source, or it is another office's."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of a trial: what may be shown of it, whether with its values, or why there is none."""

    trial: Trial | None = None
    error: str = ""
    shows: bool = False
    status: int = 422
    """Of a page that says why there is none."""


class AdapterPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._one = asyncio.Semaphore(1)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/adaptadores", self._list, Permission.SOURCES_READ, Face.PAGE),
            Route("GET", _ONE, self._form, Permission.SOURCES_TRY, Face.PAGE),
            Route("POST", _ONE, self._try, Permission.SOURCES_TRY, Face.PAGE),
        )

    # -- the list ------------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        told, now = self._looks.words(request), self._node.clock.now()
        found = await self._mine(request, Permission.SOURCES_READ)
        runs = await self._operations.room.links.sources([item.name for item in found])
        tries = request[PRINCIPAL].may(Permission.SOURCES_TRY)
        rows = [
            {
                "name": item.name,
                "title": item.title or item.name,
                "office": item.office or "",
                "problem": item.problem,
                "address": f"/adaptadores/{item.name}/probar" if tries and not item.problem else "",
                "last": since_in_words(runs[item.name].last if item.name in runs else None, now, told),
                **_counts(runs.get(item.name)),
            }
            for item in found
        ]
        return await self._looks.page(request, "adaptadores.html", rows=rows)

    async def _mine(self, request: web.Request, permission: Permission) -> list[MappingInfo]:
        """Return the sources of the offices somebody has a post at; of all where they have one at the node."""
        places = request[PRINCIPAL].offices(permission)
        found = await asyncio.to_thread(self._operations.room.mappings)
        return [item for item in found if places is None or item.office in places]

    # -- trying one ----------------------------------------------------------------------------------------------------

    async def _form(self, request: web.Request) -> web.Response:
        return await self._page(request, await self._source(request), _Tried())

    async def _try(self, request: web.Request) -> web.Response:
        source, form, told = await self._source(request), request[FORM], self._looks.words(request)
        pasted, shows = form.raw("filas").strip(), form.text("valores") == "ver"
        if len(pasted) > _LONGEST:
            why = told.gettext("Son demasiadas filas: pegue unas pocas, con sus encabezados.")
            return await self._page(request, source, _Tried(error=why))
        if not pasted and not source.sample:
            why = told.gettext("Este mapeo no tiene archivo de muestra: pegue unas filas, con sus encabezados.")
            return await self._page(request, source, _Tried(error=why))
        if shows and not self._may_see(request, source):
            shows = False  # whatever the form says
        if shows:
            await self._desk.record(
                f"source.read {source.name}", actor=request[PRINCIPAL].actor
            )  # first: nobody reads it unseen
        if self._one.locked():
            why = told.gettext("Alguien está probando una fuente ahora. Espere unos segundos y pruebe otra vez.")
            return await self._page(request, source, _Tried(error=why, status=429))
        try:
            trial = spoken_trial(await self._tried(source, pasted), told.lang)
        except SchemaError as error:
            return await self._page(request, source, _Tried(error=f"{error} {getattr(error, 'advice', '')}"))
        return await self._page(request, source, _Tried(trial if shows else masked_trial(trial), shows=shows))

    async def _tried(self, source: MappingInfo, pasted: str) -> Trial:
        data = pasted.encode("utf-8", "replace") if pasted else None
        policy = self._node.tightened(self._node.trust().policy)
        async with self._one:
            return await asyncio.to_thread(self._operations.room.try_mapping, source.name, data, ROWS, policy)

    async def _page(self, request: web.Request, source: MappingInfo, tried: _Tried) -> web.Response:
        told, trial = self._looks.words(request), tried.trial
        return await self._looks.page(
            request,
            "adaptadores_probar.html",
            status=tried.status if tried.error else 200,
            source=source,
            may_see=self._may_see(request, source),
            shows=tried.shows,
            error=tried.error,
            summary="" if trial is None else summary(trial, told),
            notes=() if trial is None else trial.notes,
            rows=[] if trial is None else [self._row(row, told) for row in trial.rows],
            tried=trial is not None,
            pasted=request[FORM].raw("filas") if request.method == "POST" and self._may_see(request, source) else "",
            limit=ROWS,
        )

    def _row(self, row: TrialRow, told: Words) -> dict[str, Any]:
        return {
            "row": row.row,
            "outcome": told.gettext(OUTCOMES[row.outcome]) if row.outcome in OUTCOMES else row.outcome,
            "reasons": [reason_in_words(reason, told) for reason in row.reasons],
            "original": row.original,
            "records": [
                {
                    "title": self._record(item.record, told),
                    "values": [(self._label(item.record, name, told), value) for name, value in item.values],
                }
                for item in row.held
            ],
            "messages": [
                {
                    "kind": word("kind", message.kind, told.lang),
                    "to": word("role", message.to_role, told.lang),
                    "fields": [
                        {
                            "label": self._label_of(field.field, field.label, told),
                            "leaves": "" if field.leaves == STAYS else field.leaves,
                            "waits": told.gettext(_WAITS[field.waits]) if field.waits in _WAITS else field.waits,
                        }
                        for field in message.fields
                    ],
                }
                for message in row.messages
            ],
        }

    def _record(self, record: str, told: Words) -> str:
        found = self._node.trust().policy.record_of(record)
        return record if found is None else found.label(told.lang)

    def _label(self, record: str, name: str, told: Words) -> str:
        found = self._node.trust().policy.fields_of(record)
        return found[name].label(told.lang) if name in found else name

    def _label_of(self, name: str, spanish: str, told: Words) -> str:
        if told.lang == "es":
            return spanish
        types: Mapping[str, Any] = {record.id: record for record in self._node.trust().policy.record_types()}
        return next((item.fields[name].label("en") for item in types.values() if name in item.fields), spanish)

    async def _source(self, request: web.Request) -> MappingInfo:
        name = request.match_info["name"]
        found = next((item for item in await self._mine(request, Permission.SOURCES_TRY) if item.name == name), None)
        if found is None or found.problem or found.office is None:
            raise NoSuchSourceError("no such source, or of another office")
        return found

    def _may_see(self, request: web.Request, source: MappingInfo) -> bool:
        """Return whether somebody may read this source's values: who sends its rows, at its office. Never who administers."""
        return request[PRINCIPAL].may_at(Permission.REPORTS_SEND, source.office or Code("none"))


def _counts(run: SourceRun | None) -> dict[str, int]:
    outcomes = {} if run is None else run.outcomes
    total = sum(outcomes.values())
    left = sum(outcomes.get(name, 0) for name in ("imported", "held"))
    return {"taken": total, "left": left, "refused": outcomes.get("rejected", 0)}
