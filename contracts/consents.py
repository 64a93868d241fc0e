"""What a family agreed to, relative by relative, and what needs no agreement (SPEC 15). Pure folds; nothing here is personal.

Consent is a heap of events, in whatever order they became known. What is in force at a moment follows from the heap alone:

* Each relative decides for themselves: what one withdraws, another may still allow.
* At one moment the more careful decision counts: a withdrawal before a narrowing, a narrowing before a yes.
* An import never changes what a person decided: it revives nothing that was narrowed or withdrawn, whatever date it carries.
* A consent inherited without proof lets us look in our own books, and lets nothing leave.
* A word that another institution passed on takes back; it gives nothing until somebody here has written it down.

The person found decides alone who learns that they are alive.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from contracts.disclosure import Grant
from contracts.errors import MessageConflictError, SchemaError
from contracts.ids import ActorPseudonym, Code, Identifier, MessageId, NodeId
from contracts.messages import ConsentAct

Item = TypeVar("Item")


class Scope(StrEnum):
    """What can be agreed to, one by one; the policy's rules ask for these codes. Wire format: add, never rename."""

    NATIONAL_SEARCH = "c1"
    CONSULAR = "c2"
    MEXICO_RESTRICTED = "c3"
    MEXICO_REGISTER = "c4"
    US_MEDICOLEGAL = "c5"
    HUMANITARIAN = "c6"
    INTERPOL = "c7"
    PUBLIC_BULLETIN = "c8"
    DNA = "c9"
    NGO_CONTACT = "c10"
    STATISTICS = "c11"
    ACCOMPANIMENT = "c12"
    CRIMINAL_COMPLAINT = "c13"


LOCATED = Code("located")
"""What the person found agrees to, and no relative can: that their whereabouts be told."""


@dataclass(frozen=True, slots=True)
class ScopeLabel:
    """How people call a scope."""

    es: str
    en: str


SCOPES: Mapping[Scope, ScopeLabel] = MappingProxyType(
    {
        Scope.NATIONAL_SEARCH: ScopeLabel("Búsqueda nacional", "National search"),
        Scope.CONSULAR: ScopeLabel("Red consular", "Consular network"),
        Scope.MEXICO_RESTRICTED: ScopeLabel("México, vía restringida", "Mexico, restricted route"),
        Scope.MEXICO_REGISTER: ScopeLabel(
            "México, registro y alerta (equivale a publicar)", "Mexico, register and alert (amounts to publication)"
        ),
        Scope.US_MEDICOLEGAL: ScopeLabel("EE. UU., médico-legal y NamUs", "USA, medico-legal offices and NamUs"),
        Scope.HUMANITARIAN: ScopeLabel("CICR y Cruz Roja", "ICRC and Red Cross"),
        Scope.INTERPOL: ScopeLabel("INTERPOL (es una vía policial)", "INTERPOL (a police channel)"),
        Scope.PUBLIC_BULLETIN: ScopeLabel("Boletín público", "Public bulletin"),
        Scope.DNA: ScopeLabel("Muestras de ADN", "DNA samples"),
        Scope.NGO_CONTACT: ScopeLabel("Contacto por una organización", "Contact through an organisation"),
        Scope.STATISTICS: ScopeLabel("Estadística", "Statistics"),
        Scope.ACCOMPANIMENT: ScopeLabel("Acompañamiento y traslado", "Accompaniment and transport"),
        Scope.CRIMINAL_COMPLAINT: ScopeLabel("Denuncia penal", "Criminal complaint"),
    }
)


class ConsentForm(StrEnum):
    """How a decision was given."""

    WRITTEN = "written"
    FINGERPRINT = "fingerprint"
    AUDIO = "audio"
    ORAL_WITNESSED = "oral-witnessed"
    INHERITED = "inherited-without-proof"  # consentimiento_heredado_sin_constancia
    RELAYED = "relayed"  # said where the report was taken; that institution's signed message says so


WITNESSED = frozenset({ConsentForm.FINGERPRINT, ConsentForm.ORAL_WITNESSED})
"""Forms that need a witness to be a consent."""

BROUGHT = frozenset({ConsentForm.INHERITED, ConsentForm.RELAYED})
"""Forms of a word that no person of this institution heard: on it alone nothing leaves."""


class Ground(StrEnum):
    """What a legal basis rests on."""

    CONSENT = "consent"
    DUTY = "duty"
    VITAL_INTEREST = "vital-interest"
    CHILD_BEST_INTERESTS = "child-best-interests"


NEEDS_NO_CONSENT = frozenset({Ground.DUTY, Ground.VITAL_INTEREST, Ground.CHILD_BEST_INTERESTS})

