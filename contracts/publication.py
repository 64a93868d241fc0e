"""What of a record may be shown to everybody: what each reader of a public bulletin may see, and no more (SPEC 6.4, 16.2).

The public is no member and has no role. It holds everybody, enforcement too, so a sheet carries the fields that every role a
bulletin may go to would be given, in one and the same form, and nothing protected whatever the policy says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from contracts.consents import InForce, Occasion, Scope, grant_of
from contracts.disclosure import Extract, Policies, Recipient, SourceRecord, extract
from contracts.errors import NotPermittedError
from contracts.fields import Sensitivity, plain
from contracts.ids import Code, NodeId
from contracts.messages import Minor
from contracts.policy import Permit, Policy, Tightened
from contracts.register import Role

KIND = "bulletin"
"""The type of message whose rules say what is public."""
PUBLIC = NodeId("any.public")
"""Stands for everybody where a node is asked for: a consent limited to some nodes is none for this."""
PURPOSE = Code("locate-missing")
BASIS = Code("consent")
SCOPE = Scope.PUBLIC_BULLETIN


@dataclass(frozen=True, slots=True)
class Public:
    """What may be shown: plain values by field, for how many days at most, and whether it takes a second person."""

    values: Mapping[str, Any]
    keep_days: int
    second: str | None


def publishable(record: SourceRecord, *, us: Role, consents: InForce, minor: Minor, approvals: int, policy: Policies) -> Public:
    """Return what of a record may be shown to everybody, on the family's consent.

    Raises:
        NotPermittedError: this institution publishes nothing, the consent is missing, or nothing is left. Never a value.
    """
    signed: Policy = policy.policy if isinstance(policy, Tightened) else policy
    rule = _flow(signed, us)
    readers = [role for role in Role if signed.rule_for(record.type, KIND, role, PURPOSE) is not None]
    fields = frozenset(Code(name) for name in record.values)
    grant = grant_of(consents, Occasion(BASIS, PUBLIC, PURPOSE, fields), approvals=approvals)
    if Code(SCOPE.value) not in grant.scopes:
        fields = frozenset(Code(name) for name in fields if _named(signed, record.type, name, readers))
        grant = grant_of(consents, Occasion(BASIS, PUBLIC, PURPOSE, fields), approvals=approvals)
    if Code(SCOPE.value) not in grant.scopes:
        raise NotPermittedError(f"needs:scope:{SCOPE.value}")
    grant = replace(grant, duty=False, minor=minor)
    seen = [
        extract(record, to=Recipient(PUBLIC, role), kind=KIND, purpose=PURPOSE, grant=grant, policy=policy) for role in readers
    ]
    second = signed.second_person_for(record.type, KIND, minor)
    return Public(_shared(seen, record.type, signed), signed.retain_days(rule), None if second is None else str(second.id))


def _flow(policy: Policy, us: Role) -> str:
    for to in Role:
        decision = policy.decide(KIND, us, to, PURPOSE, BASIS)
        if isinstance(decision, Permit):
            return str(decision.rule)
    raise NotPermittedError("no flow lets this institution publish")


def _named(policy: Policy, record: str, field: str, readers: list[Role]) -> bool:
    rules = [policy.rule_for(record, KIND, role, PURPOSE) for role in readers]
    return any(rule is not None and rule.form_of(field) is not None for rule in rules)


def _shared(seen: list[Extract], record: str, policy: Policy) -> Mapping[str, Any]:
    known = policy.fields_of(record)
    if not seen:
        raise NotPermittedError("no rule says what is public")
    found = {}
    for name, value in seen[0].claims.items():
        forms = {entry.form for each in seen for entry in each.manifest.disclosed if entry.field == name}
        everywhere = all(name in each.claims for each in seen) and len(forms) == 1
        if everywhere and known[name].sensitivity < Sensitivity.PROTECTED:
            found[name] = plain(value)
    if not found:
        raise NotPermittedError("nothing of this record may be shown to everybody")
    return found
