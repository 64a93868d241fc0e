"""Work in words people read: its state, its term, the section of the inbox it stands in. Pure; Spanish."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from contracts.services import SERVICES, Service
from contracts.threads import CLOSED, Side

LATE, TODAY, ACCEPT, ANSWER, NEW, RUNNING, OTHERS, UNDELIVERED, OVER = (
    "Vencidas",
    "Vencen hoy",
    "Por aceptar",
    "Por responder",
    "Nuevas",
    "En curso",
    "Esperando a otros",
    "No entregadas",
    "Terminadas",
)
SECTIONS = (LATE, TODAY, ACCEPT, ANSWER, NEW, RUNNING, OTHERS, UNDELIVERED, OVER)
"""In the order they are shown."""
_TO_DO = frozenset({LATE, TODAY, ACCEPT, ANSWER, NEW})

KINDS: Mapping[str, str] = {
    "report": "Reporte",
    "search": "Solicitud",
    "referral": "Referencia",
    "finding": "Hallazgo",
    "duty": "Aviso por deber",
    "disclosure": "Petición de datos",
    "erasure": "Supresión",
    "identity": "Verificación de identidad",
}

_AT_ONCE = frozenset({"report", "finding", "duty"})
_REFERRAL: Mapping[tuple[str, str], str] = {
    (Side.OPENER, "offered"): "Entregada, sin respuesta",
    (Side.OPENER, "withdrawing"): "Retirándose: falta que lo confirmen",
    (Side.OPENER, "accepted"): "Aceptada, en curso",
    (Side.OPENER, "declined"): "Rechazada",
    (Side.OPENER, "withdrawn"): "Retirada",
    (Side.OPENER, "done"): "Realizada",
    (Side.ADDRESSEE, "start"): "En camino",
    (Side.ADDRESSEE, "offered"): "Por aceptar",
    (Side.ADDRESSEE, "withdrawing"): "Retirada por quien la envió",
    (Side.ADDRESSEE, "accepted"): "Aceptada, en curso",
    (Side.ADDRESSEE, "declined"): "Rechazada",
    (Side.ADDRESSEE, "withdrawn"): "Retirada por quien la envió",
    (Side.ADDRESSEE, "done"): "Realizada",
}
_DELIVERY = {
    "waiting": "En espera de enlace",
    "rejected": "No la recibieron",
    "dead": "Venció sin recibo: no se sabe si llegó",
}
_UNHEARD = frozenset({"offered", "open"})
"""Nothing that came back says that the peer has it."""


def shown(item: Mapping[str, Any], now: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return an item with its words: `kind_es`, `state_es`, `due_es`, `section`, `service_es`."""
    due = None if item["due"] is None else datetime.fromisoformat(item["due"])
    awaited = item["awaited"] is not None or (_unanswered(item) and item["has_it"] is None)
    service = item["service"]
    return {
        **item,
        "kind_es": KINDS.get(item["machine"], item["machine"]),
        "state_es": state_words(item),
        "due_es": "sin plazo" if due is None else _due(item, due, now, zone) if awaited else "respondida",
        "section": section(item, due if awaited else None, now, zone),
        "service_es": None if service is None else SERVICES[Service(service)].es,
    }


def state_words(item: Mapping[str, Any]) -> str:  # noqa: PLR0911 - a line a case
    """Return where an item stands, as its side may say it: withdrawn is said only of what the other side confirmed."""
    if item["ended"] is not None:
        return "Terminada"
    ours = item["side"] == Side.OPENER
    if ours and item["state"] in _UNHEARD and item["delivery"] in _DELIVERY:
        return _DELIVERY[item["delivery"]]
    if item["machine"] == "referral":
        reached = item["outcome"] if item["state"] == CLOSED else item["state"]
        return _REFERRAL[Side(item["side"]), reached]
    if not ours and item["machine"] in _AT_ONCE:
        return "Nueva" if item["has_it"] is None else "En trabajo"
    if item["state"] == CLOSED:
        return "Respondida"
    return "Esperando respuesta" if ours else "Por responder"


def due_words(due: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a term in words, on the office's own clock; one that passed can still be answered."""
    there, today = due.astimezone(zone), now.astimezone(zone).date()
    left = due - now
    if left < timedelta():
        return f"vencida hace {_span(-left)}; aún puede responderse"
    if there.date() == today:
        return f"vence hoy {there:%H:%M}, en {_span(left)}"
    if there.date() == today + timedelta(days=1):
        return f"vence mañana {there:%H:%M}"
    return f"vence el {there:%Y-%m-%d %H:%M}, en {_span(left)}"


def _due(item: Mapping[str, Any], due: datetime, now: datetime, zone: tzinfo) -> str:
    told = "; se avisó a la jefatura" if item["escalated"] is not None else ""
    return due_words(due, now, zone) + told


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} días"


def section(  # noqa: PLR0911 - a line a section
    item: Mapping[str, Any], due: datetime | None, now: datetime, zone: tzinfo
) -> str:
    """Return the section of the inbox an item stands in; `due` is None when nobody owes a word by a moment."""
    if item["ended"] is not None or (item["state"] == CLOSED and not _unanswered(item)):
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
    return ANSWER


def _unanswered(item: Mapping[str, Any]) -> bool:
    """Whether only the machine's acknowledgement has ended the exchange, and people's work goes on."""
    return item["side"] == Side.ADDRESSEE and item["machine"] in _AT_ONCE and item["ended"] is None


def headline(items: Sequence[Mapping[str, Any]]) -> str:
    """Return the inbox in a sentence."""
    to_do = sum(item["section"] in _TO_DO for item in items)
    late = sum(item["section"] == LATE for item in items)
    if not items:
        return "No hay nada en la bandeja. Lo que llegue para su oficina aparecerá aquí."
    return f"{to_do} por atender. {late} {'vencida' if late == 1 else 'vencidas'}."
