"""What a verification says to people: each step, and what a pass does not prove, in Spanish and English (SPEC 7.4)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from contracts.ids import NodeId


class Outcome(StrEnum):
    """How a check ended. Absent: nothing was there to check, which proves nothing."""

    OK = "ok"
    FAILED = "failed"
    ABSENT = "absent"


class Words(NamedTuple):
    """One sentence in both languages."""

    es: str
    en: str


@dataclass(frozen=True, slots=True)
class Step:
    """One check and how it ended."""

    name: str
    outcome: Outcome
    es: str
    en: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a verification came to know; it decides what must be said of what it does not prove."""

    root_compared: bool = False
    witnessed: bool = False
    redacted: bool = False
    exercise: bool = False
    demo: bool = False
    inactive: tuple[NodeId, ...] = ()


STEPS = {
    "shape": Words("El archivo tiene la forma de una constancia", "The file has the shape of a bundle"),
    "root-fingerprint": Words(
        "La huella de la raíz es la que se comparó", "The root's fingerprint is the one it was compared with"
    ),
    "register": Words("El registro de miembros verifica desde su raíz", "The register of members verifies from its root"),
    "message": Words("La firma del mensaje es del nodo remitente", "The message's signature is the sender node's"),
    "receipt": Words("La firma del recibo es del nodo que lo emite", "The receipt's signature is the node's that issued it"),
    "digest": Words("El recibo nombra exactamente este mensaje", "The receipt names exactly this message"),
    "addressing": Words("Remitente, destinatario e identificador concuerdan", "Sender, recipient and identifier agree"),
    "times": Words("Las horas no se contradicen", "The times do not contradict each other"),
    "acceptance": Words(
        "El destinatario dice: autenticado, guardado y anotado", "The recipient says: authenticated, stored and logged"
    ),
    "sender-leaf": Words("La anotación del remitente dice este mensaje", "The sender's log entry says this message"),
    "sender-log": Words("El registro dice cuál es la bitácora del remitente", "The register says which log is the sender's"),
    "sender-inclusion": Words(
        "La anotación está en la bitácora firmada del remitente", "The entry is in the sender's signed log"
    ),
    "promise": Words(
        "El recibo promete una anotación en la bitácora del destinatario",
        "The receipt promises an entry in the recipient's own log",
    ),
    "recipient-inclusion": Words(
        "La anotación que el recibo promete está en la bitácora firmada del destinatario",
        "The entry the receipt promises is in the recipient's signed log",
    ),
    "witnesses": Words("Un testigo conocido firmó ambas bitácoras", "A known witness cosigned both logs"),
}

ABSENT = {
    "root-fingerprint": Words("La huella de la raíz no se comparó", "The root's fingerprint was not compared"),
    "message": Words(
        "El mensaje no viene: sólo su resumen, así que su firma no se comprueba",
        "The message is left out: only its digest is here, so its signature is not checked",
    ),
    "acceptance": Words("El destinatario RECHAZÓ el mensaje", "The recipient REFUSED the message"),
    "sender-inclusion": Words(
        "No viene prueba de que la anotación esté en la bitácora del remitente",
        "No proof is here that the entry is in the sender's log",
    ),
    "promise": Words(
        "El recibo no promete ninguna anotación: es un rechazo", "The receipt promises no log entry: it is a refusal"
    ),
    "recipient-inclusion": Words(
        "No viene prueba de la bitácora del destinatario", "No proof from the recipient's log is here"
    ),
    "witnesses": Words("Ningún testigo conocido firmó ambas bitácoras", "No known witness cosigned both logs"),
}

_TRUTH = Words(
    "que lo dicho en el mensaje sea verdad: prueba quién lo dijo y cuándo lo registró, no más",
    "that what the message says is true: it proves who said it and when it was logged, no more",
)
_ACTION = Words(
    "que alguien haya actuado: el recibo dice autenticado, guardado y anotado",
    "that anybody acted on it: the receipt says authenticated, stored and logged",
)
_PERSON = Words(
    "qué persona estaba ante el teclado: firma el nodo; la persona responsable la resuelve su institución",
    "which person sat at the keyboard: the node signs; its institution resolves the accountable officer",
)
_FORK = Words(
    "que las bitácoras no tengan otra versión para otros ojos: eso lo prueba un testigo, y aquí se dice si firmó",
    "that the logs have no other version for other eyes: a witness proves that, and whether one signed is said above",
)
_ROOT = Words(
    "que esta raíz sea la de la federación, si no se comparó su huella con la del acta",
    "that this root is the federation's, unless its fingerprint was compared with the one on paper",
)
_NEWEST = Words(
    "que el registro de miembros siga igual: una baja, una suspensión o una llave robada después no se ven aquí",
    "that the register of members is still so: a later removal, suspension or stolen key does not show here",
)
_TIME = Words(
    "la hora exacta: las horas las pone cada nodo con su propio reloj",
    "the exact time: each node tells it by its own clock",
)
_BODY = Words(
    "que el remitente haya firmado el mensaje: sin él, sólo se prueba que ambos nodos anotaron este resumen",
    "that the sender signed the message: without it, only that both nodes logged this digest is proved",
)
_EXERCISE = Words("nada de un caso real: el mensaje es de un ejercicio", "anything of a real case: the message is an exercise")
_DEMO = Words(
    "nada de instituciones reales: es una federación de demostración",
    "anything of real institutions: this is a demonstration federation",
)

_ALWAYS = (_TRUTH, _ACTION, _PERSON)
_USUALLY = (*_ALWAYS, _FORK, _ROOT, _NEWEST, _TIME)
NOT_PROVED_ES = tuple(words.es for words in _USUALLY)
"""What no bundle proves by itself, before anything is known of one."""
NOT_PROVED_EN = tuple(words.en for words in _USUALLY)


def not_proved(known: Known) -> tuple[Words, ...]:
    """Return what a pass does not prove, given what the verification came to know; the gravest first."""
    graver = ((_DEMO, known.demo), (_EXERCISE, known.exercise), (_BODY, known.redacted))
    said = [words for words, holds in graver if holds]
    said += [_left(node) for node in known.inactive]
    said += _ALWAYS
    said += [] if known.witnessed else [_FORK]
    said += [] if known.root_compared else [_ROOT]
    return (*said, _NEWEST, _TIME)


def _left(node: NodeId) -> Words:
    return Words(
        f"que {node} estuviera en regla: el registro incluido lo da por suspendido o de baja",
        f"that {node} was in good standing: the register in the file has it suspended or gone",
    )
