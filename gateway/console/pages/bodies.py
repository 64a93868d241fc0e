"""What a message says beside its records, in words: from its own bytes."""

from collections.abc import Callable
from datetime import UTC, datetime

from contracts.codec import decode_message
from contracts.messages import (
    CaseMessage,
    FindingNoticeBody,
    IdentityCheckBody,
    ReferralOfferBody,
    SearchRequestBody,
)
from contracts.policy import Policy
from contracts.services import SERVICES
from contracts.values.places import DEPARTMENTS
from gateway.console.marking import N_
from gateway.console.pages.languages import LANGUAGES
from gateway.console.pages.questions import Pair, basis_in_words, labels, purpose_in_words
from gateway.console.whose import GUATEMALA
from gateway.console.words import Words

PLACES = {f"gt-{code}": name for code, name in DEPARTMENTS.items()}
"""Departments as an offer says them (ISO 3166-2), by name."""
URGENCY = {"normal": N_("normal"), "urgent": N_("urgente"), "life-at-risk": N_("vida en riesgo")}
MINOR = {"no": N_("no"), "yes": N_("sí"), "possible": N_("puede ser")}
DOUBTS = {
    "document-exists": N_("¿Existe ese documento?"),
    "data-matches": N_("¿Los datos son los de ese documento?"),
    "fingerprint-matches": N_("¿La huella es la de ese documento?"),
}
FINDS = {
    "remains": N_("restos sin identificar"),
    "living-unidentified": N_("una persona con vida sin identificar"),
    "detained": N_("una persona detenida"),
}


def body_pairs(payload: bytes, policy: Policy, name: Callable[[str], str], told: Words) -> list[Pair]:
    """Return what a message says beside its records: to whom, what for, until when, and what its own type says."""
    message = decode_message(payload)
    pairs = [
        Pair(told.gettext("Para"), name(message.recipient)),
        Pair(told.gettext("Finalidad"), purpose_in_words(policy, message.purpose, told)),
        Pair(told.gettext("Base legal"), basis_in_words(policy, message.basis, told)),
        *_own(message, policy, told),
    ]
    if message.deadline is not None:
        pairs.append(Pair(told.gettext("Plazo"), told.moment(datetime.fromtimestamp(message.deadline, UTC), GUATEMALA)))
    return pairs


def _own(message: CaseMessage, policy: Policy, told: Words) -> list[Pair]:
    match message.body:
        case ReferralOfferBody() as body:
            return _offer(body, told)
        case SearchRequestBody() as body:
            wanted = ", ".join(labels(policy, frozenset(map(str, body.want)), None, told))
            urgency = told.gettext(URGENCY[body.urgency.value])
            return [Pair(told.gettext("Qué preguntamos"), wanted), Pair(told.gettext("Urgencia"), urgency)]
        case IdentityCheckBody() as body:
            return [Pair(told.gettext("Qué preguntamos"), told.gettext(DOUBTS[body.question]))]
        case FindingNoticeBody() as body:
            return _finding(body, told)
        case _:
            return []


def _offer(body: ReferralOfferBody, told: Words) -> list[Pair]:
    label = SERVICES[body.service]
    pairs = [
        Pair(told.gettext("Servicio"), label.en if told.lang == "en" else label.es),
        Pair(told.gettext("Urgencia"), told.gettext(URGENCY[body.urgency.value])),
        Pair(told.gettext("¿Menor de edad?"), told.gettext(MINOR[body.minor])),
    ]
    if body.language:
        pairs.append(Pair(told.gettext("Idioma"), LANGUAGES.get(str(body.language), str(body.language))))
    if body.department:
        pairs.append(Pair(told.gettext("Departamento"), PLACES.get(str(body.department), str(body.department))))
    return pairs


def _finding(body: FindingNoticeBody, told: Words) -> list[Pair]:
    moment = told.moment(datetime.fromtimestamp(body.received_at, UTC), GUATEMALA)
    pairs = [
        Pair(told.gettext("Qué se avisa"), told.gettext(FINDS[body.kind.value])),
        Pair(told.gettext("Autoridad competente"), f"{body.authority} · {body.country}"),
        Pair(told.gettext("Cuándo se supo"), moment),
    ]
    return (
        [*pairs, Pair(told.gettext("Referencia que sí sale"), str(body.sender_reference))] if body.sender_reference else pairs
    )
