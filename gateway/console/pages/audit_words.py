"""Entries of the log in words: who did what, and what each of its fields says. Pseudonyms, codes, names of fields."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from contracts.errors import SignatureError
from contracts.policy import Policy
from contracts.policy.words import word
from gateway.console.marking import N_
from gateway.console.words import Words
from gateway.storage.log import LoggedLeaf
from keys.leaves import open_leaf

ACTS: Mapping[str, str] = {
    "request.open": N_("abrió una solicitud"),
    "received.open": N_("leyó lo que llegó"),
    "held.open": N_("miró lo que espera salir"),
    "evidence.export": N_("sacó una constancia"),
    "window.read": N_("leyó una ventana de supervisión"),
    "audit.read": N_("consultó la auditoría"),
    "case.open": N_("abrió un expediente"),
    "attachment.saved": N_("guardó fuera un archivo adjunto"),
    "request.declined": N_("dijo que no se puede responder"),
    "request.no-information": N_("dijo que no hay información"),
    "wish.recorded": N_("anotó lo que quiere la persona localizada"),
    "leaving.approved": N_("dio la segunda aprobación"),
    "leaving.text-released": N_("leyó un texto y lo dejó salir"),
    "leaving.text-discarded": N_("descartó un texto"),
    "leaving.dropped": N_("descartó lo preparado"),
    "outbox.retried": N_("mandó reintentar un envío"),
}
EVENTS: Mapping[str, str] = {
    "msg.sent": N_("Se envió un mensaje"),
    "msg.received": N_("Se recibió un mensaje"),
    "msg.refused": N_("Se rechazó un mensaje en la puerta"),
    "msg.dead": N_("Un mensaje venció sin recibo"),
    "msg.not-handled": N_("Llegó un mensaje que aquí no se atiende"),
    "msg.quarantined": N_("Un mensaje quedó apartado"),
    "msg.conflict": N_("Llegó otro mensaje con el mismo identificador"),
    "ask.answered": N_("Se respondió una pregunta de nodo a nodo"),
    "door.unauthenticated": N_("Alguien sin identificar llamó a la puerta"),
    "key.operation": N_("Se usaron las llaves del nodo"),
    "trust.changed": N_("Cambió el registro de miembros"),
    "admin.action": N_("Alguien hizo algo en este nodo"),
}
FIELDS: Mapping[str, str] = {
    "ev": N_("Suceso"),
    "actor": N_("Quién (seudónimo)"),
    "detail": N_("Qué hizo"),
    "outcome": N_("Resultado"),
    "peer": N_("Otra institución"),
    "type": N_("Tipo de mensaje"),
    "purpose": N_("Finalidad"),
    "basis": N_("Base legal"),
    "fields": N_("Campos que salieron (sin valores)"),
    "pol": N_("Versión de la política"),
    "trust": N_("Versión del registro"),
    "jti": N_("Identificador del mensaje"),
    "msg_sha256": N_("Resumen del mensaje"),
}
"""What of an entry is shown to whoever audits, in this order; the case's alias and the record's id stay."""
REFUSED: Mapping[str, str] = {
    "over-disclosure": N_("traía más de lo que la política deja"),
    "not-permitted": N_("la política no lo permite a quien lo envió, o no así"),
    "sender-suspended": N_("quien lo envió está suspendido"),
    "sender-unknown": N_("no se sabe quién lo envió"),
    "policy-unknown": N_("nombraba una política que aquí no se conoce"),
    "record-invalid": N_("un registro de los que traía no se pudo comprobar"),
    "clock-skew": N_("su hora no podía ser"),
    "jti-conflict": N_("ya había otro mensaje con su identificador"),
    "key-retired": N_("estaba cerrado con una llave que ya no se usa"),
    "not-handled": N_("aquí no se atiende ese tipo de mensaje"),
    "expired": N_("llegó vencido"),
    "schema": N_("le faltaba o le sobraba algo"),
    "malformed": N_("no tenía la forma que debe"),
    "signature": N_("la firma no era de quien decía"),
    "wrong-mode": N_("era de un ejercicio, o al revés"),
    "trust-stale": N_("el registro de la red estaba atrasado"),
    "unsupported": N_("usaba algo que quien lo recibe aún no conoce"),
    "too-large": N_("era demasiado grande"),
    "envelope": N_("no se pudo abrir"),
    "not-me": N_("era para otra institución"),
    "slow-down": N_("llegaban demasiados a la vez; se intenta otra vez"),
    "locked": N_("quien lo recibe estaba cerrado; se intenta otra vez"),
    "unavailable": N_("quien lo recibe no atendía; se intenta otra vez"),
    "internal": N_("algo falló donde quien lo recibe; se intenta otra vez"),
    "receipt-invalid": N_("el recibo que volvió no era válido; se intenta otra vez"),
    "no-result": N_("la respuesta no lo nombraba; se intenta otra vez"),
    "expired-outcome-unknown": N_("venció sin recibo: no se sabe si llegó"),
}
"""Each code of a problem, and of what deliveries end or wait with."""


def opened(leaf: LoggedLeaf) -> dict[str, Any]:
    """Return what an entry says; nothing where it does not open, which its own page then says."""
    try:
        return open_leaf(leaf.data, leaf.disclosures)
    except SignatureError:
        return {}


def time_of(said: Mapping[str, Any]) -> datetime | None:
    """Return when it was written down."""
    at = said.get("ts")
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) and 0 <= at < 253402300800 else None


def act_of(said: Mapping[str, Any]) -> str:
    """Return the code of what somebody did."""
    detail = str(said.get("detail", ""))
    first = detail.split(" ", 1)[0]
    return str(said.get("outcome", first)) if "." not in first else first


def act_in_words(said: Mapping[str, Any], told: Words) -> str:
    """Return what somebody did, as people say it; the code where nobody worded it."""
    code = act_of(said)
    return told.gettext(ACTS[code]) if code in ACTS else code


def refusal_in_words(said: Mapping[str, Any], told: Words) -> str:
    """Return why a message was refused."""
    return code_in_words(str(said.get("outcome", said.get("detail", ""))), told)


def code_in_words(code: str, told: Words) -> str:
    """Return a code of the protocol for what was not taken, as people say it; the code where nobody worded it."""
    return told.gettext(REFUSED[code]) if code in REFUSED else code


def sentence(said: Mapping[str, Any], who: str, told: Words) -> str:
    """Return an entry in a sentence."""
    event = str(said.get("ev", ""))
    if event == "admin.action" and said.get("actor"):
        return told.gettext("%(who)s %(act)s.") % {"who": who, "act": act_in_words(said, told)}
    return told.gettext(EVENTS[event]) + "." if event in EVENTS else event


def fields_in_words(names: Sequence[str], policy: Policy, told: Words, record_type: str = "") -> list[str]:
    """Return what people call fields of a record; where nobody knows of which, every name they have: one alone may be wrong."""
    records = [record for record in policy.record_types() if record_type in {"", record.id}]
    found = []
    for name in names:
        labels = dict.fromkeys(record.fields[name].label(told.lang) for record in records if name in record.fields)
        found.append(" / ".join(labels) or name)
    return found


def with_form(label: str, form: str, told: Words) -> str:
    """Return a field with how coarsely it left, where that is not as it stands."""
    return label if form == "exact" else f"{label} ({word('form', form, told.lang)})"
