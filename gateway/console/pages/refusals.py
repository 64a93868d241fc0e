"""Refusals in words: what was not done, why, and what to do now. Never a value, never a bare code."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from contracts.errors import (
    ClockWrongError,
    EnvelopeError,
    NotPermittedError,
    StorageError,
    ThreadErasedError,
    TrustStaleError,
)
from contracts.explaining import reason_in_words
from contracts.policy.words import Lang
from gateway.console.access import Needs
from gateway.console.marking import N_
from gateway.console.pages.forms import BadFormError, ForeignFormError, StaleFormError
from gateway.console.refusals import WALLS
from gateway.console.words import Words
from gateway.exchange.asked import NoSuchRequestError
from gateway.exchange.attachments import NoSuchAttachmentError
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.departing import ContentChangedError, NoSuchDepartureError, RestoringError
from gateway.exchange.drafting import DraftTooLongError, NoSuchDraftError, TooManyDraftsError
from gateway.exchange.gate import WallError
from gateway.exchange.receivers import NoSuchHookError
from gateway.exchange.work import NoSuchWorkError
from gateway.people.errors import (
    ConfirmError,
    FactorNeededError,
    InvalidError,
    NotAllowedError,
    PasskeyError,
    SignedOutError,
    StepOverError,
    TakenError,
    UnknownError,
    WaitError,
)
from gateway.people.roles import PERMISSIONS, ROLE_NAMES, Permission, Role

Texts = tuple[str, str]

_TEXTS: Mapping[type[Exception], tuple[int, Texts]] = {
    SignedOutError: (
        401,
        (N_("Su sesión terminó"), N_("No se envió nada. Entre otra vez y repita lo que hacía.")),
    ),
    ConfirmError: (
        403,
        (N_("Confirme que es usted"), N_("Para esto hay que haber escrito la clave hace poco. No se envió nada.")),
    ),
    FactorNeededError: (
        403,
        (
            N_("Falta su segunda prueba"),
            N_("Para su puesto ya no basta una clave sola. No se envió nada. Añada en su cuenta una aplicación de códigos."),
        ),
    ),
    StepOverError: (
        409,
        (N_("Ese paso caducó"), N_("Tardó demasiado, ya se usó, o empezó en otra ventana. Empiece otra vez.")),
    ),
    UnknownError: (
        404,
        (N_("Eso no está, o no es suyo"), N_("Puede que se haya quitado ya. Vuelva a la página y mire cómo está ahora.")),
    ),
    InvalidError: (422, (N_("Algo falta o sobra"), N_("No se hizo nada. Vuelva a la página y complételo."))),
    PasskeyError: (401, (N_("Esa llave no sirvió"), N_("No se hizo nada. Pruebe otra vez, o entre con su clave."))),
    TakenError: (
        409,
        (N_("Ya estaba hecho"), N_("Otra ventana, u otra persona, se adelantó. Vuelva a la página y mire cómo está ahora.")),
    ),
    StaleFormError: (
        419,
        (
            N_("Esta página caducó"),
            N_("El formulario era de una sesión anterior. No se envió nada. Vuelva a la página y envíelo otra vez."),
        ),
    ),
    ForeignFormError: (
        403,
        (N_("No se aceptó"), N_("El formulario no vino de una página de este nodo. No se envió nada.")),
    ),
    BadFormError: (422, (N_("No se entendió el formulario"), N_("Vuelva a la página y llénelo otra vez. No se envió nada."))),
    web.HTTPNotFound: (
        404,
        (N_("No hay nada en esta dirección"), N_("Puede que la dirección esté incompleta. Empiece por la bandeja.")),
    ),
    NoSuchRequestError: (
        404,
        (N_("No hay una solicitud así por responder"), N_("Ya se respondió, se retiró, o la dirección está incompleta.")),
    ),
    NoSuchHookError: (
        404,
        (N_("No hay nada con ese identificador"), N_("Puede que se haya quitado. Véanse los avisos.")),
    ),
    NoSuchWorkError: (
        404,
        (N_("No hay nada con ese identificador que usted pueda ver"), N_("Puede ser de otra oficina. Empiece por la bandeja.")),
    ),
    NoSuchDraftError: (
        404,
        (N_("No hay un borrador suyo aquí"), N_("Se envió, se descartó, pasaron siete días, o es de otra persona.")),
    ),
    TooManyDraftsError: (
        409,
        (
            N_("Tiene demasiados formularios sin terminar"),
            N_("En «Su cuenta», «Lo que empezó y no ha enviado», termine o descarte alguno. No se guardó nada."),
        ),
    ),
    DraftTooLongError: (
        422,
        (N_("Es demasiado largo"), N_("Acorte los textos más largos y guarde otra vez. No se guardó nada.")),
    ),
    NoSuchDepartureError: (
        404,
        (N_("Eso ya no espera aquí"), N_("Ya salió, se descartó, o lo preparó otra persona. Véase lo que espera.")),
    ),
    ThreadErasedError: (
        404,
        (
            N_("Eso se borró"),
            N_("Se borró, o está bloqueado porque se va a borrar. Queda constancia de que se dio y se borró."),
        ),
    ),
    ContentChangedError: (
        409,
        (
            N_("Algo cambió mientras tanto"),
            N_("Ahora saldría otra cosa que lo que se revisó: no salió nada. Prepare la respuesta otra vez."),
        ),
    ),
    RestoringError: (
        409,
        (N_("Todavía no"), N_("El nodo se restauró de un respaldo y falta que la otra institución diga qué tenía.")),
    ),
    NotPermittedError: (
        403,
        (
            N_("No está permitido"),
            N_("La política no deja que salga así, o ya hay otra respuesta. No se envió nada."),
        ),
    ),
    NoSuchAttachmentError: (
        404,
        (N_("No hay un adjunto así que usted pueda ver"), N_("No llegó entero, se borró, o es de otra oficina.")),
    ),
    EnvelopeError: (
        409,
        (
            N_("No se muestra"),
            N_("Lo guardado no es lo que se selló. Pídalo otra vez a quien lo envió y avise a la administración."),
        ),
    ),
    TrustStaleError: (
        503,
        (N_("Ahora no puede salir nada"), N_("El registro de la red está atrasado. Avise a la administración.")),
    ),
    ClockWrongError: (
        503,
        (N_("Ahora no puede salir nada"), N_("El reloj del nodo no es de fiar. Avise a la administración.")),
    ),
    StorageError: (
        503,
        (
            N_("El nodo no pudo guardar ni leer"),
            N_("Espere un momento y pruebe otra vez. Si sigue, avise a la administración."),
        ),
    ),
}
_FAILED: Texts = (
    N_("Algo falló en el nodo"),
    N_("No es culpa suya. Quedó anotado para la administración. Pruebe otra vez en un momento."),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as people read it."""

    status: int
    title: str
    text: str