GROUND_OF: Mapping[Code, Ground] = MappingProxyType(
    {
        Code("gt:mbmid:traslado-inmediato"): Ground.DUTY,
        Code("gt:alba-keneth:8"): Ground.DUTY,
        Code("gt:alba-keneth:reglamento"): Ground.DUTY,
        Code("gt:isabel-claudina"): Ground.DUTY,
        Code("gt:mp:denuncia"): Ground.DUTY,
        Code("vital-interest"): Ground.VITAL_INTEREST,
        Code("child-best-interests"): Ground.CHILD_BEST_INTERESTS,
    }
)
"""Bases of the norm pack that need no consent; every other one does."""


class RelativeId(Identifier):
    """Who decided, in a form only this institution resolves: a keyed digest, the same for the same person at every import."""

    pattern = re.compile(r"r:[A-Za-z0-9_-]{4,40}")
    max_length = 42


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a consent goes; None means without that limit. `until` is Unix seconds, the first moment it no longer holds."""

    recipients: frozenset[NodeId] | None = None
    purposes: frozenset[Code] | None = None
    fields: frozenset[Code] | None = None
    until: int | None = None

    def within(self, other: "Limits") -> "Limits":
        """Return what both allow."""
        return Limits(
            _both(self.recipients, other.recipients),
            _both(self.purposes, other.purposes),
            _both(self.fields, other.fields),
            min((end for end in (self.until, other.until) if end is not None), default=None),
        )

    def allow(self, *, to: NodeId, purpose: Code, fields: frozenset[Code], at: int) -> bool:
        """Return whether these fields may go to this node for this purpose at this moment."""
        return (
            (self.recipients is None or to in self.recipients)
            and (self.purposes is None or purpose in self.purposes)
            and (self.fields is None or fields <= self.fields)
            and (self.until is None or at < self.until)
        )


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One decision of one relative about some scopes. Times are Unix seconds. `reason` is a code, never a story.

    `relative` None: nobody knows whose it was; only an inherited consent may be so. `imported`: it came with a file or message.

    Raises:
        SchemaError: no scope, no witness where the form needs one, nobody who decided, or a word nobody here heard and not
            imported.
    """

    id: MessageId
    relative: RelativeId | None
    act: ConsentAct
    scopes: frozenset[Scope]
    effective_at: int
    form: ConsentForm
    language: str
    """BCP 47: the language in which it was explained and decided."""
    witness: ActorPseudonym | None = None
    limits: Limits = NO_LIMITS
    imported: bool = False
    reason: Code | None = None

    def __post_init__(self) -> None:
        if not self.scopes or not self.language:
            raise SchemaError("a consent without a scope or a language")
        if self.form in WITNESSED and self.witness is None:
            raise SchemaError("this form of consent needs a witness")
        if self.form in BROUGHT and not self.imported:
            raise SchemaError("only a file or a message brings such a consent")
        if self.relative is None and self.form is not ConsentForm.INHERITED:
            raise SchemaError("a consent of nobody")


