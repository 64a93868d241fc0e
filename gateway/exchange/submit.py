"""The one way out. Whatever leaves this institution is extracted, signed, sealed and logged here (SPEC 6.4, 8.6).

`prepare` does the work that needs no transaction; `enqueue` puts the result into the caller's transaction, so that
several messages (a report and the duty notice it entails) leave together or not at all.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from contracts.codec import encode_message, encode_object
from contracts.consents import RelativeId
from contracts.disclosure import Extract, Grant, Manifest, Recipient, SourceRecord, extract
from contracts.errors import NotPermittedError, TrustStaleError
from contracts.fields import RecordType
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId
from contracts.leaves import LeafEvent
from contracts.messages import CaseMessage, DisclosedField, Message, PresentedRecord, UseTerms
from contracts.policy import Deny, Permit
from gateway.exchange.arrivals import message_leaf_fields
from gateway.exchange.bookkeeping import Rests, Sent, note, sent
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import Nudge, Outgoing, StagedLeaf, UnitOfWork
from gateway.exchange.standing import refuse_fallen, scopes_of
from keys.register.state import Freshness, Standing, TrustState
from keys.sealing import SealedMessage, SignedMessage

DELIVERY_VALIDITY = timedelta(days=7)
LONG_VALIDITY = timedelta(days=30)

_LONG_LIVED = ("consent.", "erasure.", "correction", "node.restored", "node.returned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message before it has a sender, an id, a time or a signature.

    `case_key` is what this institution calls the case; the recipient only ever sees an alias made of it.
    """

    kind: type[Message]
    to: NodeId
    body: object
    purpose: Code
    basis: Code
    actor: ActorPseudonym
    thread_id: ThreadId
    case_key: str
    records: tuple[SourceRecord, ...] = ()
    grant: Grant = field(default_factory=lambda: Grant(frozenset(), duty=False, approvals=1))
    in_reply_to: MessageId | None = None
    deadline: datetime | None = None
    message_id: MessageId | None = None
    """Chosen beforehand when another message must name this one."""
    asked: Collection[str] | None = None
    """The fields a request asked for: an answer to it carries no other, and without them none (SPEC 6.4)."""
    reporter_grant: Grant | None = None
    """What a reporter's record rests on, where it is not what the others rest on: nobody else's consent counts for it."""
    reporter: RelativeId | None = None
    """Whose record a reporter's is; without it no consent lets anything of it leave."""
    about: tuple[SourceRecord, ...] = ()
    """Records held here that the message speaks of and does not carry: walls look at them too."""
    finder_released: bool = False
    """Whoever holds the person decided that the seeker may hear of them."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that is signed and sealed, and what it disclosed."""

    message: CaseMessage
    outgoing: Outgoing
    manifests: tuple[Manifest, ...]
    sent: Sent


@dataclass(frozen=True, slots=True)
class Built:
    """A message as it will be signed: `payload` is every byte of it. Nothing proves it yet."""

    message: CaseMessage
    payload: bytes
    manifests: tuple[Manifest, ...]
    claims: tuple[Mapping[str, Any], ...]
    """What leaves of each record, value by value."""
    case_key: str
    rests: tuple[Rests, ...] | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed message, before it is sealed."""

    message: CaseMessage
    manifests: tuple[Manifest, ...]
    token: SignedMessage
    case_key: str
    rests: tuple[Rests, ...] | None = None

    @property
    def jws(self) -> bytes:
        """The signed bytes."""
        return self.token.jws

    @property
    def digest(self) -> bytes:
        """Their SHA-256."""
        return self.token.digest


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A signed message and its envelope, before it is sealed at rest."""

    signed: Signed
    envelope: SealedMessage
    leaf: StagedLeaf
    due: datetime


async def submit(drafts: Sequence[Draft], node: Capabilities) -> Sequence[Prepared]:
    """Prepare `drafts` and put them into the outbox in one transaction, which what others submit just now shares.

    Raises:
        NotPermittedError: the policy has no such flow, or the recipient left the federation. Nothing was stored.
        TrustStaleError: our register is too old for anything to leave.
        ClockWrongError: our clock jumped; what we signed would carry the wrong time.
    """
    now = node.clock.now()
    sealed = [_sealed(sign_draft(draft, node, now), node, now) for draft in drafts]
    [prepared] = await node.together.do(_store, [sealed], node)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return prepared


async def _store(submissions: Sequence[Sequence[_Sealed]], node: Capabilities) -> Sequence[Sequence[Prepared]]:
    """Store what several callers submit: one write of new thread keys, one transaction for all messages."""
    prepared = iter(await _at_rest([sealed for submission in submissions for sealed in submission], node))
    grouped = [tuple(islice(prepared, len(submission))) for submission in submissions]
    async with node.begin() as work:
        await enqueue([item for group in grouped for item in group], work, now=node.clock.now())
    return grouped


