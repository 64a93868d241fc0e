"""What happened in a case, a line each, newest first: messages, decisions, and who looked. Never what was said of a person."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.consents import SCOPES, ConsentEvent, ConsentForm
from contracts.messages import ConsentAct
from contracts.policy.words import word
from gateway.console.marking import N_
from gateway.console.pages.inbox import PAGES
from gateway.console.words import Words
from gateway.exchange.folios import folio
from keys.leaves import open_leaf

MESSAGES, DECISIONS, ACCESSES = "mensajes", "decisiones", "accesos"
SORTS: Mapping[str, str] = {MESSAGES: N_("Mensajes"), DECISIONS: N_("Decisiones"), ACCESSES: N_("Accesos")}
_DELIVERY = {
    "waiting": N_("en espera de enlace"),
    "delivered": N_("entregado"),
    "rejected": N_("no lo recibieron"),
    "withdrawn": N_("se tomó de vuelta"),
    "dead": N_("venció sin recibo: no se sabe si llegó"),
}
_CONSENT = {
    ConsentAct.GIVEN: N_("Un familiar autorizó: %(scopes)s"),
    ConsentAct.NARROWED: N_("Un familiar redujo: %(scopes)s"),
    ConsentAct.WITHDRAWN: N_("Un familiar retiró: %(scopes)s"),
}
_RELAYED = {
    ConsentAct.GIVEN: N_("Quien reportó autorizó, donde se tomó el reporte: %(scopes)s"),
    ConsentAct.NARROWED: N_("Quien reportó redujo, donde se tomó el reporte: %(scopes)s"),
    ConsentAct.WITHDRAWN: N_("Quien reportó retiró, donde se tomó el reporte: %(scopes)s"),
}
_LOOKED = {
    "case.open": N_("Abrió el expediente"),
    "case.person": N_("Leyó los datos de la persona"),
    "case.reporter": N_("Leyó quién pide la búsqueda"),
    "request.open": N_("Abrió la solicitud"),
    "received.open": N_("Leyó los datos que llegaron"),
    "case.family": N_("Abrió «quién tiene qué» para leerlo con la familia"),
    "attachment.seen": N_("Vio un adjunto"),
    "attachment.saved": N_("Sacó un adjunto del nodo"),
}
_DID = {
    "work.take": N_("Tomó el trabajo"),
    "work.move": N_("Pasó el trabajo a otra oficina"),
    "work.end": N_("Dio el trabajo por terminado"),
    "leaving.approved": N_("Dio la segunda aprobación"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One event. `address` is where more of it can be read; empty where nothing more is."""

    at: datetime
    sort: str
    text: str
    who: str = ""
    address: str = ""
    name: str = ""


def messages(said: Sequence[Mapping[str, Any]], told: Words, name: Callable[[str], str]) -> list[Line]:
    """Return the messages of a case."""
    return [_message(item, told, name) for item in said]


def _message(item: Mapping[str, Any], told: Words, name: Callable[[str], str]) -> Line:
    kind, peer = word("kind", item["kind"], told.lang), name(item["peer"])
    pattern = N_("Para %(peer)s: %(kind)s") if item["ours"] else N_("De %(peer)s: %(kind)s")
    parts = [told.gettext(pattern) % {"peer": peer, "kind": kind}]
    parts += [told.gettext("con datos de la persona")] if item["records"] else []
    parts += [told.gettext(_DELIVERY[item["delivery"]])] if item["delivery"] in _DELIVERY else []
    start = PAGES.get(item["machine"], "")
    address = f"{start}{item['opening']}" if start else ""
    return Line(item["at"], MESSAGES, " · ".join(parts), address=address, name=folio(item["machine"], item["opening"]))


def consents(events: Sequence[ConsentEvent], told: Words) -> list[Line]:
    """Return what relatives decided. Who they are nobody reads here: the node does not know their names."""
    return [
        Line(
            datetime.fromtimestamp(event.effective_at, UTC),
            DECISIONS,
            told.gettext(_decided(event)) % {"scopes": scopes_in_words(event.scopes, told)},
        )
        for event in events
    ]


def _decided(event: ConsentEvent) -> str:
    return (_RELAYED if event.form is ConsentForm.RELAYED else _CONSENT)[event.act]


def scopes_in_words(scopes: Any, told: Words) -> str:
    """Return scopes of consent, by their labels, in the order of the policy."""
    labels = [SCOPES[scope] for scope in SCOPES if scope in scopes]
    return ", ".join(label.en if told.lang == "en" else label.es for label in labels)


def wishes(events: Sequence[Mapping[str, Any]], told: Words) -> list[Line]:
    """Return that the person found said what they want; what it was stands where it is needed."""
    return [Line(item["at"], DECISIONS, told.gettext("La persona dijo qué quiere que se sepa")) for item in events]


def target_in_words(target: str, told: Words, name: Callable[[str], str]) -> str:
    """Return whom a rule names: an institution, all of a country, all of a role."""
    if target.startswith("country:"):
        return told.gettext("todo lo del país %(code)s") % {"code": target.removeprefix("country:").upper()}
    return name(target) if "." in target else word("role", target, told.lang)


def rules(found: Sequence[Mapping[str, Any]], told: Words, name: Callable[[str], str]) -> list[Line]:
    """Return whom the case must never reach."""
    lines = []
    for item in found:
        target = target_in_words(item["target"], told, name)
        lines.append(Line(item["at"], DECISIONS, told.gettext("Nada debe llegar a %(target)s") % {"target": target}))
        if item["lifted"] is not None:
            text = told.gettext("Se levantó la regla de que nada llegue a %(target)s") % {"target": target}
            lines.append(Line(item["lifted"], DECISIONS, text))
    return lines


def acts(leaves: Sequence[Any], told: Words, who: Mapping[str, str]) -> list[Line]:
    """Return who looked and who decided, as the node's own log has it."""
    found = []
    for leaf in leaves:
        opened = open_leaf(leaf.data, leaf.disclosures)
        what = str(opened.get("detail", "")).partition(" ")[0]
        texts, sort = (_LOOKED, ACCESSES) if what in _LOOKED else (_DID, DECISIONS)
        if what in texts and "ts" in opened:
            person = who.get(str(opened.get("actor", "")), "")
            found.append(Line(datetime.fromtimestamp(opened["ts"], UTC), sort, told.gettext(texts[what]), who=person))
    return found


def in_order(lines: Sequence[Line], sort: str, most: int) -> list[Line]:
    """Return the newest lines, of one sort or of all."""
    chosen = [line for line in lines if sort not in SORTS or line.sort == sort]
    return sorted(chosen, key=lambda line: line.at, reverse=True)[:most]