@dataclass(frozen=True, slots=True)
class Standing:
    """A scope that is in force for one relative: how far, in which form and language, by which event it was given."""

    limits: Limits
    form: ConsentForm
    language: str
    given_by: MessageId


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force at a moment. `internal_search`: we may look in our own books; nothing leaves for it."""

    at: int
    scopes: Mapping[tuple[RelativeId, Scope], Standing]
    internal_search: bool


_CARE = {ConsentAct.GIVEN: 0, ConsentAct.NARROWED: 1, ConsentAct.WITHDRAWN: 2}


def in_force(events: Iterable[ConsentEvent], at: int) -> InForce:
    """Return what holds at `at` (Unix seconds), whatever the order in which the events became known.

    Raises:
        MessageConflictError: two events have one id and differ.
    """
    known = [event for event in _each_once(events) if event.effective_at <= at]
    people = {event.relative for event in known if event.relative is not None}
    found: dict[tuple[RelativeId, Scope], Standing] = {}
    for relative in people:
        for scope in Scope:
            standing = _standing([event for event in known if event.relative == relative and scope in event.scopes])
            if standing is not None and (standing.limits.until is None or at < standing.limits.until):
                found[relative, scope] = standing
    return InForce(at, MappingProxyType(found), bool(found) or _inherited_stands(known))


# -- the person found ----------------------------------------------------------------------------------------------


class Wish(StrEnum):
    """What a person found alive wants told. UNDECIDED also stands for: was not asked yet. CANNOT_SAY: unconscious, amnesic."""

    CONTACT = "contact"
    SEALED_MESSAGES_ONLY = "sealed-messages-only"
    ALIVE_ONLY = "alive-only"
    CANNOT_SAY = "cannot-say"
    UNDECIDED = "undecided"
    SILENCE = "silence"


_MORE_CAREFUL = tuple(Wish)
"""Least careful first."""


@dataclass(frozen=True, slots=True)
class WishEvent:
    """What the person found said, when, and how that is known (a code)."""

    id: MessageId
    wish: Wish
    effective_at: int
    evidence: Code


def wish_at(events: Iterable[WishEvent], at: int) -> Wish:
    """Return the wish in force at `at`; of several at one moment the most careful; UNDECIDED where nobody asked."""
    known = [event for event in events if event.effective_at <= at]
    latest = max((event.effective_at for event in known), default=None)
    said = [event.wish for event in known if event.effective_at == latest]
    return max(said, key=_MORE_CAREFUL.index, default=Wish.UNDECIDED)


def may_tell_alive(wish: Wish, basis: Code) -> bool:
    """Return whether anybody may be told that the person is alive; for one who cannot say, on a basis that needs no consent."""
    if wish is Wish.CANNOT_SAY:
        return ground_of(basis) in NEEDS_NO_CONSENT
    return wish in {Wish.CONTACT, Wish.SEALED_MESSAGES_ONLY, Wish.ALIVE_ONLY}


def may_tell_more(wish: Wish, basis: Code) -> bool:
    """Return whether a record about the person found may go with it; for other wishes the bare fact is all."""
    return wish in {Wish.CONTACT, Wish.CANNOT_SAY} and may_tell_alive(wish, basis)


# -- what a disclosure rests on ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Occasion:
    """A disclosure that is asked for: on which basis, to which node, for which purpose, of which fields."""

    basis: Code
    to: NodeId
    purpose: Code
    fields: frozenset[Code]


def grant_of(
    consents: InForce, occasion: Occasion, *, approvals: int, relative: RelativeId | None = None, wish: Wish | None = None
) -> Grant:
    """Return what a disclosure can rest on.

    `relative`: the record is about this relative (a reporter), and nobody else's consent counts for it; None: it is about
    the person sought, and any relative's does. A basis that needs no consent gives a duty; it gives no scope. `wish` is
    the found person's: only their own gives LOCATED.
    """
    to, purpose, fields = occasion.to, occasion.purpose, occasion.fields
    given = {
        Code(scope.value)
        for (who, scope), standing in consents.scopes.items()
        if relative in {None, who} and standing.limits.allow(to=to, purpose=purpose, fields=fields, at=consents.at)
    }
    if wish is not None and may_tell_more(wish, occasion.basis):
        given.add(LOCATED)
    return Grant(frozenset(given), duty=ground_of(occasion.basis) in NEEDS_NO_CONSENT, approvals=approvals)


def ground_of(basis: Code) -> Ground:
    """Return what a basis rests on; one that nobody named rests on consent."""
    return GROUND_OF.get(basis, Ground.CONSENT)


def may_search_internally(consents: InForce, basis: Code) -> bool:
    """Return whether our own books may be searched: a withdrawal ends what leaves, and never the search that is a duty."""
    return consents.internal_search or ground_of(basis) in NEEDS_NO_CONSENT


# -- folding -------------------------------------------------------------------------------------------------------


def _each_once(events: Iterable[ConsentEvent]) -> list[ConsentEvent]:
    found: dict[MessageId, ConsentEvent] = {}
    for event in events:
        if found.setdefault(event.id, event) != event:
            raise MessageConflictError("one consent event, two contents")
    return list(found.values())


def _standing(events: list[ConsentEvent]) -> Standing | None:
    """Fold the events of one relative and one scope."""
    standing: Standing | None = None
    given_at: int | None = None
    decided = False  # by a person, or stopped by whomever: no import changes it from then on
    for event in sorted(events, key=lambda event: (event.effective_at, _CARE[event.act], event.id)):
        if event.act is ConsentAct.WITHDRAWN:
            standing = None
        elif event.act is ConsentAct.NARROWED:
            standing = None if standing is None else _narrowed(standing, event.limits)
        elif event.form not in BROUGHT and not (event.imported and decided):
            fresh = Standing(event.limits, event.form, event.language, event.id)
            standing = _narrowed(fresh, standing.limits) if standing is not None and given_at == event.effective_at else fresh
            given_at = event.effective_at
        decided = decided or not event.imported or event.act is not ConsentAct.GIVEN
    return standing


def _narrowed(standing: Standing, limits: Limits) -> Standing:
    return Standing(standing.limits.within(limits), standing.form, standing.language, standing.given_by)


def _inherited_stands(events: list[ConsentEvent]) -> bool:
    """Whether an inherited consent to be searched for is there, and nobody of the case took theirs back."""
    about = [event for event in events if Scope.NATIONAL_SEARCH in event.scopes]
    given = any(event.act is ConsentAct.GIVEN and event.form is ConsentForm.INHERITED for event in about)
    return given and not any(event.act is ConsentAct.WITHDRAWN for event in about)


def _both(one: frozenset[Item] | None, other: frozenset[Item] | None) -> frozenset[Item] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


if set(SCOPES) != set(Scope) or [scope.value for scope in Scope] != [f"c{n}" for n in range(1, len(Scope) + 1)]:
    raise RuntimeError("every scope needs its labels and its number")
