"""What a disclosure rests on, and whether that still stands (SPEC 15, 20). Read when it leaves, and at each withdrawal."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from contracts.consents import (
    LOCATED,
    NEEDS_NO_CONSENT,
    ConsentEvent,
    ConsentForm,
    InForce,
    Occasion,
    RelativeId,
    grant_of,
    ground_of,
    in_force,
)
from contracts.disclosure import Disclosed, Grant
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code
from contracts.messages import ConsentAct
from contracts.policy import Policy, Tightened
from contracts.register import Role
from gateway.exchange.holdings import LedgerEntry
from gateway.exchange.ports import UnitOfWork

UNKNOWN_RULE = Code("unknown-rule")
"""Stands for the scope of a rule that no policy here has any more: nobody can give it, so what rests on it must come back."""


def scopes_of(
    record_type: str, disclosed: Iterable[Disclosed], policy: Policy | Tightened, *, kind: str, role: Role, grant: Grant
) -> frozenset[Code]:
    """Return the scopes of consent without which these fields would not leave, this node's own needs among them."""
    signed = policy.policy if isinstance(policy, Tightened) else policy
    rules = {rule.id: rule for rule in signed.rules if rule.record == record_type}
    scopes: set[Code] = set()
    for item in disclosed:
        rule = rules.get(Code(item.rule))
        if rule is None:
            scopes.add(UNKNOWN_RULE)
            continue
        own = policy.limit(rule, item.field, kind, role).needs if isinstance(policy, Tightened) else ()
        for need in (rule.need_of(item.field), *own):
            if need is not None and need.scope is not None and not (need.duty and grant.duty):
                scopes.add(need.scope)
    return frozenset(scopes)


def rests_on(entry: LedgerEntry, policy: Policy, role: Role) -> frozenset[Code]:
    """Return what a line of the ledger rests on; where it was written without that, by today's policy."""
    if entry.scopes is not None:
        return entry.scopes
    grant = Grant(frozenset(), duty=ground_of(entry.basis) in NEEDS_NO_CONSENT, approvals=0)
    return scopes_of(entry.record_type, entry.fields, policy, kind=entry.kind, role=role, grant=grant)


def stands(entry: LedgerEntry, scopes: frozenset[Code], events: Sequence[ConsentEvent], at: int) -> bool:
    """Return whether everything a copy rests on is in force at `at` (Unix seconds).

    A record of the person sought stands while any relative's word carries it; a relative's own record by theirs alone.
    Where nobody wrote down whose it is, every relative's word must carry it: the careful side.
    """
    wanted = scopes - {LOCATED}  # the wish of the person found, which is no relative's to withdraw
    if not wanted:
        return True
    holding = in_force(events, at)
    return all(wanted <= _given(holding, entry, who) for who in _whose(entry, events))


def _whose(entry: LedgerEntry, events: Sequence[ConsentEvent]) -> Iterable[RelativeId | None]:
    if entry.record_type != RecordType.REPORTER:
        return (None,)
    if entry.relative is not None:
        return (entry.relative,)
    return sorted({event.relative for event in events if event.relative is not None and not _only_passed_on(event)}) or (None,)


def _only_passed_on(event: ConsentEvent) -> bool:
    """Return whether a yes was said elsewhere and nobody wrote it down here: nothing rests on it, and nothing falls with it."""
    return event.form is ConsentForm.RELAYED and event.act is ConsentAct.GIVEN


def _given(holding: InForce, entry: LedgerEntry, who: RelativeId | None) -> frozenset[Code]:
    fields = frozenset(item.field for item in entry.fields)
    occasion = Occasion(entry.basis, entry.peer, entry.purpose, fields)
    return grant_of(holding, occasion, approvals=0, relative=who).scopes


async def refuse_fallen(lines: Iterable[LedgerEntry], work: UnitOfWork, *, now: datetime) -> None:
    """Refuse what would leave on a consent that a relative withdrew or narrowed, whoever prepared it and however long ago.

    In the transaction in which it would leave, and one at a time with the withdrawals of its case.

    Raises:
        NotPermittedError: a line has nothing to stand on any more. Names no field.
    """
    by_case: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
    for line in lines:
        if line.scopes:
            by_case[line.case_ref].append(line)
    for case_ref in sorted(by_case):
        await work.departures.serialise([case_ref])
        events = await work.consents.of_case(case_ref)
        if all(event.act is ConsentAct.GIVEN for event in events):
            continue  # nobody took anything back; whether there was a yes is judged where a message is made
        at = int(now.timestamp())
        if not all(stands(line, line.scopes or frozenset(), events, at) for line in by_case[case_ref]):
            raise NotPermittedError("a consent this rests on was withdrawn")
