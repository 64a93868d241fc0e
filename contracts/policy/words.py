"""How people read the words of a policy, in Spanish and English. Codes are protocol; these are not."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, Protocol

from contracts.fields import Form
from contracts.messages import MESSAGE_TYPES
from contracts.policy.entries import ANY_ROLE, Need
from contracts.register import Role

Lang = Literal["es", "en"]
Pair = tuple[str, str]

_ROLES: dict[str, Pair] = {
    Role.SEARCH_MECHANISM: ("MBMID", "MBMID"),
    Role.FOREIGN_MINISTRY: ("MINEX", "foreign ministry"),
    Role.CONSULATE: ("consulados", "consulates"),
    Role.MIGRANT_COUNCIL: ("CONAMIGUA", "migrant council"),
    Role.CHILD_PROTECTION: ("PGN (niñez)", "child protection"),
    Role.HEALTH: ("salud (hospitales)", "health (hospitals)"),
    Role.POLICE: ("policía", "police"),
    Role.FORENSIC: ("forenses", "forensic institutes"),
    Role.OMBUDSMAN: ("PDH", "ombudsman"),
    Role.CIVIL_REGISTRY: ("RENAP", "civil registry"),
    Role.PROSECUTOR: ("MP", "prosecutor"),
    Role.JUDICIARY: ("Organismo Judicial", "judiciary"),
    Role.FOREIGN_SEARCH: ("búsqueda de otro país", "foreign search commission"),
    Role.FOREIGN_PROSECUTOR: ("fiscalía de otro país", "foreign prosecutor"),
    Role.FOREIGN_MEDICOLEGAL: ("médico-legal de otro país", "foreign medico-legal office"),
    Role.FOREIGN_CONSULATE: ("consulado de otro país", "foreign consulate"),
    Role.FOREIGN_ENFORCEMENT: ("control de otro país", "foreign enforcement"),
    Role.MIGRATION_CONTROL: ("control migratorio", "migration control"),
    Role.RETURNEE_RECEPTION: ("recepción de retornados", "returnee reception"),
    Role.HUMANITARIAN: ("CICR y organizaciones", "ICRC and organisations"),
    Role.SOCIAL_SERVICES: ("servicios sociales", "social services"),
    ANY_ROLE: ("cualquiera", "anybody"),
}
_FORMS: dict[str, Pair] = {
    Form.EXACT: ("tal cual", "as it is"),
    Form.MONTH: ("mes", "month"),
    Form.YEAR: ("año", "year"),
    Form.DECADE: ("década", "decade"),
    Form.AGE_BAND: ("grupo de edad", "age band"),
    Form.BAND: ("rango", "band"),
    Form.CODED: ("codificado", "coded"),
    Form.MARK: ("señas y objetos, sin rostros", "marks and objects, no faces"),
    Form.OBJECT: ("sólo objetos", "objects alone"),
    Form.MUNICIPALITY: ("municipio", "municipality"),
    Form.DEPARTMENT: ("departamento", "department"),
    Form.COUNTRY: ("país", "country"),
    Form.INITIALS: ("iniciales", "initials"),
    Form.COUNT: ("cuántos", "how many"),
    Form.YES_NO: ("si lo hay", "whether there is"),
}
_KINDS: dict[str, Pair] = {
    "audit.request": ("pregunta a la bitácora", "question to the log"),
    "audit.response": ("respuesta de la bitácora", "answer from the log"),
    "bulk.manifest": ("entrega de una base", "handover of a database"),
    "bulletin": ("boletín", "bulletin"),
    "bulletin.cancel": ("fin de boletín", "end of a bulletin"),
    "case.status": ("estado del caso", "state of the case"),
    "consent.change": ("cambio de consentimiento", "change of consent"),
    "correction": ("corrección", "correction"),
    "disclosure.grant": ("entrega de campos", "handover of fields"),
    "disclosure.request": ("solicitud de campos", "request for fields"),
    "duty.cancel": ("fin de aviso por deber", "end of a duty notice"),
    "duty.notice": ("aviso por deber", "duty notice"),
    "erasure.order": ("orden de supresión", "erasure order"),
    "erasure.receipt": ("constancia de supresión", "erasure receipt"),
    "expert.conclusion": ("dictamen", "expert opinion"),
    "family.message": ("mensaje sellado", "sealed message"),
    "finding.acknowledgement": ("acuse de hallazgo", "acknowledgement of a finding"),
    "finding.notice": ("aviso de hallazgo", "finding notice"),
    "identity.answer": ("respuesta de identidad", "identity answer"),
    "identity.check": ("comprobación de identidad", "identity check"),
    "node.leave": ("salida de la red", "leaving the network"),
    "node.restored": ("nodo restaurado", "node restored"),
    "node.returned": ("devolución tras restaurar", "return after a restore"),
    "node.suspend-self": ("suspensión propia", "self-suspension"),
    "note": ("nota", "note"),
    "ping": ("prueba", "test"),
    "record.request": ("solicitud de copia", "request for a copy"),
    "referral.accept": ("referencia aceptada", "referral accepted"),
    "referral.decline": ("referencia rechazada", "referral declined"),
    "referral.done": ("referencia realizada", "referral done"),
    "referral.offer": ("oferta de referencia", "referral offered"),
    "referral.update": ("avance de referencia", "referral update"),
    "referral.withdraw": ("referencia retirada", "referral withdrawn"),
    "register.metadata": ("registro de la red", "register of the network"),
    "report.acknowledgement": ("acuse de reporte", "acknowledgement of a report"),
    "report.transfer": ("traslado de reporte", "transfer of a report"),
    "sample.reference": ("referencia de muestra", "sample reference"),
    "search.request": ("solicitud de búsqueda", "search request"),
    "search.response": ("respuesta de búsqueda", "search response"),
}
_ABOUT: dict[str, Pair] = {
    "precision": ("precisión", "precision"),
    "source": ("fuente", "source"),
    "as_of": ("fecha del dato", "date of the statement"),
    "confidence": ("confianza", "confidence"),
}

WORDS: Mapping[str, Mapping[str, Pair]] = MappingProxyType({"role": _ROLES, "form": _FORMS, "kind": _KINDS, "about": _ABOUT})

if set(_KINDS) != set(MESSAGE_TYPES) or set(_ROLES) != {*Role, ANY_ROLE} or set(_FORMS) != set(Form):
    raise RuntimeError("every word of a policy needs its labels")


def word(sort: Literal["role", "form", "kind", "about"], code: str, lang: Lang) -> str:
    """Return how people read one code; a code nobody labelled reads as itself."""
    pair = WORDS[sort].get(code)
    return code if pair is None else pair[lang == "en"]


def words(sort: Literal["role", "form", "kind", "about"], codes: Iterable[str], lang: Lang) -> str:
    """Return how people read several codes, in the order given."""
    return ", ".join(word(sort, code, lang) for code in codes)


def need_in_words(need: Need | None, lang: Lang) -> str:
    """Return what a field needs, in words; empty for nothing."""
    if need is None:
        return ""
    es = lang == "es"
    rests = []
    if need.scope is not None:
        rests.append(
            f"{'consentimiento' if es else 'consent'} {need.scope.upper() if need.scope[1:].isdigit() else need.scope}"
        )
    if need.duty:
        rests.append("deber" if es else "duty")
    told = (" o " if es else " or ").join(rests)
    people = f"{need.approvals} {'personas' if es else 'people'}" if need.approvals else ""
    return " + ".join(part for part in (told, people) if part)


class Labelled(Protocol):
    """Anything of a policy with a label in two languages, of which one may be missing."""

    @property
    def es(self) -> str | None:
        """Spanish."""
        ...

    @property
    def en(self) -> str | None:
        """English."""
        ...


def say(entry: Labelled | None, lang: Lang) -> str:
    """Return an entry's label in the language asked, or in the other one, or nothing."""
    if entry is None:
        return ""
    return (entry.en or entry.es or "") if lang == "en" else (entry.es or entry.en or "")
