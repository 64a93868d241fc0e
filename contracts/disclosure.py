"""How a record becomes a disclosure: `extract`, the only way out, and `recheck`, the recipient's same rules (SPEC 6.4).

Both are pure. Walls stand here and not in the policy: no policy, grant or person opens them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from contracts.errors import NotPermittedError, OverDisclosureError
from contracts.fields import (
    FieldDefinition,
    Form,
    RecordType,
    Sensitivity,
    check_stated,
    coarsen_stated,
    fits_stated,
    kept_back,
)
from contracts.fields.kinds import at_most
from contracts.ids import Code, NodeId
from contracts.messages import ASKED_KINDS, Minor
from contracts.policy import ENFORCEMENT, Need, Policy, Rule, Tightened
from contracts.register import Role

WALL_ENFORCEMENT = "wall:enforcement"
WALL_REPORTER = "wall:reporter-in-query"
WALL_STAYS = "wall:never-leaves"
WALL_PERSON = "wall:never-to"
NOT_NAMED = "none"
NOT_ASKED = "not-asked"
TWO_PEOPLE = "needs:approvals:2"
MAX_CLAIMS = 48
_FORMS = frozenset(Form)

Policies = Policy | Tightened
"""The signed policy, or one node's stricter reading of it."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record as this institution holds it: exact values, plain or stated, in the shapes of the field dictionary."""

    type: str
    """A `RecordType`, or the id of one of the policy's own record types."""
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who would get it."""

    node: NodeId
    role: Role


@dataclass(frozen=True, slots=True)
class Grant:
    """What there is to rest on: consent scopes, whether a duty applies, how many people approved.

    `minor`: may the person be a child? Unknown counts as yes. `never_to`: nodes and roles this person must not reach.
    """

    scopes: frozenset[Code]
    duty: bool
    approvals: int
    minor: Minor = "possible"
    never_to: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class DisclosedField:
    """A field that leaves: in which form, by which rule. `kept_back`: what is said about it and stays (never on the wire)."""

    field: str
    form: Form
    rule: str
    kept_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WithheldField:
    """A field that stays, and what decided. The reason's beginning tells which kind of no it is:

    ``none`` no rule names it (not permitted) · ``wall:…``, ``never:…`` something forbids it · ``own:…`` this node is
    stricter · ``not-asked`` an answer carries only what was asked · ``needs:…`` a consent, duty or approval is missing.
    """

    field: str
    rule: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every field the record has, once: what leaves is signed into the message, what stays is known here alone."""

    disclosed: tuple[DisclosedField, ...]
    withheld: tuple[WithheldField, ...]


@dataclass(frozen=True, slots=True)
class Extract:
    """What leaves, value by value, and the manifest of it."""

    claims: Mapping[str, Any]
    manifest: Manifest


class Disclosed(Protocol):
    """One entry of a message's manifest, whoever made it."""

    @property
    def field(self) -> str:
        """The field's name."""
        ...

    @property
    def form(self) -> str:
        """How coarse it is."""
        ...

    @property
    def rule(self) -> str:
        """What let it leave."""
        ...


@dataclass(frozen=True, slots=True)
class Release:
    """The question a disclosure answers: these fields of a record, in this message, to this recipient, on this grant.

    `asked`: the fields a request asked for. An answer to a request carries none but these; without them, nothing.
    """

    to: Recipient
    kind: str
    purpose: Code
    grant: Grant
    policy: Policies
    asked: Collection[str] | None = None

    @property
    def signed(self) -> Policy:
        """The policy as it was signed."""
        return self.policy.policy if isinstance(self.policy, Tightened) else self.policy


def extract(
    record: SourceRecord,
    *,
    to: Recipient,
    kind: str,
    purpose: Code,
    grant: Grant,
    policy: Policies,
    asked: Collection[str] | None = None,
) -> Extract:
    """Return what of `record` leaves in a message of type `kind`, and why each field does or does not.

    Raises:
        NotPermittedError: nothing of this record may leave, or the record has a value that is not of its field's kind.
            Says which reasons there were, never a value.
    """
    release = Release(to, kind, purpose, grant, policy, asked)
    rule = release.signed.rule_for(record.type, kind, to.role, purpose)
    if rule is None or walled(record.type, kind):
        raise NotPermittedError(f"no rule lets a {record.type} record leave in {kind}")
    claims: dict[str, Any] = {}
    disclosed: list[DisclosedField] = []
    withheld: list[WithheldField] = []
    known, judge = release.signed.fields_of(record.type), Judge(rule, release)
    for name, value in record.values.items():
        found = known.get(name)
        if found is None or not check_stated(found.kind, value):
            raise NotPermittedError("the record has a field or value the dictionary does not know")
        verdict = judge.field(found)
        if isinstance(verdict, Form):
            claims[name] = coarsen_stated(found.kind, value, verdict, told_beside(rule, to.role))
            disclosed.append(DisclosedField(name, verdict, rule.id, kept_back(value, claims[name])))
        else:
            withheld.append(WithheldField(name, verdict))
    if not claims:
        raise NotPermittedError(f"nothing of this record may leave: {', '.join(sorted({entry.rule for entry in withheld}))}")
    return Extract(claims, Manifest(tuple(disclosed), tuple(withheld)))


