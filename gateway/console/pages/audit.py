"""The audit, from questions and not from a log: who looked at a case, what left, what did not and why, who was late.

Pseudonyms, codes and names of fields; no name, no content. That somebody asked is in the log before they read.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from aiohttp import web

from contracts.ids import Folio, MessageId
from contracts.policy.words import word
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.months import Month, last_months, month, month_at
from gateway.console.pages.audit_desk import LAST_PAGE, MONTHS, READ, ROWS, AuditDesk, Listing, Row, page_of
from gateway.console.pages.audit_words import (
    act_in_words,
    fields_in_words,
    opened,
    refusal_in_words,
    time_of,
    with_form,
)
from gateway.console.pages.forms import FORM
from gateway.console.pages.letters import type_in_words
from gateway.console.pages.questions import purpose_in_words
from gateway.console.pages.refusals import reason
from gateway.console.words import Words
from gateway.exchange.folios import folio
from gateway.exchange.work import NoSuchWorkError
from gateway.people.roles import Permission
from gateway.storage.audit_models import KeptBack, Late, Left, Span
from gateway.storage.log import LoggedLeaf

_Cells = Callable[[Any, Words], tuple[str, ...]]


class AuditPages:
    """The questions and their answers."""

    def __init__(self, desk: AuditDesk) -> None:
        self._desk = desk
        self._looks, self._operations = desk.looks, desk.operations
        self._node = desk.operations.node

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/auditoria", self._questions, READ, Face.PAGE),
            Route("POST", "/auditoria/expediente", self._find, READ, Face.PAGE),
            Route("GET", "/auditoria/expediente/{case}", self._case, READ, Face.PAGE),
            Route("GET", "/auditoria/salio", self._left, READ, Face.PAGE),
            Route("GET", "/auditoria/negado", self._kept_back, READ, Face.PAGE),
            Route("GET", "/auditoria/rechazado", self._refused, READ, Face.PAGE),
            Route("GET", "/auditoria/tarde", self._late, READ, Face.PAGE),
        )

    async def _questions(self, request: web.Request) -> web.Response:
        return await self._ask_page(request, "", 200)

    async def _ask_page(self, request: web.Request, error: str, status: int) -> web.Response:
        told = self._looks.words(request)
        offices = await self._desk.offices(told)
        own = self._desk.own(request)
        return await self._looks.page(
            request,
            "auditoria.html",
            status=status,
            error=error,
            case=request[FORM].text("caso")[:60] if status != 200 else "",
            months=[(str(item), item.name(told)) for item in last_months(self._now, MONTHS)],
            offices=[(code, name) for code, name in offices.items() if own is None or code in own],
            whole=own is None,
            windows=request[PRINCIPAL].may(Permission.WINDOWS_READ),
        )

    @property
    def _now(self) -> datetime:
        return self._node.clock.now()

    # -- who looked ----------------------------------------------------------------------------------------------------

    async def _find(self, request: web.Request) -> web.Response:
        told, text = self._looks.words(request), request[FORM].text("caso")
        if not text:
            return await self._ask_page(
                request, told.gettext("Escriba el folio del caso, o el identificador de un mensaje."), 422
            )
        threads = await self._threads(text)
        if not threads or not await self._desk.may_see(request, threads):
            why = told.gettext("Aquí no hay ningún caso así que usted pueda auditar. Revise el folio o el identificador.")
            return await self._ask_page(request, why, 422)
        return web.Response(status=303, headers={"Location": f"/auditoria/expediente/{threads[0]}"})

    async def _case(self, request: web.Request) -> web.Response:
        told, case = self._looks.words(request), request.match_info["case"]
        threads = (
            sorted(await self._operations.audit.threads(case)) if _is_name(case) and not Folio.pattern.fullmatch(case) else []
        )
        if not threads or not await self._desk.may_see(request, threads):
            raise NoSuchWorkError("no such case to audit")
        await self._desk.noted(request, f"case {case}")
        ids = await self._operations.audit.ids_of(threads)
        page = page_of(request)
        leaves, total = await self._operations.audit.acts(ids, skip=(page - 1) * ROWS, most=ROWS)
        listing = Listing(
            told.gettext("¿Quién consultó este expediente?"),
            told.ngettext(
                "%(number)s consulta o acto de personas de esta institución queda en la bitácora.",
                "%(number)s consultas o actos de personas de esta institución quedan en la bitácora.",
                total,
            )
            % {"number": total},
            _columns(told, N_("Cuándo"), N_("Oficina"), N_("Quién"), N_("Qué hizo"), N_("Finalidad"), N_("Sobre qué")),
            await self._acts(leaves, await self._looks.zone(request), told),
            total,
        )
        return await self._listed(request, listing, page, {})

    async def _threads(self, text: str) -> list[str]:
        return sorted(await self._operations.audit.threads(text)) if _is_name(text) else []

    async def _acts(self, leaves: Sequence[LoggedLeaf], zone: tzinfo, told: Words) -> list[Row]:
        posts, sealed = await self._desk.posts(told), await self._desk.sealed(leaves, told)
        about = await self._operations.audit.about([leaf.subject or "" for leaf in leaves])
        rows = []
        for leaf, (address, proof) in zip(leaves, sealed, strict=True):
            said, known = opened(leaf), about.get(leaf.subject or "")
            actor = str(said.get("actor", ""))
            cells = (
                _when(time_of(said), zone, told),
                posts.get(actor, told.gettext("sin oficina")),
                actor or told.gettext("el nodo"),
                act_in_words(said, told),
                "—" if known is None else purpose_in_words(self._node.trust().policy, known.purpose, told),
                "—" if known is None else f"{word('kind', known.kind, told.lang)} {_short(known.kind, leaf.subject or '')}",
            )
            rows.append(Row(cells, address, proof))
        return rows

    # -- what left, and what did not -----------------------------------------------------------------------------------

    async def _left(self, request: web.Request) -> web.Response:
        told, chosen, page = self._looks.words(request), self._month(request), page_of(request)
        span, office = await self._span(request, chosen, page)
        await self._desk.noted(request, f"left {chosen} {office or 'node'}")
        found, total = await self._operations.audit.left(span)
        sentence = told.ngettext(
            "En %(month)s salió %(number)s registro.", "En %(month)s salieron %(number)s registros.", total
        ) % {"number": total, "month": chosen.name(told)}
        names = (N_("Cuándo"), N_("Oficina"), N_("Quién"), N_("Para quién"), N_("Finalidad"), N_("Qué salió"), N_("Regla"))
        rows = await self._sent(request, found, self._left_cells, told)
        listing = Listing(told.gettext("¿Qué salió de esta oficina?"), sentence, _columns(told, *names), rows, total)
        return await self._listed(request, listing, page, {"mes": str(chosen), "oficina": office})

    def _left_cells(self, item: Left, told: Words) -> tuple[str, ...]:
        policy = self._node.trust().policy
        labels = fields_in_words([name for name, _, _ in item.fields], policy, told, item.record_type)
        fields = (with_form(label, form, told) for label, (_, form, _) in zip(labels, item.fields, strict=True))
        what = f"{type_in_words(item.record_type, policy, told)}: {'; '.join(fields) or told.gettext('ningún campo')}"
        rules = ", ".join(dict.fromkeys(rule for _, _, rule in item.fields)) or "—"
        return (self._looks.name(item.peer), purpose_in_words(policy, item.purpose, told), what, rules)

    async def _kept_back(self, request: web.Request) -> web.Response:
        told, chosen, page = self._looks.words(request), self._month(request), page_of(request)
        span, office = await self._span(request, chosen, page)
        await self._desk.noted(request, f"kept-back {chosen} {office or 'node'}")
        found, total = await self._operations.audit.kept_back(span)
        sentence = told.ngettext(
            "En %(month)s salió %(number)s mensaje al que le faltó algún campo.",
            "En %(month)s salieron %(number)s mensajes a los que les faltó algún campo.",
            total,
        ) % {"number": total, "month": chosen.name(told)}
        names = (N_("Cuándo"), N_("Oficina"), N_("Quién"), N_("Para quién"), N_("Qué era"), N_("Qué no salió, y por qué"))
        rows = await self._sent(request, found, self._kept_cells, told)
        listing = Listing(told.gettext("¿Qué negó la política, y por qué?"), sentence, _columns(told, *names), rows, total)
        return await self._listed(request, listing, page, {"mes": str(chosen), "oficina": office})

    def _kept_cells(self, item: KeptBack, told: Words) -> tuple[str, ...]:
        policy = self._node.trust().policy
        by_reason: dict[str, list[str]] = {}
        for field, rule in item.withheld:
            by_reason.setdefault(rule, []).append(field)
        lines = [
            f"{', '.join(fields_in_words(fields, policy, told))}: {reason(rule, self._node, told.lang)} ({rule})"
            for rule, fields in by_reason.items()
        ]
        return (self._looks.name(item.peer), word("kind", item.kind, told.lang), "; ".join(lines))

    async def _sent(self, request: web.Request, found: Sequence[Any], cells: _Cells, told: Words) -> list[Row]:
        """Return lines about messages of ours, each with its entry in the log."""
        zone, names, posts = await self._looks.zone(request), await self._desk.offices(told), await self._desk.posts(told)
        entries = await self._operations.audit.entries_of([item.message_id for item in found])
        places = dict(zip(entries, await self._desk.sealed(list(entries.values()), told), strict=True))
        rows = []
        for item in found:
            said = opened(entries[item.message_id]) if item.message_id in entries else {}
            address, proof = places.get(item.message_id, ("", told.gettext("aún sin anotar")))
            actor = str(said.get("actor", ""))
            office = names.get(item.office or "", item.office or posts.get(actor, told.gettext("sin oficina")))
            rows.append(Row((_when(item.at, zone, told), office, actor or "—", *cells(item, told)), address, proof))
        return rows

    async def _refused(self, request: web.Request) -> web.Response:
        told, page = self._looks.words(request), page_of(request)
        if self._desk.own(request) is not None:
            raise NoSuchWorkError("what is refused at the door is of no office")
        await self._desk.noted(request, "refused")
        leaves = await self._operations.audit.refused(skip=(page - 1) * ROWS, most=ROWS)
        zone, sealed = await self._looks.zone(request), await self._desk.sealed(leaves, told)
        rows = []
        for leaf, (address, proof) in zip(leaves, sealed, strict=True):
            said = opened(leaf)
            kind = word("kind", str(said["type"]), told.lang) if "type" in said else "—"
            purpose = purpose_in_words(self._node.trust().policy, str(said["purpose"]), told) if "purpose" in said else "—"
            cells = (_when(time_of(said), zone, told), self._looks.name(leaf.peer) if leaf.peer else "—", kind, purpose)
            rows.append(Row((*cells, refusal_in_words(said, told)), address, proof))
        listing = Listing(
            told.gettext("¿Qué se rechazó en la puerta?"),
            told.gettext("Mensajes de otras instituciones que este nodo rechazó. Nada de ellos se guardó."),
            _columns(told, N_("Cuándo"), N_("De quién"), N_("Qué era"), N_("Finalidad"), N_("Por qué")),
            rows,
            None,
        )
        return await self._listed(request, listing, page, {})

    # -- who was late --------------------------------------------------------------------------------------------------

    async def _late(self, request: web.Request) -> web.Response:
        told, chosen, page = self._looks.words(request), self._month(request), page_of(request)
        span, office = await self._span(request, chosen, page)
        await self._desk.noted(request, f"late {chosen} {office or 'node'}")
        found, total = await self._operations.audit.late(span, self._now)
        sentence = told.ngettext(
            "De lo pedido en %(month)s, %(number)s respuesta pasó de su plazo.",
            "De lo pedido en %(month)s, %(number)s respuestas pasaron de su plazo.",
            total,
        ) % {"number": total, "month": chosen.name(told)}
        zone, names = await self._looks.zone(request), await self._desk.offices(told)
        entries = await self._operations.audit.entries_of([item.message_id for item in found if not item.ours])
        places = dict(zip(entries, await self._desk.sealed(list(entries.values()), told), strict=True))
        rows = [Row(self._late_cells(item, names, zone, told), *places.get(item.message_id, ("", "—"))) for item in found]
        asked = (N_("Pedida"), N_("Oficina"), N_("Quién debía responder"), N_("Qué era"), N_("Finalidad"))
        columns = (*asked, N_("Vencía"), N_("Respuesta"))
        listing = Listing(told.gettext("¿Quién respondió tarde?"), sentence, _columns(told, *columns), rows, total)
        return await self._listed(request, listing, page, {"mes": str(chosen), "oficina": office})

    def _late_cells(self, item: Late, names: Mapping[str, str], zone: tzinfo, told: Words) -> tuple[str, ...]:
        office = names.get(item.office or "", item.office or told.gettext("sin oficina"))
        if item.answered is None:
            answer = told.gettext("sin respuesta; pasaron %(span)s") % {"span": told.span(self._now - item.due)}
        else:
            answer = told.gettext("%(span)s después") % {"span": told.span(item.answered - item.due)}
        return (
            _when(item.opened, zone, told),
            office,
            told.gettext("nosotros") if item.ours else self._looks.name(item.peer),
            f"{word('kind', item.kind, told.lang)} {_short(item.kind, item.message_id)}",
            purpose_in_words(self._node.trust().policy, item.purpose, told),
            _when(item.due, zone, told),
            answer,
        )

    # -- lists ---------------------------------------------------------------------------------------------------------

    def _month(self, request: web.Request) -> Month:
        return month(request.query.get("mes", "")) or month_at(self._now)

    async def _span(self, request: web.Request, chosen: Month, page: int) -> tuple[Span, str]:
        known, own = await self._desk.desk.reader.offices(), self._desk.own(request)
        office = request.query.get("oficina", "")
        asked = {str(item.code) for item in known if str(item.code) == office and (own is None or office in own)}
        offices = asked or own
        takes = any(item.takes_inbox and str(item.code) in (offices or ()) for item in known)
        span = Span(chosen.start, chosen.end, offices, takes, (page - 1) * ROWS, ROWS)
        return span, office if asked else ""

    async def _listed(self, request: web.Request, listing: Listing, page: int, chosen: Mapping[str, str]) -> web.Response:
        last = page + (len(listing.rows) == ROWS) if listing.total is None else max(1, -(-listing.total // ROWS))
        told, own = self._looks.words(request), self._desk.own(request)
        kept = "&".join(f"{name}={value}" for name, value in chosen.items() if value)
        return await self._looks.page(
            request,
            "auditoria_lista.html",
            listing=listing,
            page=min(page, last),
            last=min(last, LAST_PAGE),
            counted=listing.total is not None,
            here=request.path,
            kept=kept,
            chosen=chosen,
            months=[(str(item), item.name(told)) for item in last_months(self._now, MONTHS)],
            offices=[(code, name) for code, name in (await self._desk.offices(told)).items() if own is None or code in own],
            whole=own is None,
        )


def _columns(told: Words, *names: str) -> tuple[str, ...]:
    return tuple(told.gettext(name) for name in names)


def _when(moment: datetime | None, zone: tzinfo, told: Words) -> str:
    return "—" if moment is None else told.short(moment, zone)


def _short(kind: str, opening: str) -> str:
    machine = kind.partition(".")[0]
    return folio("disclosure" if machine == "record" else machine, opening)


def _is_name(text: str) -> bool:
    if Folio.pattern.fullmatch(text):
        return True
    try:
        return bool(MessageId(text))
    except ValueError:
        return False