async def enqueue(
    prepared: Sequence[Prepared], work: UnitOfWork, *, now: datetime, handled: Sequence[CaseMessage] = ()
) -> None:
    """Put prepared messages into the outbox of the caller's transaction, and write down what they disclose and say.

    `handled` are the messages they answer, which end in the same transaction: they go into the books before.

    Raises:
        NotPermittedError: one may not be said where its exchange stands now, or rests on a consent that was withdrawn.
    """
    await refuse_fallen([line for item in prepared for line in item.sent.lines], work, now=now)
    await work.outbox.put([item.outgoing for item in prepared])
    await note(handled, [item.sent for item in prepared], work, now=now)


async def prepare(drafts: Sequence[Draft], node: Capabilities) -> Sequence[Prepared]:
    """Extract, build, sign, seal and seal at rest each draft. Stores nothing but thread keys."""
    now = node.clock.now()
    return await seal_signed([sign_draft(draft, node, now) for draft in drafts], node)


async def seal_signed(signed: Sequence[Signed], node: Capabilities) -> Sequence[Prepared]:
    """Seal signed messages to their recipients, and at rest: one write for all the threads that are new."""
    now = node.clock.now()
    return await _at_rest([_sealed(item, node, now) for item in signed], node)


async def _at_rest(sealed: Sequence[_Sealed], node: Capabilities) -> Sequence[Prepared]:
    messages = [item.signed.message for item in sealed]
    bodies = await node.bodies.seal(
        [(message.thread_id, message.message_id, item.signed.token) for message, item in zip(messages, sealed, strict=True)]
    )
    return [_prepared(item, body) for item, body in zip(sealed, bodies, strict=True)]


def preview(draft: Draft, node: Capabilities) -> tuple[Extract, ...]:
    """Return what would leave, and why; the same function the payload is built with. Nothing is stored or sent.

    Raises:
        NotPermittedError: the policy has no such flow.
    """
    trust = node.trust()
    _permit(draft, node, trust)
    return _extracts(draft, node, trust)


def sign_draft(draft: Draft, node: Capabilities, now: datetime) -> Signed:
    """Extract, build and sign one draft; stores nothing. The ask door's replies leave this way, without the outbox."""
    _check_may_leave(draft.to, node, now)
    return sign_built(build(draft, node, now), node, now)


def build(draft: Draft, node: Capabilities, at: datetime) -> Built:
    """Extract and build one draft as a message of the moment `at`; stores and signs nothing but its records.

    Raises:
        NotPermittedError: the policy has no such flow, or nothing of a record may leave.
    """
    trust = node.trust()
    permit = _permit(draft, node, trust)
    extracts = _extracts(draft, node, trust)
    message = _message(draft, extracts, node, trust, at, at + timedelta(days=trust.policy.retain_days(permit.rule)))
    manifests, claims = tuple(item.manifest for item in extracts), tuple(item.claims for item in extracts)
    rests = rests_of(draft, extracts, node)
    return Built(message, encode_message(message), manifests, claims, draft.case_key, rests)


def sign_built(built: Built, node: Capabilities, now: datetime) -> Signed:
    """Sign exactly the bytes that were built.

    Raises:
        NotPermittedError, TrustStaleError, ClockWrongError: nothing may leave now, or not to this recipient.
    """
    _check_may_leave(built.message.recipient, node, now)
    token = node.sealer.sign_message(built.payload)
    return Signed(built.message, built.manifests, token, built.case_key, built.rests)


def _check_may_leave(to: NodeId, node: Capabilities, now: datetime) -> None:
    node.timekeeper.check()
    trust = node.trust()
    if trust.freshness(now) is Freshness.FROZEN:
        raise TrustStaleError("the register is older than seven days: nothing leaves")
    # A suspended recipient is no refusal: the message waits in its held lane until the register clears it.
    if trust.standing(to, now) in (Standing.LEFT, Standing.REVOKED, Standing.UNKNOWN):
        raise NotPermittedError("the recipient is no member of the federation")


def _permit(draft: Draft, node: Capabilities, trust: TrustState) -> Permit:
    decision = node.tightened(trust.policy).decide(
        kind_of(draft), trust.member(node.us).role, trust.member(draft.to).role, draft.purpose, draft.basis
    )
    if isinstance(decision, Deny):
        raise NotPermittedError(f"rule {decision.rule}")
    if draft.grant.approvals < trust.policy.approvals(decision.rule):
        raise NotPermittedError(f"rule {decision.rule}: another person must approve")
    return decision


def kind_of(draft: Draft) -> str:
    """Return the message type of a draft."""
    return str(draft.kind.model_fields["type"].default)


