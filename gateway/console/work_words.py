"""Work in words people read: its state, its term, the section of the inbox it stands in. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from contracts.services import SERVICES, Service
from contracts.threads import CLOSED, Side
from gateway.console.marking import N_
from gateway.console.words import Words, words
from gateway.storage.worklists import Section

SPANISH = words("es")

LATE, TODAY, ACCEPT, ANSWER, NEW, CHECKING, RUNNING, OTHERS, UNDELIVERED, OVER = (
    N_("Vencidas"),
    N_("Vencen hoy"),
    N_("Por aceptar"),
    N_("Por responder"),
    N_("Nuevas"),
    N_("En verificación"),
    N_("En curso"),
    N_("Esperando a otros"),
    N_("No entregadas"),
    N_("Terminadas"),
)
SECTIONS = (LATE, TODAY, ACCEPT, ANSWER, NEW, CHECKING, RUNNING, OTHERS, UNDELIVERED, OVER)
"""In the order they are shown."""
NAMED: Mapping[Section, str] = dict(zip(Section, SECTIONS, strict=True))
"""Each section as the database finds it, and what it is called."""
_TO_DO = frozenset({LATE, TODAY, ACCEPT, ANSWER, NEW})

KINDS: Mapping[str, str] = {
    "report": N_("Reporte"),
    "search": N_("Solicitud"),
    "referral": N_("Referencia"),
    "finding": N_("Hallazgo"),
    "duty": N_("Aviso por deber"),
    "disclosure": N_("Petición de datos"),
    "erasure": N_("Supresión"),
    "identity": N_("Verificación de identidad"),
}

QUESTIONS = frozenset({"search", "disclosure"})
_AT_ONCE = frozenset({"report", "finding", "duty"})
_REFERRAL: Mapping[tuple[str, str], str] = {
    (Side.OPENER, "offered"): N_("Entregada, sin respuesta"),
    (Side.OPENER, "withdrawing"): N_("Retirándose: falta que lo confirmen"),
    (Side.OPENER, "accepted"): N_("Aceptada, en curso"),
    (Side.OPENER, "declined"): N_("Rechazada"),
    (Side.OPENER, "withdrawn"): N_("Retirada"),
    (Side.OPENER, "done"): N_("Realizada"),
    (Side.ADDRESSEE, "start"): N_("En camino"),
    (Side.ADDRESSEE, "offered"): N_("Por aceptar"),
    (Side.ADDRESSEE, "withdrawing"): N_("Retirada por quien la envió"),
    (Side.ADDRESSEE, "accepted"): N_("Aceptada, en curso"),
    (Side.ADDRESSEE, "declined"): N_("Rechazada"),
    (Side.ADDRESSEE, "withdrawn"): N_("Retirada por quien la envió"),
    (Side.ADDRESSEE, "done"): N_("Realizada"),
}
_DELIVERY = {
    "waiting": N_("En espera de enlace"),
    "rejected": N_("No la recibieron"),
    "dead": N_("Venció sin recibo: no se sabe si llegó"),
}
_UNHEARD = frozenset({"offered", "open"})
"""Nothing that came back says that the peer has it."""


def shown(item: Mapping[str, Any], now: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return an item with its words in Spanish: `kind_es`, `state_es`, `due_es`, `section`, `service_es`."""
    told, service = told_of(item, now, zone, SPANISH), item["service"]
    return {
        **item,
        "kind_es": told.kind,
        "state_es": told.state,
        "due_es": told.due,
        "section": told.section,
        "service_es": None if service is None else SERVICES[Service(service)].es,
    }


@dataclass(frozen=True, slots=True)
class Told:
    """An item in words. `section` stands in Spanish, as `SECTIONS` has it; the rest in the language asked for."""

    kind: str
    state: str
    due: str
    section: str


def told_of(item: Mapping[str, Any], now: datetime, zone: tzinfo, words: Words) -> Told:
    """Return the words of an item."""
    due = None if item["due"] is None else datetime.fromisoformat(item["due"])
    awaited = item["awaited"] is not None or (_unanswered(item) and item["has_it"] is None)
    kind = words.gettext(KINDS[item["machine"]]) if item["machine"] in KINDS else item["machine"]
    if due is None:
        term = words.gettext("sin plazo")
    else:
        term = _due(item, due, now, zone, words) if awaited else words.gettext("respondida")
    return Told(kind, state_words(item, words), term, section(item, due if awaited else None, now, zone))


def state_words(item: Mapping[str, Any], words: Words = SPANISH) -> str:
    """Return where an item stands, as its side may say it: withdrawn is said only of what the other side confirmed."""
    return words.gettext(_state(item))


def _state(item: Mapping[str, Any]) -> str:  # noqa: PLR0911 - a line a case
    if item["state"] == "erased":
        return N_("Suprimida")
    if item["ended"] is not None:
        return N_("Terminada")
    ours = item["side"] == Side.OPENER
    if ours and item["state"] in _UNHEARD and item["delivery"] in _DELIVERY:
        return _DELIVERY[item["delivery"]]
    if item["machine"] == "referral":
        reached = item["outcome"] if item["state"] == CLOSED else item["state"]
        return _REFERRAL[Side(item["side"]), reached]
    if not ours and item["machine"] in _AT_ONCE:
        return _arrived(item)
    if item["state"] == CLOSED:
        return N_("Respondida")
    return N_("Esperando respuesta") if ours else _asked(item)


