"""To whom the policy lets this institution send a kind of message, for what, on which bases, and what each may receive."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.consents import Occasion, grant_of, in_force
from contracts.disclosure import Recipient, Release
from contracts.explaining import Answer, explain_fields
from contracts.ids import Code, NodeId
from contracts.policy import Deny
from contracts.policy.entries import covers
from contracts.policy.words import word
from gateway.console.pages.questions import basis_in_words, purpose_in_words
from gateway.console.words import Words
from gateway.exchange.capabilities import Capabilities
from keys.register.state import Standing

_EVERYBODY = 99


@dataclass(frozen=True, slots=True)
class Choice:
    """A code that can be chosen, and what people call it."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class Partner:
    """An institution that may be sent the message: for what, on which bases, and when anything reached it last."""

    code: str
    label: str
    purposes: str
    bases: str
    reached: datetime | None
    cut: bool


@dataclass(frozen=True, slots=True)
class May:
    """What an institution may receive of a record, once it may receive any: a field and how coarsely; what is still missing."""

    label: str
    text: str


class Partners:
    """What the policy in force lets this node send by a kind of message."""

    def __init__(self, kind: str, node: Capabilities, told: Words) -> None:
        self._kind = kind
        self._node = node
        self._told = told
        trust = node.trust()
        self._policy, self._us = trust.policy, trust.member(node.us).role
        self._flows = [flow for flow in self._policy.flows if kind in flow.kinds and covers(flow.senders, self._us)]

    def known(self, lanes: Iterable[dict[str, Any]]) -> list[Partner]:
        """Return every institution that may be sent it, by name."""
        trust, now, lane_of = self._node.trust(), self._node.clock.now(), {lane["peer"]: lane for lane in lanes}
        found = []
        for node, member in trust.members.items():
            flows = [flow for flow in self._flows if covers(flow.recipients, member.role)]
            if node == self._node.us or not flows or trust.standing(node, now) not in {Standing.ACTIVE, Standing.PROBATION}:
                continue
            lane = lane_of.get(str(node), {})
            reached = lane.get("last_success")
            purposes = dict.fromkeys(purpose for flow in flows for purpose in flow.purposes)
            bases = dict.fromkeys(basis for flow in flows for basis in flow.bases)
            found.append(
                Partner(
                    code=str(node),
                    label=member.name,
                    purposes=", ".join(purpose_in_words(self._policy, item, self._told) for item in purposes),
                    bases="; ".join(basis_in_words(self._policy, item, self._told) for item in bases),
                    reached=datetime.fromisoformat(reached) if reached else None,
                    cut=bool(lane.get("failures") and lane.get("waiting")),
                )
            )
        return sorted(found, key=lambda partner: partner.label)

    def purposes(self) -> list[Choice]:
        """Return the purposes that some flow names."""
        codes = dict.fromkeys(item for flow in self._flows for item in flow.purposes)
        return [Choice(str(code), purpose_in_words(self._policy, code, self._told)) for code in codes]

    def bases(self) -> list[Choice]:
        """Return the legal bases that some flow names."""
        codes = dict.fromkeys(item for flow in self._flows for item in flow.bases)
        return [Choice(str(code), basis_in_words(self._policy, code, self._told)) for code in codes]

    def lets(self, to: str, purpose: str, basis: str) -> bool:
        """Return whether the policy, and what this node adds to it, lets the message go."""
        member = self._node.trust().members.get(NodeId(to))
        if member is None:
            return False
        policy = self._node.tightened(self._policy)
        return not isinstance(policy.decide(self._kind, self._us, member.role, Code(purpose), Code(basis)), Deny)

    def may_receive(self, to: str, kind: str, purpose: str, record: str = "missing-person") -> list[May]:
        """Return what of a record an institution may receive in a later message, by the policy and whatever was agreed to."""
        member = self._node.trust().members.get(NodeId(to))
        rule = None if member is None else self._policy.rule_for(record, kind, member.role, purpose)
        if rule is None:
            return []
        known = self._policy.fields_of(record)
        return [
            May(known[name].label(self._told.lang), word("form", form.value, self._told.lang))
            for name in known
            if (form := rule.form_of(name)) is not None
        ]

    def now(self, to: str, why: tuple[str, str], consents: Any, record: str = "missing-person") -> dict[str, tuple[bool, str]]:
        """Return of each field of a record whether it could leave in this very message, and how or why not, in words."""
        member = self._node.trust().members.get(NodeId(to))
        if member is None:
            return {}
        purpose, basis = Code(why[0]), Code(why[1])
        moment = int(self._node.clock.now().timestamp())
        occasion = Occasion(basis, NodeId(to), purpose, frozenset())
        grant = grant_of(in_force(consents, moment), occasion, approvals=_EVERYBODY)
        policy = self._node.tightened(self._policy)
        release = Release(Recipient(NodeId(to), member.role), self._kind, purpose, grant, policy)
        found = explain_fields(release, record, self._told.lang)
        return {str(item.field): (item.answer is Answer.PERMITTED, item.text) for item in found}
