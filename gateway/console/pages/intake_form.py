"""The form of a family's report as it is shown and read: what was filled in, what it says, and what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from contracts.consents import SCOPES, WITNESSED, ConsentForm, Scope
from contracts.disclosure import SourceRecord
from contracts.fields import FieldDefinition
from contracts.messages.reports import Channel
from contracts.policy import Policy
from contracts.values.languages import LANGUAGES
from gateway.console.marking import N_
from gateway.console.pages.intake_reading import bcp47, in_words, kinships, read_answer, tip, tongues, unknown
from gateway.console.pages.intake_sections import (
    ANSWERS,
    CARE,
    CHANNELS,
    CONSENTS,
    FORMS,
    JOURNEY,
    MAYBE_MINOR,
    MEANS,
    PERSON,
    REPORTER,
    SECTIONS,
    WHO,
    WHOM,
    Section,
)
from gateway.console.pages.values import UnreadError, choices
from gateway.console.words import Words
from gateway.exchange.drafting import Drafted, Fields


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as the page shows it. `kind`: text, long, select or radio."""

    name: str
    label: str
    kind: str
    hint: str
    choices: Sequence[tuple[str, str]]
    held: str
    problem: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something to mend, and where."""

    section: str
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer as it was understood."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the family agreed to: which scopes, how, in which language, before whom."""

    scopes: tuple[Scope, ...] = ()
    form: ConsentForm = ConsentForm.WRITTEN
    language: str = "es"
    witness: str = ""


@dataclass(frozen=True, slots=True)
class ReadIn:
    """What the whole form says, or what is wrong with it."""

    values: Mapping[str, Mapping[str, Any]]
    channel: Channel
    language: str
    agreed: Agreed
    perhaps_minor: bool
    never: str
    wrong: tuple[Wrong, ...]
    told: Mapping[str, tuple[Answered, ...]]

    @property
    def records(self) -> tuple[SourceRecord, ...]:
        """The records, the person's first; of who reports none where nothing is known of them."""
        return tuple(SourceRecord(record, dict(self.values[record])) for record in (PERSON, REPORTER) if self.values[record])


