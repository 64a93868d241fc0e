"""Whom a case must never reach: said by an officer, or by the report itself where somebody needs protection (E4; SPEC 17.4)."""

import re
from collections.abc import Sequence
from enum import Enum

from contracts.errors import NotPermittedError
from contracts.fields import plain
from contracts.ids import ActorPseudonym, Code
from contracts.messages import ReportTransfer
from contracts.register import Role
from gateway.exchange.acts import note_act
from gateway.exchange.agreeing import agreed
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.gate import By
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.sheets import end_of_case

PROTECTION = Code("protection-need")
LIFT = Code("never-to.lift")
_COUNTRY = re.compile(r"country:[a-z]{2}")
_TOLD = frozenset({"protection_need", "nationalities"})


async def bar(case_ref: str, target: str, reason: Code, work: UnitOfWork, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Let nothing of a case reach a node, a role or a ``country:xx`` from now on; nothing changes where that holds already.

    Raises:
        NotPermittedError: the target is none of these: a rule that bars nobody would be believed.
    """
    roles = {role.value for role in Role}
    if target not in roles and not _COUNTRY.fullmatch(target) and target not in node.trust().members:
        raise NotPermittedError("no member, role or country")
    await work.holds.forbid(case_ref, target, reason=reason, by=actor, now=node.clock.now())
    await end_of_case([case_ref], "never-to", work, node.clock.now())  # whom it must not reach can read a wall
    await note_act(f"never-to.set {target} {reason}", work, node, actor=actor, case_ref=case_ref)
    node.nudge(Nudge.LOG)


class Lifting(Enum):
    """What became of wanting such a rule to end."""

    NO_RULE = "no-rule"
    WAITS = "waits"
    LIFTED = "lifted"


async def unbar(case_refs: Sequence[str], target: str, work: UnitOfWork, node: Capabilities, *, by: By) -> Lifting:
    """End such a rule when two persons agree, this one among them. That there was one stays.

    `case_refs`: what our books call the case; the rule stands under one of these, and holds for all.
    """
    standing = [(ref, since) for ref in case_refs if (since := await work.holds.since(ref, target)) is not None]
    if not standing:
        return Lifting.NO_RULE
    case_ref, since = standing[0]
    which = f"{target} {int(since.timestamp() * 1000)}"
    if not await agreed(LIFT, case_ref, which, work, node, by=by):
        return Lifting.WAITS
    await work.holds.lift(case_ref, target, by=by.actor, now=node.clock.now())
    await note_act(f"never-to.lifted {target}", work, node, actor=by.actor, case_ref=case_ref)
    node.nudge(Nudge.LOG)
    return Lifting.LIFTED


async def bar_reported(messages: Sequence[ReportTransfer], work: UnitOfWork, node: Capabilities) -> None:
    """Bar foreign consulates, and the countries somebody is from, where their report says that they need protection."""
    actor = node.pseudonyms.actor("node")
    for message in messages:
        for target in _fled(message, node):
            await bar(str(message.thread_id), target, PROTECTION, work, node, actor=actor)


def _fled(message: ReportTransfer, node: Capabilities) -> list[str]:
    named = {str(item.field) for record in message.records for item in record.disclosed}
    if "protection_need" not in named:
        return []
    values: dict[str, object] = {}
    for record in message.records:
        claims = node.opener.verify_record(record.sd_jwt, sender=message.sender, at=node.clock.now()).claims
        values |= {name: plain(value) for name, value in claims.items() if name in _TOLD}
    if values.get("protection_need") is not True:
        return []
    countries = values.get("nationalities") or ()
    known = [str(country).lower() for country in countries] if isinstance(countries, list | tuple) else []
    fled = [f"country:{country}" for country in known if country != "gt"]
    # A nationality that names no country bars nobody, and is no reason to leave the report unfiled.
    return [Role.FOREIGN_CONSULATE.value, *filter(_COUNTRY.fullmatch, fled)]
