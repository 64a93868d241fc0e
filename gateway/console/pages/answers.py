"""What an officer fills in to answer: which record, what is held, what of it may leave. Read here, decided by the policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from contracts.calendars import day_in_guatemala
from contracts.consents import Occasion, Wish, grant_of, in_force
from contracts.disclosure import Recipient, Release, SourceRecord, walled
from contracts.explaining import Answer, FieldExplanation, explain_fields
from contracts.fields import FieldDefinition, Form, plain
from contracts.fields.kinds import coarsen
from contracts.messages import SearchRequest, SearchResult
from contracts.policy.words import word
from contracts.walls import CaseMarks, marks_of
from gateway.console.marking import N_
from gateway.console.pages import forms
from gateway.console.pages.values import UnreadError, choices, hint, read_value, said, typed
from gateway.console.words import Words
from gateway.exchange.asked import Asked, candidate_of
from gateway.exchange.attachments import KIND
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.parcels import Parcel
from gateway.exchange.responding import OwnAnswer
from gateway.exchange.searching import wanted_of

LIVING = frozenset({"unidentified-person", "custody"})
REMAINS = "unidentified-remains"
PROTECTS = ("birth_date", "age_range", "possible_minor", "protection_need", "aggressor_risk", "family_conflict", "threats")
"""Fields that tell whom to protect. Held and not asked for, they cannot leave, and still weigh."""
WISHES: Mapping[str, tuple[str, str]] = {
    Wish.CONTACT.value: (N_("Sí: autoriza que se le diga a su familia"), N_("Sale lo que usted elija abajo.")),
    Wish.ALIVE_ONLY.value: (
        N_("Sólo autoriza que se diga que está con vida"),
        N_("Sale sólo que hay coincidencia, y ningún dato de la persona."),
    ),
    Wish.SILENCE.value: (N_("No autoriza que se diga nada"), N_("Sale «sin información», igual que si no estuviera.")),
    Wish.CANNOT_SAY.value: (N_("No puede decirlo (inconsciente, sin memoria)"), N_("Decide la política, según la base legal.")),
    Wish.UNDECIDED.value: (N_("Aún no se le ha preguntado"), N_("No sale nada de la persona. Pida más tiempo y pregúntele.")),
}
HOW: Mapping[str, str] = {
    "interview": N_("En persona"),
    "phone": N_("Por teléfono"),
    "written": N_("Por escrito"),
}
_MARKS: Mapping[str, str] = {"same": N_("= coincide"), "like": N_("≈ parecido"), "other": N_("≠ distinto")}
_EVERYBODY = 99
_SHAPELESS = frozenset({Form.COUNT, Form.YES_NO})


@dataclass(frozen=True, slots=True)
class Option:
    """One way in which a field can leave."""

    form: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One field of the form: what is asked, what is held, in which ways it may leave, and what the policy says of it."""

    name: str
    label: str
    asked: str
    kind: str
    hint: str
    choices: Sequence[tuple[str, str]]
    held: str
    mark: str
    options: Sequence[Option]
    why: str
    problem: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to mend, and where."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that was read: the answer it makes, and the wish it notes; or what is wrong with it."""

    answer: OwnAnswer
    wish: Wish | None
    evidence: str
    problems: tuple[Problem, ...]
    marks: CaseMarks