class IntakeForm:
    """The form, in a language, by the dictionary of a policy. `others`: institutions by node, for whom it must never reach."""

    def __init__(self, policy: Policy, told: Words, today: date, others: Sequence[tuple[str, str]]) -> None:
        self._fields = {"p": policy.fields_of(PERSON), "r": policy.fields_of(REPORTER)}
        self._told = told
        self._today = today
        self._others = others

    # -- shown ---------------------------------------------------------------------------------------------------------

    def questions(self, section: Section, fields: Fields, wrong: Sequence[Wrong]) -> list[Asked]:
        """Return a page's questions with what was filled in."""
        beside = {item.anchor: item.text for item in wrong if item.section == section.id}
        found = [*self._before(section), *(self._asked(asked) for asked in section.asks), *self._after(section)]
        return [
            Asked(name, label, kind, tip, options, _first(fields, name), beside.get(name, ""))
            for name, label, kind, tip, options in found
        ]

    def _asked(self, asked: str) -> "_Question":
        found = self._field(asked)
        options = self._options(found)
        kind = "select" if options else "long" if found.kind in {"long_text", "items"} else "text"
        return asked, found.label(self._told.lang), kind, "" if options else tip(found, self._told), options

    def _field(self, asked: str) -> FieldDefinition:
        record, _, name = asked.partition(".")
        return self._fields[record][name]

    def _options(self, found: FieldDefinition) -> list[tuple[str, str]]:
        if found.name == "relationship":
            return kinships(self._told)
        if found.name in {"language", "mother_tongue"}:
            return tongues()
        return choices(found, self._told)

    def _before(self, section: Section) -> Iterator["_Question"]:
        if section.id == WHO:
            yield "canal", self._told.gettext("¿Cómo llegó a esta oficina?"), "radio", "", self._said(CHANNELS)
        if section.id == CONSENTS:
            for scope in Scope:
                label = SCOPES[scope].en if self._told.lang == "en" else SCOPES[scope].es
                name = f"c-{scope.value}"
                yield name, f"{scope.value.upper()}. {label}", "radio", self._told.gettext(MEANS[scope]), self._said(ANSWERS)

    def _after(self, section: Section) -> Iterator["_Question"]:
        told = self._told.gettext
        if section.id == CONSENTS:
            yield "forma", told(N_("¿Cómo los dio?")), "radio", "", self._said(FORMS)
            yield "lengua", told(N_("¿En qué idioma se leyeron?")), "select", "", tongues()
            more = told(N_("Sólo si los dio de palabra o con huella. Su nombre no sale: al enviar queda un seudónimo."))
            yield "testigo", told(N_("Quién fue testigo")), "text", more, ()
        if section.id == CARE:
            more = told(N_("Si es menor o puede serlo, la PGN lo sabe en el mismo momento. Nadie puede detenerlo."))
            yield "menor", told(N_("¿Es menor de edad?")), "radio", more, self._said(MAYBE_MINOR)
            more = told(N_("Vale para lo que este nodo envíe. Quien pide protección nunca llega a consulados de otros países."))
            yield "nunca", told(N_("¿Hay una institución que nunca debe saberlo?")), "select", more, list(self._others)

    def _said(self, entries: Mapping[str, str]) -> list[tuple[str, str]]:
        return [(code, self._told.gettext(label)) for code, label in entries.items()]

    # -- read ----------------------------------------------------------------------------------------------------------

    def wrong_in(self, section: Section, fields: Fields) -> list[Wrong]:
        """Return what is wrong with one page."""
        wrong: list[Wrong] = []
        self._values(section, fields, wrong)
        wrong += [Wrong(section.id, anchor, self._told.gettext(text)) for anchor, text in _MISSING[section.id](fields)]
        return wrong

    def read(self, drafted: Drafted) -> ReadIn:
        """Return what the whole form says."""
        wrong: list[Wrong] = []
        values: dict[str, dict[str, Any]] = {"p": {}, "r": {}}
        told: dict[str, tuple[Answered, ...]] = {}
        for section in SECTIONS.values():
            fields = drafted.part(section.id).fields
            found = self._values(section, fields, wrong)
            for asked, value in found.items():
                record, _, name = asked.partition(".")
                values[record][name] = value
            told[section.id] = (*self._spoken(found), *self._beside(section, fields))
            wrong += [Wrong(section.id, anchor, self._told.gettext(text)) for anchor, text in _MISSING[section.id](fields)]
        who, care = drafted.part(WHO).fields, drafted.part(CARE).fields
        channel = _first(who, "canal")
        return ReadIn(
            values={PERSON: values["p"], REPORTER: values["r"]},
            channel=Channel(channel) if channel in CHANNELS else Channel.DESK,
            language=bcp47(values["r"].get("language", "spa")),
            agreed=agreed_of(drafted.part(CONSENTS).fields),
            perhaps_minor=_first(care, "menor") == "si",
            never=next((node for node, _ in self._others if node == _first(care, "nunca")), ""),
            wrong=tuple(wrong),
            told=told,
        )

    def _values(self, section: Section, fields: Fields, wrong: list[Wrong]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for asked in section.asks:
            text = _first(fields, asked).strip()
            if unknown(text):
                continue
            field = self._field(asked)
            try:
                found[asked] = read_answer(field, text, self._today)
            except UnreadError:
                label, how = field.label(self._told.lang), tip(field, self._told)
                why = self._told.gettext("%(label)s: no se entiende. %(hint)s") % {"label": label, "hint": how}
                wrong.append(Wrong(section.id, asked, why.strip()))
        return found

    def spoken(self, asked: str, value: Any) -> Answered:
        """Return one value in words, with its label; `asked` as in a section."""
        found = self._field(asked)
        return Answered(found.label(self._told.lang), in_words(found, value, self._told))

    def _spoken(self, found: Mapping[str, Any]) -> list[Answered]:
        return [self.spoken(asked, value) for asked, value in found.items()]

    def _beside(self, section: Section, fields: Fields) -> list[Answered]:
        questions = (*self._before(section), *self._after(section))
        return [
            Answered(label, dict(options).get(_first(fields, name), _first(fields, name)))
            for name, label, _, _, options in questions
            if _first(fields, name)
        ]


_Question = tuple[str, str, str, str, Sequence[tuple[str, str]]]


def agreed_of(fields: Fields) -> Agreed:
    """Return what the family agreed to; nothing where the page was not filled in."""
    scopes = tuple(scope for scope in Scope if _first(fields, f"c-{scope.value}") == "si")
    form = _first(fields, "forma")
    form = form if form in FORMS else ConsentForm.WRITTEN.value
    return Agreed(scopes, ConsentForm(form), bcp47(_first(fields, "lengua") or "spa"), _first(fields, "testigo").strip())


def _first(fields: Fields, name: str) -> str:
    return next(iter(fields.get(name, ())), "")


# -- what a page needs ---------------------------------------------------------------------------------------------------


def _who_lacks(fields: Fields) -> Iterator[tuple[str, str]]:
    if _first(fields, "canal") not in CHANNELS:
        yield "canal", N_("Diga cómo llegó: en la ventanilla o por teléfono.")
    if not _first(fields, "r.name").strip() and not _first(fields, "r.phones").strip():
        yield "r.name", N_("Escriba un nombre o un teléfono de quien pide: si no, nadie podrá avisarle.")


def _whom_lacks(fields: Fields) -> Iterator[tuple[str, str]]:
    if not any(_first(fields, name).strip() for name in ("p.given_names", "p.surname_1", "p.aliases")):
        yield "p.given_names", N_("Escriba un nombre, un apellido o un apodo.")


def _nothing_lacks(_fields: Fields) -> Iterator[tuple[str, str]]:
    return iter(())


def _consents_lack(fields: Fields) -> Iterator[tuple[str, str]]:
    if not agreed_of(fields).scopes:
        return
    if _first(fields, "forma") not in FORMS:
        yield "forma", N_("Diga cómo dio los consentimientos.")
    if _first(fields, "lengua") not in LANGUAGES:
        yield "lengua", N_("Diga en qué idioma se leyeron.")
    if agreed_of(fields).form in WITNESSED and not _first(fields, "testigo").strip():
        yield "testigo", N_("De palabra o con huella hace falta un testigo: escriba quién fue.")


_MISSING: Mapping[str, Callable[[Fields], Iterator[tuple[str, str]]]] = {
    WHO: _who_lacks,
    WHOM: _whom_lacks,
    JOURNEY: _nothing_lacks,
    CONSENTS: _consents_lack,
    CARE: _nothing_lacks,
}
