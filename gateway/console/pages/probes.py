"""Trials of links: one at a time and seldom, the last of each kept in memory, and what they found in words."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contracts.ids import ActorPseudonym, NodeId
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.words import Words
from gateway.exchange.probing import Fault, Looked, Probe, Step, probe
from gateway.people.desk import PeopleDesk

EVERY = timedelta(seconds=20)
"""How often one link may be tried: nobody knocks at a partner's door for fun."""

_STEPS: Mapping[Step, str] = {
    Step.REGISTER: N_("Registro de la red"),
    Step.NAME: N_("Nombre de su servidor (DNS)"),
    Step.CONNECTION: N_("Conexión (TCP)"),
    Step.CERTIFICATE: N_("Certificado (TLS)"),
    Step.IDENTITY: N_("Identidad"),
    Step.CLOCK: N_("Relojes"),
    Step.ECHO: N_("Ida y vuelta"),
}
_FINE: Mapping[Step, str] = {
    Step.REGISTER: N_("Es miembro y sus llaves están vigentes."),
    Step.NAME: N_("El nombre lleva a una dirección permitida."),
    Step.CONNECTION: N_("El servidor acepta conexiones."),
    Step.CERTIFICATE: N_("El certificado es el que el registro dice, o uno público válido."),
    Step.IDENTITY: N_("Contestó, y firmó con la llave que el registro tiene de ella."),
}
_FAULTS: Mapping[Fault, tuple[str, str]] = {
    Fault.NOT_ACTIVE: (
        N_("El registro no la tiene por activa: no se le envía nada."),
        N_("No hay que hacer nada aquí. Pregunte al registro de la red."),
    ),
    Fault.NO_KEYS: (N_("No ha publicado sus llaves."), N_("Que su administración envíe sus llaves al registro de la red.")),
    Fault.KEYS_EXPIRED: (
        N_("Sus llaves vencieron."),
        N_("Avise a su administración: se renuevan con `paradero keys renew` y las publica el registro."),
    ),
    Fault.NAME_UNKNOWN: (
        N_("Nadie sabe a qué dirección lleva el nombre."),
        N_("Compruebe el DNS de este equipo. Si otros nombres sí funcionan, avise a su administración."),
    ),
    Fault.OWN_NETWORK: (
        N_("El nombre lleva a una red a la que este nodo no se conecta."),
        N_("Si es una red de las dos instituciones, póngala en [federation] allowed_networks; si no, avise al registro."),
    ),
    Fault.REFUSED: (
        N_("El equipo está, pero nadie escucha en ese puerto."),
        N_("Avise a su administración: su nodo o su proxy no está en marcha."),
    ),
    Fault.SILENCE: (
        N_("Nadie contesta."),
        N_("Compruebe la red y el cortafuegos de este equipo; si otros enlaces funcionan, avise a su administración."),
    ),
    Fault.UNREACHABLE: (N_("No hay camino hasta su servidor."), N_("Compruebe la red y el cortafuegos de este equipo.")),
    Fault.OTHER_CERTIFICATE: (
        N_("Muestra otro certificado que el que el registro dice: no se le envía nada."),
        N_("Llame a su administración por teléfono. Si cambió el certificado, debe publicar llaves con la huella nueva."),
    ),
    Fault.NOT_TRUSTED: (
        N_("Su certificado no vale: venció, es de otro nombre, o nadie conocido lo firmó."),
        N_("Avise a su administración."),
    ),
    Fault.HANDSHAKE: (
        N_("No se pudo abrir la conexión cifrada (TLS 1.3)."),
        N_("Puede ser un cortafuegos que mira dentro de las conexiones, de cualquiera de los dos lados."),
    ),
    Fault.NO_REPLY: (
        N_("Hay servidor, pero no dio una respuesta firmada."),
        N_("Avise a su administración: que ejecute `paradero doctor`."),
    ),
    Fault.REPLY_REFUSED: (
        N_("La pregunta o su respuesta no se aceptó."),
        N_("Compruebe los relojes, abajo si se ven, y el registro en ambos lados: `paradero doctor`."),
    ),
    Fault.CLOCK_AHEAD: (
        N_("Su reloj va %(span)s por delante del nuestro."),
        N_("A los cinco minutos ya no se aceptan mensajes. Compruebe la hora de los dos equipos: timedatectl."),
    ),
    Fault.CLOCK_BEHIND: (
        N_("Su reloj va %(span)s por detrás del nuestro."),
        N_("A los cinco minutos ya no se aceptan mensajes. Compruebe la hora de los dos equipos: timedatectl."),
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One step as people read it. `state`: fine, wrong or untried; `mark` says it too, and so does `told`."""

    state: str
    mark: str
    step: str
    told: str
    advice: str = ""


class Probes:
    """Runs trials and remembers the last of each link, as long as the node runs."""

    def __init__(self, operations: Operations, desk: PeopleDesk) -> None:
        self._operations = operations
        self._desk = desk
        self._one = asyncio.Lock()
        self._last: dict[NodeId, Probe] = {}
        self._begun: dict[NodeId, datetime] = {}

    def last(self, peer: NodeId) -> Probe | None:
        """Return the last trial of a link."""
        return self._last.get(peer)

    async def run(self, peer: NodeId, *, actor: ActorPseudonym) -> int:
        """Try a link; or return the seconds until that may be, and then nothing was tried."""
        now = self._operations.node.clock.now()
        begun = self._begun.get(peer)
        if begun is not None and now - begun < EVERY:
            return max(1, round((EVERY - (now - begun)).total_seconds()))
        if self._one.locked():
            return 5
        self._begun[peer] = now
        async with self._one:
            await self._desk.record(f"link.test {peer}", actor=actor)
            self._last[peer] = await probe(peer, self._operations.node, self._operations.room.line, actor=actor)
        return 0


def probe_in_words(found: Probe, told: Words) -> list[Line]:
    """Return every step, those that were not tried too."""
    tried = {looked.step: looked for looked in found.steps}
    return [_line(step, tried.get(step), told) for step in Step]


def _line(step: Step, looked: Looked | None, told: Words) -> Line:
    name = told.gettext(_STEPS[step])
    if looked is None:
        return Line("untried", "–", name, told.gettext("No se probó."))
    if looked.fault is None:
        return Line("fine", "✓", name, _fine(looked, told))
    what, advice = _FAULTS[looked.fault]
    spoken = told.gettext(what)
    if looked.apart is not None:
        spoken %= {"span": told.span(abs(looked.apart))}
    return Line("wrong", "✗", name, spoken, told.gettext(advice) if advice else "")


def _fine(looked: Looked, told: Words) -> str:
    if looked.step is Step.CLOCK:
        return told.gettext("Los dos relojes van iguales, con menos de dos minutos de diferencia.")
    if looked.step is Step.ECHO:
        took = 0.0 if looked.took is None else looked.took.total_seconds()
        return told.gettext("Una pregunta sellada fue y su respuesta volvió en %(seconds)s s.") % {"seconds": f"{took:.1f}"}
    return told.gettext(_FINE[looked.step])


def probe_as_dict(found: Probe) -> dict[str, Any]:
    """Return a trial for programs: steps that were tried, in order; times in milliseconds and seconds."""
    return {
        "at": found.at.isoformat(timespec="seconds"),
        "fine": found.fine,
        "steps": [
            {
                "step": looked.step.value,
                "fault": None if looked.fault is None else looked.fault.value,
                "took_ms": None if looked.took is None else round(looked.took.total_seconds() * 1000),
                "apart_s": None if looked.apart is None else round(looked.apart.total_seconds()),
            }
            for looked in found.steps
        ],
    }


def probe_of_dict(told: Mapping[str, Any]) -> Probe:
    """Return the trial that `probe_as_dict` told of."""
    steps = (
        Looked(
            Step(item["step"]),
            None if item["fault"] is None else Fault(item["fault"]),
            None if item["took_ms"] is None else timedelta(milliseconds=item["took_ms"]),
            None if item["apart_s"] is None else timedelta(seconds=item["apart_s"]),
        )
        for item in told["steps"]
    )
    return Probe(datetime.fromisoformat(told["at"]), tuple(steps))