class Judge:
    """Decides field by field what one rule lets go. What holds for the whole record is found out once."""

    def __init__(self, rule: Rule, release: Release) -> None:
        self._rule = rule
        self._release = release
        to, grant, signed = release.to, release.grant, release.signed
        self._barred = not grant.never_to.isdisjoint((str(to.node), to.role.value))
        self._nevers = signed.nevers_for(rule.record, to.role)
        self._one_person = grant.approvals < 2 and (
            signed.second_person_for(rule.record, release.kind, grant.minor) is not None
            or two_people_wall(rule.record, release.kind, grant)
        )

    def field(self, found: FieldDefinition) -> Form | str:
        """Return the form in which a field leaves, or the reason why it stays (`WithheldField`)."""
        reason = self._forbidden(found)
        if reason is not None:
            return reason
        if not self._asked_for(found.name):
            return NOT_ASKED
        form = self._rule.form_of(found.name)
        return NOT_NAMED if form is None else self._released(found.name, form)

    def _forbidden(self, found: FieldDefinition) -> str | None:
        if self._barred:
            return WALL_PERSON
        if behind_wall(found, self._release.to.role) or not found.forms:
            return WALL_ENFORCEMENT if found.forms else WALL_STAYS
        if found.name in self._nevers:
            return self._nevers[found.name]
        return TWO_PEOPLE if self._one_person else None

    def _asked_for(self, name: str) -> bool:
        asked = self._release.asked
        return self._release.kind not in ASKED_KINDS if asked is None else name in asked

    def _released(self, name: str, form: Form) -> Form | str:
        need, policy, grant = self._rule.need_of(name), self._release.policy, self._release.grant
        reason = None if need is None else _missing(need, grant)
        if reason is not None or not isinstance(policy, Tightened):
            return reason or form
        own = policy.limit(self._rule, name, self._release.kind, self._release.to.role)
        if own.form is None:
            return str(own.withheld_by)
        missing = (_missing(need, grant) for need in own.needs)
        return next((reason for reason in missing if reason is not None), own.form)


def recheck(
    record_type: str,
    claims: Mapping[str, Any],
    disclosed: Iterable[Disclosed],
    *,
    own_role: Role,
    kind: str,
    purpose: Code,
    policy: Policy,
) -> None:
    """Refuse what a sender should not have let out, whoever it is.

    Raises:
        OverDisclosureError: claims and manifest differ, a field or form the policy does not allow to us, a value more
            precise than its form, something said about it that the rule does not name, another rule than the policy's,
            a wall.
    """
    rule = policy.rule_for(record_type, kind, own_role, purpose)
    if rule is None or walled(record_type, kind):
        raise OverDisclosureError("no rule lets such a record come here")
    listed = tuple(disclosed)
    entries = {entry.field: entry for entry in listed}
    if len(entries) != len(listed) or set(entries) != set(claims) or len(claims) > MAX_CLAIMS:
        raise OverDisclosureError("claims and manifest differ")
    if any(entry.rule != rule.id for entry in listed):
        raise OverDisclosureError("the manifest names another rule than the one that decides")
    known = policy.fields_of(record_type)
    for name, value in claims.items():
        _recheck_field(known.get(name), value, str(entries[name].form), rule, own_role)


def recheck_asked(claims: Iterable[str], asked: Collection[str]) -> None:
    """Refuse an answer that carries a field we did not ask for; the asker alone knows what it asked.

    Raises:
        OverDisclosureError: a field nobody asked for.
    """
    if not set(claims) <= set(asked):
        raise OverDisclosureError("an answer with a field that was not asked for")


def _recheck_field(found: FieldDefinition | None, value: Any, form: str, rule: Rule, own_role: Role) -> None:
    allowed = rule.form_of(found.name) if found else None
    if found is None or allowed is None or form not in _FORMS:
        raise OverDisclosureError("a field or form that no rule allows")
    if behind_wall(found, own_role) or not found.forms:
        raise OverDisclosureError("a protected field for a role that must never see one")
    if Form(form) not in found.forms or not at_most(found.kind, Form(form), allowed):
        raise OverDisclosureError("a form more precise than allowed")
    if not fits_stated(found.kind, value, Form(form), told_beside(rule, own_role)):
        raise OverDisclosureError("a value more precise than its form, or saying more about itself than allowed")


def behind_wall(found: FieldDefinition, role: Role) -> bool:
    """Return whether no policy whatever may let this field reach this role: S4 and S5 never reach enforcement."""
    return role in ENFORCEMENT and found.sensitivity >= Sensitivity.PROTECTED


def told_beside(rule: Rule, role: Role) -> tuple[str, ...]:
    """Return what may be said beside a value; to enforcement nothing, whatever a policy says: a source names a person."""
    return () if role in ENFORCEMENT else rule.about


def walled(record_type: str, kind: str) -> bool:
    """Return whether no policy whatever may put such a record into such a message: never a reporter in a query."""
    return record_type == RecordType.REPORTER and kind.startswith(("search.", "finding.", "identity.", "bulletin"))


def two_people_wall(record_type: str, kind: str, grant: Grant) -> bool:
    """Return whether two people must have approved, whatever the policy says: answers about remains, or about a child."""
    return kind in ASKED_KINDS and (record_type == RecordType.UNIDENTIFIED_REMAINS or grant.minor != "no")


def _missing(need: Need, grant: Grant) -> str | None:
    if need.scope is not None and need.scope not in grant.scopes and not (need.duty and grant.duty):
        return f"needs:scope:{need.scope}"
    if need.scope is None and need.duty and not grant.duty:
        return "needs:duty"
    if need.approvals is not None and grant.approvals < need.approvals:
        return f"needs:approvals:{need.approvals}"
    return None
