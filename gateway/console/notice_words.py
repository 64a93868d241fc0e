"""Notices in words: the mail a person gets, and the lines of the pages about notices. Counts and short names, never a person,
never what was found, and no address to follow: a mail that looks like ours must teach nobody to follow one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from contracts.notices import NoticeType
from contracts.policy.words import Lang
from gateway.console.marking import N_
from gateway.console.words import LANGUAGES, Words, words
from gateway.exchange.notice_ports import Notice

TYPES: Mapping[NoticeType, str] = {
    NoticeType.REQUEST_RECEIVED: N_("Llegó una solicitud"),
    NoticeType.REQUEST_DUE_SOON: N_("Una solicitud está por vencer"),
    NoticeType.REQUEST_OVERDUE: N_("Una solicitud venció"),
    NoticeType.REQUEST_ANSWERED: N_("Respondieron una solicitud de ustedes"),
    NoticeType.REQUEST_WITHDRAWN: N_("Retiraron una solicitud"),
    NoticeType.REFERRAL_RECEIVED: N_("Llegó una referencia"),
    NoticeType.REFERRAL_DUE_SOON: N_("Una referencia está por vencer"),
    NoticeType.REFERRAL_OVERDUE: N_("Una referencia venció"),
    NoticeType.REFERRAL_ACCEPTED: N_("Aceptaron una referencia"),
    NoticeType.REFERRAL_DECLINED: N_("Rechazaron una referencia"),
    NoticeType.REFERRAL_WITHDRAWN: N_("Se retiró una referencia"),
    NoticeType.REFERRAL_DONE: N_("Una referencia terminó"),
    NoticeType.WORK_RECEIVED: N_("Llegó trabajo nuevo"),
    NoticeType.WORK_DUE_SOON: N_("Algo de la bandeja está por vencer"),
    NoticeType.WORK_OVERDUE: N_("Algo de la bandeja venció"),
    NoticeType.DELIVERY_FAILED: N_("Algo no se pudo entregar"),
    NoticeType.DELIVERY_RECOVERED: N_("Un enlace volvió a funcionar"),
    NoticeType.KEY_EXPIRING: N_("Las llaves del nodo están por vencer"),
    NoticeType.SHEET_WITHDRAWN: N_("Se retiró una ficha de búsqueda"),
    NoticeType.APPROVAL_WAITING: N_("Algo espera una segunda aprobación o lectura"),
    NoticeType.TEST: N_("Prueba"),
}
REASONS: Mapping[str, str] = {
    "address": N_("la dirección no es válida"),
    "not-https": N_("la dirección no empieza por https"),
    "host-not-listed": N_("su equipo no está en la lista de la configuración"),
    "too-many": N_("ya hay demasiados receptores"),
    "address-not-allowed": N_("su dirección de red no está permitida"),
    "no-connection": N_("no hay conexión"),
    "no-answer": N_("no respondió a tiempo"),
    "not-a-notice": N_("el contenido no tenía la forma de un aviso, y no salió"),
    "sealed": N_("no se pudo leer lo guardado"),
    "no-mail-server": N_("no se pudo usar el servidor de correo"),
    "recipient-refused": N_("el servidor de correo no acepta esa dirección"),
}


def counted(kind: NoticeType, number: int, told: Words) -> str:
    """Return how many there are of what people must act on, in a sentence; of anything else its own name."""
    match kind:
        case NoticeType.REQUEST_RECEIVED | NoticeType.REFERRAL_RECEIVED | NoticeType.WORK_RECEIVED:
            said = told.ngettext("Llegó %(number)s asunto nuevo.", "Llegaron %(number)s asuntos nuevos.", number)
        case NoticeType.REQUEST_DUE_SOON:
            said = told.ngettext("Tiene %(number)s solicitud por vencer.", "Tiene %(number)s solicitudes por vencer.", number)
        case NoticeType.REQUEST_OVERDUE:
            said = told.ngettext("Tiene %(number)s solicitud vencida.", "Tiene %(number)s solicitudes vencidas.", number)
        case NoticeType.REFERRAL_DUE_SOON | NoticeType.WORK_DUE_SOON:
            said = told.ngettext("Tiene %(number)s asunto por vencer.", "Tiene %(number)s asuntos por vencer.", number)
        case NoticeType.REFERRAL_OVERDUE | NoticeType.WORK_OVERDUE:
            said = told.ngettext("Tiene %(number)s asunto vencido.", "Tiene %(number)s asuntos vencidos.", number)
        case NoticeType.APPROVAL_WAITING:
            said = told.ngettext("%(number)s envío espera su aprobación.", "%(number)s envíos esperan su aprobación.", number)
        case _:
            said = told.ngettext("Hay %(number)s novedad.", "Hay %(number)s novedades.", number)
    return said % {"number": number}


def mail_words(notices: Sequence[Notice], lang: str) -> tuple[str, str]:
    """Return the subject and the text of a mail about notices, what presses most first."""
    told = words(_known(lang))
    number = len(notices)
    ordered = sorted(notices, key=lambda notice: (_ORDER.index(notice.type), notice.at))
    first = ordered[0].type
    same = Counter(_sentence(notice.type) for notice in ordered)
    lead = counted(first, same[_sentence(first)], told)
    subject = f"Paradero: {lead}"
    if number > same[_sentence(first)]:
        subject = told.gettext("Paradero: %(lead)s Y más.") % {"lead": lead}
    sentences = dict.fromkeys(_sentence(notice.type) for notice in ordered)
    lines = [counted(kind, same[kind], told) for kind in sentences]
    lines += ["", *(f"{notice.folio}  {told.gettext(TYPES[notice.type])}" for notice in ordered)]
    lines += ["", told.gettext("Entre a la consola para verlo. Este correo no lleva enlaces ni datos de personas.")]
    lines += [told.gettext("Para no recibir más: en la consola, Su cuenta, Avisos por correo.")]
    return subject, "\n".join(lines) + "\n"


def _sentence(kind: NoticeType) -> NoticeType:
    """Return the first of the types that are counted in one sentence."""
    return next((group[0] for group in _TOGETHER if kind in group), kind if kind in _ALONE else _TOGETHER[-1][0])


def _known(lang: str) -> Lang:
    return next((known for known in LANGUAGES if known == lang), "es")


_ALONE = frozenset({NoticeType.REQUEST_DUE_SOON, NoticeType.REQUEST_OVERDUE, NoticeType.APPROVAL_WAITING})
_TOGETHER = (
    (NoticeType.REQUEST_RECEIVED, NoticeType.REFERRAL_RECEIVED, NoticeType.WORK_RECEIVED),
    (NoticeType.REFERRAL_OVERDUE, NoticeType.WORK_OVERDUE),
    (NoticeType.REFERRAL_DUE_SOON, NoticeType.WORK_DUE_SOON),
    (NoticeType.REQUEST_ANSWERED,),
)
_FIRST = (
    *(NoticeType.REQUEST_OVERDUE, NoticeType.REFERRAL_OVERDUE, NoticeType.WORK_OVERDUE),
    *(NoticeType.REQUEST_DUE_SOON, NoticeType.REFERRAL_DUE_SOON, NoticeType.WORK_DUE_SOON),
    *(NoticeType.APPROVAL_WAITING, NoticeType.REQUEST_RECEIVED, NoticeType.REFERRAL_RECEIVED, NoticeType.WORK_RECEIVED),
)
_ORDER = (*_FIRST, *(kind for kind in NoticeType if kind not in _FIRST))


def reason_in_words(reason: str | None, told: Words) -> str:
    """Return why something was not taken."""
    return "" if reason is None else told.gettext(REASONS[reason]) if reason in REASONS else reason