def _extracts(draft: Draft, node: Capabilities, trust: TrustState) -> tuple[Extract, ...]:
    to, policy = Recipient(draft.to, trust.member(draft.to).role), node.tightened(trust.policy)
    return tuple(
        extract(
            record,
            to=to,
            kind=kind_of(draft),
            purpose=draft.purpose,
            grant=_grant(draft, record),
            policy=policy,
            asked=draft.asked,
        )
        for record in draft.records
    )


def _grant(draft: Draft, record: SourceRecord) -> Grant:
    other = draft.reporter_grant if record.type == RecordType.REPORTER else None
    return other or draft.grant


def rests_of(draft: Draft, extracts: tuple[Extract, ...], node: Capabilities) -> tuple[Rests, ...]:
    """Return what each record of a draft rests on: its scopes, and whose it is."""
    trust = node.trust()
    role, policy = trust.member(draft.to).role, node.tightened(trust.policy)
    return tuple(
        Rests(
            scopes_of(
                str(record.type),
                item.manifest.disclosed,
                policy,
                kind=kind_of(draft),
                role=role,
                grant=_grant(draft, record),
            ),
            draft.reporter if record.type == RecordType.REPORTER else None,
        )
        for record, item in zip(draft.records, extracts, strict=True)
    )


def _message(
    draft: Draft, extracts: tuple[Extract, ...], node: Capabilities, trust: TrustState, now: datetime, retain_until: datetime
) -> CaseMessage:
    kind = kind_of(draft)
    validity = LONG_VALIDITY if kind.startswith(_LONG_LIVED) else DELIVERY_VALIDITY
    records = tuple(
        PresentedRecord(
            sd_jwt=node.sealer.issue_record(
                item.claims,
                record_type=str(record.type),
                to=draft.to,
                record_id=node.new_record_id(now),
                issued_at=now,
                expires_at=retain_until,
                purposes=(draft.purpose,),
            ),
            disclosed=tuple(
                DisclosedField(field=Code(entry.field), form=Code(entry.form.value), rule=Code(entry.rule))
                for entry in item.manifest.disclosed
            ),
        )
        for record, item in zip(draft.records, extracts, strict=True)
    )
    return draft.kind(  # type: ignore[return-value] # Draft.kind is one of the union's classes; mypy sees their base
        sender=node.us,
        recipient=draft.to,
        message_id=draft.message_id or node.new_message_id(now),
        issued_at=int(now.timestamp()),
        expires_at=int((now + validity).timestamp()),
        version=1,
        thread_id=draft.thread_id,
        in_reply_to=draft.in_reply_to,
        purpose=draft.purpose,
        basis=draft.basis,
        policy_version=trust.policy.version,
        trust_version=trust.version,
        actor=draft.actor,
        mode=node.mode,
        deadline=int(draft.deadline.timestamp()) if draft.deadline else None,
        case_alias=node.pseudonyms.case_alias(draft.case_key, draft.to),
        use=UseTerms(retain_until=int(retain_until.timestamp()), onward="none"),
        records=records,
        body=draft.body,
    )


def _sealed(signed: Signed, node: Capabilities, now: datetime) -> _Sealed:
    message = signed.message
    fields = message_leaf_fields(message, signed.digest, now, outcome="queued", event=LeafEvent.SENT, peer_is_recipient=True)
    return _Sealed(signed, node.sealer.seal(signed.jws, message.recipient), node.leaves.leaf(fields), now)


def _prepared(sealed: _Sealed, body: bytes) -> Prepared:
    signed, message = sealed.signed, sealed.signed.message
    outgoing = Outgoing(
        message_id=message.message_id,
        lane=message.recipient,
        kind=message.type,
        thread_id=message.thread_id,
        in_reply_to=message.in_reply_to,
        digest=signed.digest,
        envelope=sealed.envelope.envelope,
        recipient_key=str(sealed.envelope.recipient_key),
        body=body,
        manifest=_manifest_json(signed.manifests),
        due=sealed.due,
        expires_at=sealed.due + timedelta(seconds=message.expires_at - message.issued_at),
        leaf=sealed.leaf,
        retain_until=datetime.fromtimestamp(message.use.retain_until, UTC),
    )
    return Prepared(message, outgoing, signed.manifests, sent(message, signed.case_key, signed.rests))


def _manifest_json(manifests: Sequence[Manifest]) -> str:
    # Names and rules only. What was withheld stays here: a recipient must not learn that a protected field exists.
    return encode_object(
        {
            "records": [
                {
                    "disclosed": [[entry.field, entry.form.value, entry.rule] for entry in manifest.disclosed],
                    "withheld": [[entry.field, entry.rule] for entry in manifest.withheld],
                }
                for manifest in manifests
            ]
        }
    ).decode()