def refusal(error: Exception, needs: Needs | None, told: Words) -> Refusal:
    """Return what people are told of an error."""
    match error:
        case NotAllowedError():
            return Refusal(403, told.gettext("Su puesto no permite esto"), _roles(needs, told))
        case WaitError():
            text = told.gettext("Espere %(number)s segundos y pruebe otra vez.") % {"number": error.seconds}
            return Refusal(429, told.gettext("Demasiados intentos fallidos"), text)
        case WallError():
            return Refusal(403, told.gettext("No puede salir"), " ".join(walls_in_words(error.walls, told)))
        case _:
            status, (title, text) = next((_TEXTS[kind] for kind in type(error).__mro__ if kind in _TEXTS), (500, _FAILED))
            return Refusal(status, told.gettext(title), told.gettext(text))


def why_not(error: Exception, told: Words) -> str:
    """Return what people are told of an error, as one text beside what they were doing."""
    found = refusal(error, None, told)
    return f"{found.title}. {found.text}"


def walls_in_words(walls: tuple[str, ...], told: Words) -> list[str]:
    """Return what stands in the way, a sentence each."""
    return [_sentence(told.gettext(WALLS[name])) if name in WALLS else name for name in walls]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def reason(rule: str, node: Capabilities, lang: Lang) -> str:
    """Return why a field stays, as the policy says it."""
    return reason_in_words(rule, node.tightened(node.trust().policy), lang)


def _roles(needs: Needs | None, told: Words) -> str:
    if not isinstance(needs, Permission):
        return told.gettext("Pida ayuda a la administración del nodo.")
    names = sorted(ROLE_NAMES[role][told.lang == "en"] for role in PERMISSIONS[needs] if role is not Role.MACHINE)
    return told.gettext("Hace falta ser: %(roles)s. Pídaselo a quien lo sea, o a la administración del nodo.") % {
        "roles": ", ".join(names)
    }
