"""Why something may not leave, in words people read: the walls, the policy and what stands in the way. Pure; Spanish.

The exchange says it in codes and in English, for logs and for programs; an officer reads what to do about it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from contracts.explaining import reason_in_words
from contracts.ids import Code
from contracts.policy import Policy, Tightened
from contracts.threads import Reason
from contracts.walls import (
    WALL_BULLETIN,
    WALL_CONSULATE,
    WALL_ENFORCEMENT,
    WALL_FINDER_FIRST,
    WALL_HELD,
    WALL_NATIONALITY,
    WALL_NEVER_TO,
    WALL_OFFER,
    WALL_PUBLICATION,
    WALL_RELATIVES,
    WALL_REPORTER,
    WALL_TWO_PERSONS,
    WALL_WISH,
)
from gateway.console.marking import N_

WALLS: Mapping[str, str] = MappingProxyType(
    {
        WALL_ENFORCEMENT: N_("lo protegido nunca llega a autoridades de control"),
        WALL_NATIONALITY: N_("nada confirma una nacionalidad a autoridades de control"),
        WALL_REPORTER: N_("quien reporta no viaja en una consulta ni en un hallazgo"),
        WALL_NEVER_TO: N_("esta persona no debe llegar a ese destino"),
        WALL_HELD: N_("falta que alguien lea un texto"),
        WALL_TWO_PERSONS: N_("falta el visto bueno de otra persona"),
        WALL_PUBLICATION: N_("ese registro se publica: falta el consentimiento C4"),
        WALL_BULLETIN: N_("un boletín es público: falta el consentimiento C8"),
        WALL_FINDER_FIRST: N_("quien tiene a la persona decide antes que quien la busca"),
        WALL_WISH: N_("la persona hallada no quiere, o no ha dicho, que se diga"),
        WALL_OFFER: N_("un ofrecimiento no nombra a nadie"),
        WALL_CONSULATE: N_("de quien necesita protección ningún consulado de otro país sabe nada"),
        WALL_RELATIVES: N_("a Estados Unidos no va nada protegido, ni de los familiares"),
    }
)

_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "a consent this rests on was withdrawn": "el consentimiento en que descansa se retiró",
        "a later time than the deadline there is, ahead of now": "el plazo nuevo ha de ser posterior al que hay, y a ahora",
        "a word about an offer that this peer has nothing to do with": "esa institución no tiene parte en ese ofrecimiento",
        "an answer to it waits already": "ya hay una respuesta en espera: `paradero hold list`",
        "an extension waits for its slot already": "ya hay un aviso de plazo que espera su turno",
        "another answer to it waits already": "ya hay una respuesta en espera: `paradero hold list`",
        "a finding names its competent authority and country": "un hallazgo nombra su autoridad competente y su país",
        "fields were asked for: they are granted, or they are not": "preguntan por campos: se entregan, o no se entregan",
        "it is answered with yes or no": "se contesta con sí o no: `--help` lo muestra",
        "just that was told of it already, or waits to leave": "eso mismo ya se dijo, o espera salir",
        "not said without a person": "eso no se dice sin una persona",
        "the policy has no such legal basis": "la política no tiene esa base legal",
        "the recipient is no member of the federation": "esa institución no es miembro de la red",
        "the desk that wrote this down says that it was taken back": "la institución que lo anotó avisó de que se retiró",
        "the thread was erased": "eso se borró",
        "the thread belongs to another peer": "ese hilo es de otra institución",
        "what was found is found in a record": "falta el registro de lo que se encontró (records)",
        "who is suggested is no member of the federation": "la institución que se propone no es miembro de la red",
        "the peer has not said yet what it had from us before the restore": "la otra parte no ha dicho aún qué tenía de antes",
    }
)
_NOTHING_LEAVES = re.compile(r"nothing of this record may leave: (.*)")
_TURN = re.compile(r"may not be said now: (.*)")
_RULE = re.compile(r"rule ([a-z0-9.:-]+)(?:: (.*))?")
_OTHER_RECORD = re.compile(r"asked for an? ([a-z.-]+) record")
_NO_FLOW = "none"
_UNTOLD = "la política o el estado del caso no lo permiten"

_RECORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing-person": "una persona buscada",
        "unidentified-person": "una persona sin identificar",
        "unidentified-remains": "restos sin identificar",
        "custody": "una detención o un retorno",
        "reporter": "quien reporta",
    }
)


def labels(sort: str, code: Code, policy: Policy) -> dict[str, str]:
    """Return what the policy calls a purpose or a basis: `purpose_es`, `purpose_en`; a code it has no more reads as itself."""
    entries = policy.purposes if sort == "purpose" else policy.bases
    found = next((entry for entry in entries if entry.id == code), None)
    es = str(code) if found is None else found.es
    en = str(code) if found is None else found.en or found.es
    return {f"{sort}_es": es, f"{sort}_en": en}


def walls_in_words(names: Iterable[str]) -> str:
    """Return the walls that stand in the way, as people read them."""
    return "; ".join(WALLS.get(name, "un muro que nadie puede quitar") for name in names)


def refusal_in_words(text: str, policy: Policy | Tightened) -> str:
    """Return what the exchange refused, as people read it; never a word of the protocol."""
    if text in _FIXED:
        return _FIXED[text]
    for pattern, say in _SHAPES:
        found = pattern.fullmatch(text)
        if found is not None:
            return say(found, policy)
    return _UNTOLD


def _nothing(found: re.Match[str], policy: Policy | Tightened) -> str:
    reasons = dict.fromkeys(reason_in_words(reason.strip(), policy, "es") for reason in found[1].split(","))
    return f"nada de ese registro puede salir: {'; '.join(reasons)}"


def _rule(found: re.Match[str], policy: Policy | Tightened) -> str:
    rule, reason = found[1], found[2] or ""
    if "another person" in reason:
        return "falta el visto bueno de otra persona"
    if rule == _NO_FLOW:
        return "la política no tiene ese envío entre estas instituciones, con esa finalidad y esa base"
    said = reason_in_words(rule, policy, "es")
    return f"lo impide una regla: {said}" if said != rule else "la política no permite ese envío"


def _turn(found: re.Match[str], _policy: Policy | Tightened) -> str:
    if found[1] == Reason.SECOND_PENDING.value:
        return "ya hay una pendiente sobre ese caso con esa institución: `paradero request list`"
    return "ahí eso no se puede decir ya: alguien dijo algo antes"


def _record(found: re.Match[str], _policy: Policy | Tightened) -> str:
    return f"preguntan por un registro de otro tipo: {_RECORDS.get(found[1], found[1])}"


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Policy | Tightened], str]], ...] = (
    (_NOTHING_LEAVES, _nothing),
    (_RULE, _rule),
    (_TURN, _turn),
    (_OTHER_RECORD, _record),
)