def _arrived(item: Mapping[str, Any]) -> str:
    """Return where that stands which the node acknowledged by itself and people end: of an alert also that it is over."""
    if item["machine"] == "duty" and item["state"] == CLOSED:
        return N_("Quien avisó dijo que terminó")
    return N_("Nueva") if item["has_it"] is None else N_("En trabajo")


def _asked(item: Mapping[str, Any]) -> str:
    if item["prepared"]:
        return N_("Respuesta preparada; aún no sale")
    return N_("En verificación") if item["machine"] in QUESTIONS and item["has_it"] is not None else N_("Por responder")


def due_words(due: datetime, now: datetime, zone: tzinfo, words: Words = SPANISH) -> str:
    """Return a term in words, on the office's own clock; one that passed can still be answered."""
    there, today = due.astimezone(zone), now.astimezone(zone).date()
    left, at = due - now, {"time": words.time(due, zone), "day": words.day(due, zone), "left": words.span(abs(due - now))}
    if left < timedelta():
        return words.gettext("vencida hace %(left)s; aún puede responderse") % at
    if there.date() == today:
        return words.gettext("vence hoy %(time)s, en %(left)s") % at
    if there.date() == today + timedelta(days=1):
        return words.gettext("vence mañana %(time)s") % at
    return words.gettext("vence el %(day)s, %(time)s, en %(left)s") % at


def _due(item: Mapping[str, Any], due: datetime, now: datetime, zone: tzinfo, words: Words) -> str:
    told = due_words(due, now, zone, words)
    if item["overseen"] is not None:
        return told + words.gettext("; se avisó a la jefatura, y después a protección de datos y a la administración")
    return told + (words.gettext("; se avisó a la jefatura") if item["escalated"] is not None else "")


def section(  # noqa: PLR0911 - a line a section
    item: Mapping[str, Any], due: datetime | None, now: datetime, zone: tzinfo
) -> str:
    """Return the section of the inbox an item stands in; `due` is None when nobody owes a word by a moment."""
    if is_over(item):
        return OVER
    if item["side"] == Side.OPENER and item["state"] in _UNHEARD and item["delivery"] in {"rejected", "dead"}:
        return UNDELIVERED
    if due is not None and due < now:
        return LATE
    if item["side"] == Side.OPENER:
        return OTHERS
    if due is not None and due.astimezone(zone).date() == now.astimezone(zone).date():
        return TODAY
    return _ours(item)


def _ours(item: Mapping[str, Any]) -> str:
    if item["machine"] == "referral":
        return ACCEPT if item["state"] in {"start", "offered"} else RUNNING
    if item["machine"] in _AT_ONCE:
        return NEW if item["has_it"] is None else RUNNING
    checked = item["machine"] in QUESTIONS and (item["has_it"] is not None or item["prepared"])
    return CHECKING if checked else ANSWER


def is_over(item: Mapping[str, Any]) -> bool:
    """Return whether nobody has anything left to do about an item."""
    return item["ended"] is not None or (item["state"] == CLOSED and not _unanswered(item))


def _unanswered(item: Mapping[str, Any]) -> bool:
    """Whether only the machine's acknowledgement has ended the exchange, and people's work goes on."""
    return item["side"] == Side.ADDRESSEE and item["machine"] in _AT_ONCE and item["ended"] is None


def headline(items: Sequence[Mapping[str, Any]], words: Words = SPANISH) -> str:
    """Return the inbox in a sentence. An item is anything with its `section`."""
    to_do = sum(item["section"] in _TO_DO for item in items)
    late = sum(item["section"] == LATE for item in items)
    return _headline(to_do, late, empty=not items, words=words)


def counted(counts: Mapping[Section, int], words: Words) -> str:
    """As `headline`, of how many items stand in each section; and how many of ours did not arrive."""
    found = {NAMED[section]: number for section, number in counts.items()}
    to_do, late, lost = sum(found.get(name, 0) for name in _TO_DO), found.get(LATE, 0), found.get(UNDELIVERED, 0)
    told = _headline(to_do, late, empty=not any(found.values()), words=words)
    if lost:
        told += " " + words.ngettext("%(number)s no entregada.", "%(number)s no entregadas.", lost) % {"number": lost}
    return told


def delivery_words(state: str, words: Words) -> str:
    """Return how far a message of ours got that is not delivered."""
    return words.gettext(_DELIVERY[state]) if state in _DELIVERY else state


def _headline(to_do: int, late: int, *, empty: bool, words: Words) -> str:
    if empty:
        return words.gettext("No hay nada en la bandeja. Lo que llegue para su oficina aparecerá aquí.")
    waiting = words.ngettext("%(number)s por atender.", "%(number)s por atender.", to_do) % {"number": to_do}
    over = words.ngettext("%(number)s vencida.", "%(number)s vencidas.", late) % {"number": late}
    return f"{waiting} {over}"
