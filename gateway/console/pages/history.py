"""What happened to a request, in sentences: from what was said in it and from this node's own log, with people's names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.ids import MessageId
from contracts.policy.words import word
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.words import Words
from gateway.people.ports import Office
from gateway.storage.audit_models import AuditModels
from keys.leaves import open_leaf

MOVES = {
    "competence": N_("corresponde a otra oficina o persona"),
    "workload": N_("reparto del trabajo"),
    "absence": N_("quien la tenía no está"),
    "conflict": N_("quien la tenía no debe verla"),
    "other": N_("otro motivo"),
}
"""Why work is passed on. The code stays in this node's log."""
REASSIGNED = N_("Se reasignó. Quien la tiene ahora la ve en su bandeja.")
DONE = {
    "sin-informacion": N_("Queda dicho que no hay información. Saldrá a la hora que toca a toda respuesta."),
    "prorroga": N_("Se pidió más tiempo. Quien pregunta lo sabrá a la hora que toca a toda respuesta, y nada más."),
    "aclaracion": N_("Se pidieron más datos de la persona buscada. La respuesta llegará a la bandeja."),
    "rechazo": N_("Queda dicho que esta institución no puede responder. El motivo se quedó en este nodo."),
    "rechazo-otro": N_("Quien pregunta leerá «sin información». El motivo se quedó en este nodo."),
    "con-vida": N_("Quedó firmado. Sale a la hora de toda respuesta; si necesita a otra persona, está en «Por aprobar»."),
    "tomada": N_("Usted la tiene ahora."),
    "de-otra-persona": N_("Ya la tiene otra persona, o se terminó."),
    "reasignada": REASSIGNED,
    "guardado": N_("Está guardado y no se envió nada. Se borra siete días después del último cambio, o al responder."),
    "ya": N_("Esta solicitud ya tenía respuesta, o este formulario ya había llegado. No se envió otra vez."),
}
_TOLD: Mapping[str, str] = {
    "work.take": N_("%(who)s la tomó"),
    "work.end": N_("%(who)s la dio por terminada"),
    "request.open": N_("%(who)s la abrió"),
    "deadline-near": N_("Se avisó que el plazo se acerca"),
    "deadline-passed": N_("Se avisó a la jefatura que el plazo venció"),
    "deadline-ignored": N_("Se avisó a protección de datos y a la administración que nadie respondió"),
    "request.declined": N_("%(who)s dijo que no se puede responder"),
    "request.no-information": N_("%(who)s dijo que no hay información"),
    "candidate.no": N_("%(who)s comparó un registro y dijo que no es la persona"),
    "candidate.maybe": N_("%(who)s comparó un registro y dijo que podría ser la persona"),
    "candidate.yes": N_("%(who)s comparó un registro y dijo que es la persona"),
    "candidate.search": N_("%(who)s buscó entre los registros de este nodo"),
}
_OPENED = "request.open"
_MOST = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `looked`: somebody only looked at it."""

    at: datetime
    text: str
    looked: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a page knows when it says what was done: what happened, who is who, and who reads it."""

    lines: Sequence[Line]
    names: Mapping[str, str]
    reader: str


async def history(
    request_id: MessageId,
    work: Mapping[str, Any] | None,
    names: Mapping[str, str],
    offices: Sequence[Office],
    operations: Operations,
    told: Words,
) -> list[Line]:
    """Return what happened, oldest first; of somebody who looked more than once in a day, once."""
    lines = [_said(line, told) for line in (work or {}).get("said", ())]
    acts, _ = await AuditModels(operations.models.engine).acts({str(request_id)}, skip=0, most=_MOST)
    for leaf in acts:
        found = _line(open_leaf(leaf.data, leaf.disclosures), names, offices, told)
        again = found is not None and found.looked and any(_same_day(found, line) for line in lines)
        if found is not None and not again:
            lines.append(found)
    return sorted(lines, key=lambda line: line.at)


def _same_day(one: Line, other: Line) -> bool:
    return other.looked and one.text == other.text and one.at.date() == other.at.date()


def _said(line: Mapping[str, Any], told: Words) -> Line:
    kind = word("kind", line["kind"], told.lang)
    text = told.gettext("Salió de aquí: %(kind)s") if line["ours"] else told.gettext("Llegó: %(kind)s")
    return Line(datetime.fromisoformat(line["at"]), text % {"kind": kind})


def _line(leaf: Mapping[str, Any], names: Mapping[str, str], offices: Sequence[Office], told: Words) -> Line | None:
    who = names.get(str(leaf.get("actor")), told.gettext("alguien de esta institución"))
    at, detail = datetime.fromtimestamp(leaf["ts"], UTC), str(leaf.get("detail") or "")
    words = detail.split() if detail.split()[:1] and not detail.startswith("as-of") else str(leaf.get("outcome") or "").split()
    if not words:
        return None
    if words[0] in {"work.move", "work.give"} and len(words) > 1:
        return Line(at, _moved(words, who, names, offices, told), who=who)
    if words[0] in _TOLD:
        return Line(at, told.gettext(_TOLD[words[0]]) % {"who": who}, words[0] == _OPENED, who)
    return None


def _moved(words: Sequence[str], who: str, names: Mapping[str, str], offices: Sequence[Office], told: Words) -> str:
    if words[0] == "work.give":
        to = names.get(words[1], told.gettext("otra persona"))
        text = told.gettext("%(who)s la dio a %(to)s")
    else:
        office = next((office for office in offices if office.code == words[1]), None)
        to = words[1] if office is None else office.name(told.lang)
        text = told.gettext("%(who)s la pasó a la oficina %(to)s")
    said = text % {"who": who, "to": to}
    return f"{said}: {told.gettext(MOVES[words[2]])}" if len(words) > 2 and words[2] in MOVES else said


def told_done(done: str, work: Mapping[str, Any] | None, waiting: Mapping[str, Any] | None, known: Told, told: Words) -> str:
    """Return what was just done, and who was first where somebody else was."""
    if done == "de-otra-persona" and work is not None and work["has_it_name"]:
        return told.gettext("Ya la tiene %(name)s.") % {"name": work["has_it_name"]}
    if done == "ya" and waiting is not None and waiting["drafted_by"] != known.reader:
        name = known.names.get(waiting["drafted_by"], "")
        if name:
            return told.gettext("Ya la respondió %(name)s. De usted no se envió nada.") % {"name": name}
    return told.gettext(DONE[done]) if done in DONE else ""