class AnswerForm:
    """The form of one request and one type of record."""

    def __init__(
        self, asked: Asked, record_type: str, node: Capabilities, told: Words, *, ready: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._asked = asked
        self._node = node
        self._told = told
        self._ready = ready
        self.record_type = record_type
        self._fields = node.trust().policy.fields_of(record_type)
        wanted, _ = wanted_of(asked.message)
        self._wanted = [name for name in self._fields if name in wanted]
        self._protects = [name for name in PROTECTS if name in self._fields and name not in wanted]
        self._theirs = candidate_of(asked, node)
        self._rulings = {found.field: found for found in self._explained()}

    @property
    def living(self) -> bool:
        """Whether the person may be alive, and so must have been asked."""
        return self.record_type in LIVING

    def _today(self) -> date:
        return day_in_guatemala(self._node.clock.now())

    def _explained(self) -> Sequence[FieldExplanation]:
        """What the policy would say of each field if everybody had agreed who can; a consent may still be missing."""
        message, trust, now = self._asked.message, self._node.trust(), self._node.clock.now()
        kind = answer_kind(self._asked)
        occasion = Occasion(message.basis, message.sender, message.purpose, frozenset())
        grant = grant_of(in_force((), int(now.timestamp())), occasion, approvals=_EVERYBODY)
        to = Recipient(message.sender, trust.member(message.sender).role)
        policy = self._node.tightened(trust.policy)
        release = Release(to, kind, message.purpose, grant, policy, asked=frozenset(self._wanted))
        return explain_fields(release, self.record_type, self._told.lang, self._wanted) if self._wanted else ()

    # -- shown ---------------------------------------------------------------------------------------------------------

    def questions(self, form: forms.Form, problems: Mapping[str, str]) -> list[Question]:
        """Return what was asked for, field by field. Nothing leaves unless somebody chooses it."""
        return [self._question(self._fields[name], form, problems, self._options(name, form)) for name in self._wanted]

    def protecting(self, form: forms.Form, problems: Mapping[str, str]) -> list[Question]:
        """Return fields that were not asked for and cannot leave, and that protect the person when they are known."""
        return [self._question(self._fields[name], form, problems, ()) for name in self._protects]

    def _question(
        self, found: FieldDefinition, form: forms.Form, problems: Mapping[str, str], options: Sequence[Option]
    ) -> Question:
        told, ruling = self._told, self._rulings.get(found.name)
        theirs = said(found.kind, self._theirs[found.name], told) if found.name in self._theirs else told.gettext("se pregunta")
        return Question(
            name=found.name,
            label=found.label(told.lang),
            asked=theirs,
            kind="long" if found.kind in {"long_text", "items"} else found.kind,
            hint=hint(found.kind, told),
            choices=self._ready if found.kind == KIND else choices(found, told),
            held=_held(found, form),
            mark=self._mark(found, form.text(f"v-{found.name}")),
            options=options,
            why="" if ruling is None else ruling.text,
            problem=problems.get(found.name, ""),
        )

    def _mark(self, found: FieldDefinition, text: str) -> str:
        """Return how what is held compares with what they said, by a sign and words; empty where one of them is missing."""
        if not text or found.name not in self._theirs:
            return ""
        try:
            ours, theirs = read_value(found, text, self._today()), plain(self._theirs[found.name])
        except UnreadError:
            return ""
        return self._told.gettext(_MARKS[likeness(found.kind, ours, theirs)])

    def _options(self, name: str, form: forms.Form) -> list[Option]:
        chosen = form.text(f"s-{name}")
        stays = Option("", self._told.gettext("No sale"), chosen not in {item.value for item in self.ways(name)})
        ways = [
            Option(
                item.value,
                self._told.gettext("Sale: %(form)s") % {"form": word("form", item.value, self._told.lang)},
                item.value == chosen,
            )
            for item in self.ways(name)
        ]
        return [stays, *ways]

    def ways(self, name: str) -> list[Form]:
        """Return the ways in which a field may leave: as precisely as the policy lets it, and coarser."""
        found, ruling = self._fields[name], self._rulings.get(name)
        if ruling is None or ruling.answer not in {Answer.PERMITTED, Answer.NEEDS_MORE}:
            return []
        trust, message = self._node.trust(), self._asked.message
        role = trust.member(message.sender).role
        rule = trust.policy.rule_for(self.record_type, answer_kind(self._asked), role, message.purpose)
        allowed = ruling.form or (None if rule is None else rule.form_of(name))
        if allowed is None:
            return []
        if found.kind == "attachments":
            return [allowed]  # which of them may leave is decided by the grade of each
        coarser = found.forms[found.forms.index(allowed) + 1 :]
        return [allowed, *(item for item in coarser if item not in _SHAPELESS)]

    def again(self, parcel: Parcel) -> forms.Form:
        """Return the form of what somebody was shown, to change it. What the person said must be said again."""
        draft = parcel.drafts[0]
        fields = {"expediente": draft.case_key, "resultado": str(getattr(draft.body, "result", ""))}
        fields["decidido"] = "si" if draft.finder_released else ""
        for record in (*draft.records, *draft.about):
            fields |= {f"v-{name}": typed(self._fields[name], value) for name, value in record.values.items()}
        for name in draft.asked or ():
            fields[f"s-{name}"] = next((item.value for item in self.ways(name)), "") if name in self._rulings else ""
        return forms.Form({name: [value] for name, value in fields.items()})

    def held(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return of a record what this form has a place for, as it would be typed."""
        here = {*self._wanted, *self._protects} & set(values)
        return {name: typed(self._fields[name], values[name]) for name in sorted(here)}

    # -- read ----------------------------------------------------------------------------------------------------------

    def read(self, form: forms.Form) -> Filled:
        """Return what somebody filled in."""
        told = self._told
        problems: list[Problem] = []
        values = self._values(form, problems)
        chosen = frozenset(name for name in self._wanted if form.text(f"s-{name}") in {item.value for item in self.ways(name)})
        problems += [
            Problem(f"v-{name}", told.gettext("%(label)s: eligió que salga y falta el dato.") % {"label": self._label(name)})
            for name in sorted(chosen - set(values))
            if not any(item.anchor == f"v-{name}" for item in problems)
        ]
        result, wish, case_ref = form.text("resultado"), self._wish(form, problems), form.text("expediente")
        if result not in {SearchResult.MATCH.value, SearchResult.POSSIBLE.value}:
            problems.append(Problem("resultado", told.gettext("Diga si coincide o si es una posible coincidencia.")))
            result = SearchResult.POSSIBLE.value
        if not 1 <= len(case_ref) <= 80 or not case_ref.isprintable():
            problems.append(Problem("expediente", told.gettext("Escriba el expediente de esta oficina, hasta 80 caracteres.")))
        if not values:
            problems.append(Problem("tabla", told.gettext("Escriba al menos un dato de lo que tienen.")))
        if wish is Wish.ALIVE_ONLY:
            chosen = frozenset()
        if not chosen and not isinstance(self._asked.message, SearchRequest):
            problems.append(
                Problem("tabla", told.gettext("Elija al menos un dato que salga, o responda que no hay información."))
            )
        records = (SourceRecord(self.record_type, self._coarsened(values, form)),)
        return Filled(
            answer=OwnAnswer(
                result=SearchResult(result),
                records=records,
                case_ref=case_ref,
                finder_released=form.text("decidido") == "si",
                chosen=chosen,
            ),
            wish=wish,
            evidence=form.text("como"),
            problems=tuple(problems),
            marks=marks_of(records, self._today()),
        )

    def _values(self, form: forms.Form, problems: list[Problem]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in (*self._wanted, *self._protects):
            text = _held(self._fields[name], form)
            if not text:
                continue
            try:
                values[name] = read_value(self._fields[name], text, self._today())
            except UnreadError:
                why = self._told.gettext("%(label)s: no se entiende. %(hint)s") % {
                    "label": self._label(name),
                    "hint": hint(self._fields[name].kind, self._told),
                }
                problems.append(Problem(f"v-{name}", why.strip()))
        return values

    def _coarsened(self, values: Mapping[str, Any], form: forms.Form) -> dict[str, Any]:
        # What the officer chose to say more coarsely than the policy lets is made so before it is weighed.
        return {name: self._as_chosen(name, value, form.text(f"s-{name}")) for name, value in values.items()}

    def _as_chosen(self, name: str, value: Any, form: str) -> Any:
        ways = self.ways(name) if name in self._rulings else []
        if len(ways) < 2 or form not in {item.value for item in ways[1:]}:
            return value
        return coarsen(self._fields[name].kind, value, Form(form))

    def _wish(self, form: forms.Form, problems: list[Problem]) -> Wish | None:
        if not self.living:
            return None
        if form.text("voluntad") not in WISHES:
            problems.append(Problem("voluntad", self._told.gettext("Diga qué autorizó la persona localizada.")))
            return Wish.UNDECIDED
        # The log must not say how, where nobody did.
        if form.text("voluntad") != Wish.UNDECIDED.value and form.text("como") not in HOW:
            problems.append(Problem("como", self._told.gettext("Diga cómo lo dijo la persona.")))
        return Wish(form.text("voluntad"))

    def _label(self, name: str) -> str:
        return self._fields[name].label(self._told.lang)


def _held(found: FieldDefinition, form: forms.Form) -> str:
    return form.lines(f"v-{found.name}") if found.kind == KIND else form.text(f"v-{found.name}")


def likeness(kind: str, ours: Any, theirs: Any) -> str:
    """Return ``same``, ``like`` (ranges that meet, texts that differ in case or in how much they say) or ``other``."""
    if ours == theirs:
        return "same"
    if kind in {"age", "measure"} and isinstance(ours, dict) and isinstance(theirs, dict):
        return "like" if ours["min"] <= theirs["max"] and theirs["min"] <= ours["max"] else "other"
    if kind == "date" and isinstance(ours, dict) and isinstance(theirs, dict) and "date" in ours and "date" in theirs:
        return "like" if ours["date"].startswith(theirs["date"]) or theirs["date"].startswith(ours["date"]) else "other"
    if kind == "place" and isinstance(ours, dict) and isinstance(theirs, dict):
        return "like" if all(ours[part] == theirs[part] for part in set(ours) & set(theirs)) else "other"
    return "like" if plain_words(ours) & plain_words(theirs) else "other"


def plain_words(value: Any) -> frozenset[str]:
    """Return the words of a text or of a list of texts, without case."""
    texts = value if isinstance(value, list) else [value]
    return frozenset(word for text in texts if isinstance(text, str) for word in text.casefold().split())


def answer_kind(asked: Asked) -> str:
    """Return the type of message that answers a question."""
    return "search.response" if isinstance(asked.message, SearchRequest) else "disclosure.grant"


def record_types(asked: Asked, node: Capabilities) -> list[str]:
    """Return the types of record an answer may carry, by the policy, among those that have a field that was asked for."""
    fields, only = wanted_of(asked.message)
    trust, kind = node.trust(), answer_kind(asked)
    role = trust.member(asked.message.sender).role
    known = ("unidentified-person", "custody", REMAINS, "missing-person", *(item.id for item in trust.policy.records))
    return [
        name
        for name in known
        if (only is None or name == only)
        and not walled(name, kind)
        and not fields.isdisjoint(trust.policy.fields_of(name))
        and trust.policy.rule_for(name, kind, role, asked.message.purpose) is not None
    ]
