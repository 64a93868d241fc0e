"""The numbered list every message from a peer goes through (SPEC 8.5). Pure but for the capabilities it is given.

What it leaves to the caller: step 5, deduplication, is looked up in the transaction that stores the verdict
(`gateway.exchange.arrivals`), and a message seen before gets its first receipt, whatever the steps after 5 said.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from contracts.codec import decode_message
from contracts.disclosure import recheck
from contracts.errors import (
    ClockWrongError,
    ExchangeError,
    ExpiredError,
    FaultError,
    NotAddressedToUsError,
    NotPermittedError,
    NotYetValidError,
    OverDisclosureError,
    RecordInvalidError,
    SenderSuspendedError,
    SignatureError,
    WrongModeError,
)
from contracts.messages import CaseMessage
from contracts.policy import Deny, Policy
from gateway.exchange.capabilities import Capabilities
from keys.register.state import Standing, TrustState
from keys.sealing import VerifiedMessage

LOOSE = frozenset({"bulletin", "expert.conclusion", "bulk.manifest"})
"""Types whose attachments may stand beside the records; of others a record names them, and a rule judges their grade."""
CLOCK_SKEW = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class Unauthenticated:
    """Nobody we know signed this: refused over the envelope's digest, counted, without a leaf of its own."""

    envelope_digest: bytes
    error: ExchangeError


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A peer signed this. `message` is None when its bytes were no message; `error` is None when it may be accepted."""

    verified: VerifiedMessage
    message: CaseMessage | None
    error: ExchangeError | None


Verdict = Unauthenticated | Authenticated


def judge(envelope: bytes, node: Capabilities, now: datetime) -> Verdict:
    """Open, verify, decode and judge one envelope; never raises.

    Retryable errors of steps 1 and 2 (our key is gone, the sender is not in our register) come back as
    Unauthenticated with that error: the caller answers them with a bare problem. So does a refusal for its time by a
    clock of ours that nobody confirmed: it would be final, and perhaps it is we who are wrong. So does a fault of our
    own code at any step: no receipt says anything about the message, and those that came with it are judged all the same.
    """
    digest = sha256(envelope).digest()
    try:
        opened = node.opener.open(envelope)  # 1 an envelope, sealed to a key of ours
        verified = node.opener.verify(opened.jws)  # 2 signed by a key the register vouches for
        verdict = _judge_verified(verified, node, now)
    except ExchangeError as error:
        return Unauthenticated(digest, error)
    except Exception as error:  # noqa: BLE001 - whatever our code does with one message, the next one must not wait
        node.complain("judge", error)
        return Unauthenticated(digest, FaultError(type(error).__name__))
    return Unauthenticated(digest, verdict.error) if isinstance(verdict.error, ClockWrongError) else verdict


def _judge_verified(verified: VerifiedMessage, node: Capabilities, now: datetime) -> Authenticated:
    """Steps 3 to 10, for bytes whose signer is proven."""
    try:
        message = decode_message(verified.payload)  # 3 a message of a known type
    except ExchangeError as error:
        return Authenticated(verified, None, error)
    try:
        _check_bound(message, verified, node)  # 4 the signer is the sender, we are the addressee
    except ExchangeError as error:
        # The id is the claimed sender's, not the signer's: it must not enter deduplication.
        return Authenticated(verified, None, error)
    try:
        trust = node.trust()
        _check_key(trust, verified)  # 6
        _check_standing(trust, message, now)
        _check_mode(message, node)  # 7
        _check_times(message, node, now)  # 8
        policy = trust.policy_at(message.policy_version, now)
        _check_flow(message, trust, policy)  # 9
        _check_records(message, node, policy, now)  # 10
    except ExchangeError as error:
        return Authenticated(verified, message, error)
    return Authenticated(verified, message, None)


def _check_bound(message: CaseMessage, verified: VerifiedMessage, node: Capabilities) -> None:
    if message.sender != verified.sender:
        raise SignatureError("signed by another node than the sender")
    if message.recipient != node.us:
        raise NotAddressedToUsError("addressed to another node")


def _check_key(trust: TrustState, verified: VerifiedMessage) -> None:
    # After deduplication's key is known: what it signed while it was the sender's keeps its first receipt.
    if not trust.may_sign(verified.key_id):
        raise SignatureError("signed by a key its node has replaced")


def _check_standing(trust: TrustState, message: CaseMessage, now: datetime) -> None:
    standing = trust.standing(message.sender, now)
    if standing not in (Standing.ACTIVE, Standing.PROBATION):
        raise SenderSuspendedError(f"sender is {standing.value}")
    if standing is Standing.PROBATION and message.mode != "exercise" and message.type != "ping":
        raise SenderSuspendedError("sender is on probation: exercise messages only")


def _check_mode(message: CaseMessage, node: Capabilities) -> None:
    if message.mode != node.mode:
        raise WrongModeError(f"this node exchanges {node.mode} messages")


def _check_times(message: CaseMessage, node: Capabilities, now: datetime) -> None:
    try:
        _check_validity(message, now)
    except ExchangeError:
        if not node.timekeeper.sure():
            raise ClockWrongError("nobody confirmed this machine's clock") from None
        raise


def _check_validity(message: CaseMessage, now: datetime) -> None:
    seconds = now.timestamp()
    if message.issued_at > seconds + CLOCK_SKEW.total_seconds():
        raise NotYetValidError("issued in the future")
    if message.expires_at <= seconds - CLOCK_SKEW.total_seconds():
        raise ExpiredError("past its expiry")


def _check_flow(message: CaseMessage, trust: TrustState, policy: Policy) -> None:
    decision = policy.decide(
        message.type,
        trust.member(message.sender).role,
        trust.member(message.recipient).role,
        message.purpose,
        message.basis,
    )
    if isinstance(decision, Deny):
        raise NotPermittedError(f"rule {decision.rule}")


def _check_records(message: CaseMessage, node: Capabilities, policy: Policy, now: datetime) -> None:
    if message.att and message.type not in LOOSE:
        raise OverDisclosureError("attachments outside a record")
    own_role = node.trust().member(node.us).role
    for presented in message.records:
        record = node.opener.verify_record(presented.sd_jwt, sender=message.sender, at=now)
        if message.purpose not in record.visible.purposes:
            raise RecordInvalidError("issued for another purpose")
        if policy.record_of(record.record_type) is None:
            raise RecordInvalidError("record of an unknown type")
        recheck(
            record.record_type,
            record.claims,
            presented.disclosed,
            own_role=own_role,
            kind=message.type,
            purpose=message.purpose,
            policy=policy,
        )
