"""Proof of one exchange, offline, with other people's tools too (SPEC 7.4): what a bundle proves, step by step.

The bundle holds the message itself unless it was redacted, so it is as sensitive as the message. What a pass does not
prove is said by every verification, in words.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from contracts.codec import b64u_decode, decode_message, parse_object
from contracts.errors import ExchangeError, SignatureError
from contracts.ids import KeyId, NodeId
from contracts.messages import CaseMessage
from contracts.receipts import LogPromise, Receipt, decode_receipt
from keys.bundles import (
    REDACTED_FIELDS,
    Bundle,
    BundleParts,
    build_bundle,
    older_keysets,
    parse_bundle,
    redact_bundle,
    register_files,
)
from keys.evidence_words import (
    ABSENT,
    NOT_PROVED_EN,
    NOT_PROVED_ES,
    STEPS,
    Known,
    Outcome,
    Step,
    Words,
    not_proved,
)
from keys.jose import parse_jws, verify_jws
from keys.leaves import open_leaf
from keys.model import VerifyKey
from keys.notes import EPOCH_INFIX, Checkpoint, VerifierKey, epoch_key, parse_proof, parse_vkey, proof_text, verify_proof
from keys.register.client import RegisterClient, fingerprint
from keys.register.state import LogKey, TrustState, verify_keyset
from keys.register.tuf_client import RegisterRefusedError
from keys.sealing import MESSAGE_TYP, RECEIPT_TYP
from keys.tree import leaf_hash

__all__ = [
    "NOT_PROVED_EN",
    "NOT_PROVED_ES",
    "BundleParts",
    "Exchange",
    "Outcome",
    "Step",
    "Verification",
    "Words",
    "build_bundle",
    "in_words",
    "older_keysets",
    "parse_bundle",
    "redact_bundle",
    "register_files",
    "verify_bundle",
]

MAX_SKEW = 600
"""Seconds: two clocks may differ by five minutes (SPEC 8.5), and a message waits its turn before its receipt is signed."""
OPTIONAL_STEPS = frozenset({"root-fingerprint", "witnesses"})
"""Steps that rest on what the verifier brings, not on what the bundle holds."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Exchange:
    """The exchange a bundle is about, as far as its signatures say so. Times are Unix seconds."""

    sender: NodeId
    recipient: NodeId
    message_id: str
    digest: str
    kind: str | None
    received_at: int
    accepted: bool
    federation: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, in order; the first failure ends it. `exchange` is None where nothing vouches for one."""

    steps: tuple[Step, ...]
    not_proved: tuple[Words, ...]
    exchange: Exchange | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(step.outcome != Outcome.FAILED for step in self.steps)

    @property
    def complete(self) -> bool:
        """Whether it verifies, and everything a bundle can hold was there to check."""
        return self.ok and all(step.outcome == Outcome.OK for step in self.steps if step.name not in OPTIONAL_STEPS)


def verify_bundle(
    data: bytes,
    *,
    root_fingerprint: str | None = None,
    now: datetime | None = None,
    witnesses: Sequence[VerifierKey] = (),
) -> Verification:
    """Verify a bundle with nothing but itself, and what the verifier knows: the root's fingerprint, the time, witnesses.

    Never raises for what is in the bundle. `witnesses` are keys of cosigners (C2SP vkeys of type 4).
    """
    checker = _Checker(root_fingerprint, now, tuple(witnesses))
    with suppress(_StopError):
        checker.run(data)
    exchange = checker.exchange if all(step.outcome != Outcome.FAILED for step in checker.steps) else None
    return Verification(tuple(checker.steps), not_proved(checker.known), exchange)


class _StopError(Exception):
    """A step failed; what follows would rest on it."""


class _Checker:
    def __init__(self, root_fingerprint: str | None, now: datetime | None, witnesses: tuple[VerifierKey, ...]) -> None:
        self.steps: list[Step] = []
        self.known = Known()
        self.exchange: Exchange | None = None
        self._fingerprint = root_fingerprint
        self._now = now
        self._witnesses = witnesses

    def run(self, data: bytes) -> None:
        bundle = self._do("shape", lambda: parse_bundle(data))
        self._root(bundle.register["metadata/1.root.json"])
        state, signers = self._do("register", lambda: _register(bundle))
        message = self._message(bundle, signers)
        receipt = self._do("receipt", lambda: _receipt(bundle.receipt, signers))
        self._do("digest", lambda: _same((receipt.dig.of, receipt.dig.val), ("message", bundle.digest)))
        exchange = self._do("addressing", lambda: _exchange(bundle, message, receipt, state))
        self._do("times", lambda: _times(bundle, message, receipt, self._now))
        self.exchange = exchange
        self._note("acceptance", Outcome.OK if exchange.accepted else Outcome.ABSENT)
        self.known = replace(
            self.known,
            redacted=message is None,
            exercise=message is not None and message.mode == "exercise",
            demo=state.federation.demo,
            inactive=_inactive(state, exchange, bundle.verified_at),
        )
        self._logs(bundle, message, receipt, exchange, state)

    def _root(self, root: bytes) -> None:
        expected = self._fingerprint
        if expected is None:
            self._note("root-fingerprint", Outcome.ABSENT)
            return
        self._do("root-fingerprint", lambda: _same(fingerprint(root).split(), expected.lower().split()))
        self.known = replace(self.known, root_compared=True)

    def _message(self, bundle: Bundle, signers: Mapping[KeyId, VerifyKey]) -> CaseMessage | None:
        token = bundle.message
        if token is None:
            self._note("message", Outcome.ABSENT)
            return None
        return self._do("message", lambda: _message(token, signers))

    def _logs(
        self, bundle: Bundle, message: CaseMessage | None, receipt: Receipt, exchange: Exchange, state: TrustState
    ) -> None:
        leaf = self._do("sender-leaf", lambda: _sender_leaf(bundle, message, exchange))
        log = self._do("sender-log", lambda: state.log_key(exchange.sender))
        heads = [self._inclusion("sender-inclusion", bundle.sender_proof, leaf, log)]
        promise = receipt.log
        if promise is None:
            self._note("promise", Outcome.ABSENT)
            self._note("recipient-inclusion", Outcome.ABSENT)
        else:
            log = self._do("promise", lambda: _promised(promise, state.log_key(exchange.recipient)))
            heads.append(self._inclusion("recipient-inclusion", bundle.recipient_proof, b64u_decode(promise.leaf), log))
        witnessed = all(head is not None and head.witnessed for head in heads)
        self._note("witnesses", Outcome.OK if witnessed else Outcome.ABSENT)
        self.known = replace(self.known, witnessed=witnessed)

    def _inclusion(self, name: str, proof: str | None, leaf: bytes, log: LogKey) -> Checkpoint | None:
        if proof is None:
            self._note(name, Outcome.ABSENT)
            return None
        return self._do(name, lambda: _included(proof, leaf, log, self._witnesses, promised=name == "recipient-inclusion"))

    def _do(self, name: str, check: Callable[[], Result]) -> Result:
        try:
            result = check()
        # python-tuf and its metadata classes raise what they meet in a file that was made to break them.
        except (ExchangeError, RegisterRefusedError, LookupError, TypeError, ValueError, AttributeError) as error:
            self._note(name, Outcome.FAILED)
            raise _StopError from error
        self._note(name, Outcome.OK)
        return result

    def _note(self, name: str, outcome: Outcome) -> None:
        words = ABSENT.get(name, STEPS[name]) if outcome is Outcome.ABSENT else STEPS[name]
        self.steps.append(Step(name, outcome, words.es, words.en))


def _register(bundle: Bundle) -> tuple[TrustState, Mapping[KeyId, VerifyKey]]:
    """Verify the register from its first root, and return it with every signing key it vouches for."""
    parse_object(bundle.register["metadata/1.root.json"])  # the other files are read strictly where they are fetched
    with TemporaryDirectory(prefix="paradero-verify-") as scratch:
        folder = Path(scratch)
        for name, data in bundle.register.items():
            path = folder / "mirror" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (folder / "root.json").write_bytes(bundle.register["metadata/1.root.json"])
        (folder / "verified_at").write_text(str(bundle.verified_at))
        state = RegisterClient(folder, lambda *_: b"").load()
    signers = dict(state.past_signers)
    for jws in bundle.keysets:
        node = parse_jws(jws).kid.node
        keyset = verify_keyset(jws, state.member(node))
        if keyset.seq >= state.keyset(node).seq:
            raise SignatureError("an older keyset that is not older")
        for key in keyset.sig:
            _same(signers.setdefault(key.kid, key), key)
    return state, signers


def _message(token: str, signers: Mapping[KeyId, VerifyKey]) -> CaseMessage:
    verified = verify_jws(token, typ=MESSAGE_TYP, find=signers.__getitem__)
    message = decode_message(verified.payload)
    _same(verified.kid.node, message.sender)
    return message


def _receipt(token: str, signers: Mapping[KeyId, VerifyKey]) -> Receipt:
    verified = verify_jws(token, typ=RECEIPT_TYP, find=signers.__getitem__)
    receipt = decode_receipt(verified.payload)
    _same(verified.kid.node, receipt.iss)
    return receipt


def _exchange(bundle: Bundle, message: CaseMessage | None, receipt: Receipt, state: TrustState) -> Exchange:
    """Check that the receipt is the recipient's answer, to the sender, to this very message."""
    if receipt.aud is None or receipt.re is None:
        raise SignatureError("the receipt names no message")
    if message is not None:
        _same((receipt.aud, receipt.iss, receipt.re), (message.sender, message.recipient, message.message_id))
    if receipt.log is None and bundle.recipient_proof is not None:
        raise SignatureError("a proof of what the receipt does not promise")
    return Exchange(
        sender=receipt.aud,
        recipient=receipt.iss,
        message_id=str(receipt.re),
        digest=bundle.digest,
        kind=None if message is None else message.type,
        received_at=receipt.iat,
        accepted=receipt.status == "accepted",
        federation=state.federation.name,
    )


def _times(bundle: Bundle, message: CaseMessage | None, receipt: Receipt, now: datetime | None) -> None:
    if message is not None:
        _in_order(message.issued_at, receipt.iat)
        if receipt.status == "accepted":
            _in_order(receipt.iat, message.expires_at)
    _in_order(receipt.iat, bundle.verified_at)
    if now is not None:
        _in_order(bundle.verified_at, int(now.timestamp()))


def _promised(promise: LogPromise, log: LogKey) -> LogKey:
    if promise.origin.startswith(log.origin + EPOCH_INFIX):  # a log that a restore opened (SPEC 7.5)
        return LogKey(promise.origin, str(epoch_key(parse_vkey(log.vkey), promise.origin)))
    _same(promise.origin, log.origin)
    return log


def _sender_leaf(bundle: Bundle, message: CaseMessage | None, exchange: Exchange) -> bytes:
    opened = open_leaf(bundle.leaf_data, bundle.leaf_disclosures)
    if message is None and not opened.keys() <= REDACTED_FIELDS:
        raise SignatureError("a redacted bundle that tells the case, the record or the officer")
    expected: dict[str, object] = {
        "ev": "msg.sent",
        "jti": exchange.message_id,
        "peer": str(exchange.recipient),
        "msg_sha256": exchange.digest,
    }
    for name, value in expected.items():
        _same(opened.get(name), value)
    if message is not None:
        told = {
            "type": message.type,
            "purpose": message.purpose,
            "basis": message.basis,
            "pol": message.policy_version,
            "trust": message.trust_version,
            "actor": message.actor,
            "case": message.case_alias,
        }
        for name in told.keys() & opened.keys():
            _same(opened[name], told[name])
    return leaf_hash(bundle.leaf_data)


def _included(text: str, leaf: bytes, log: LogKey, witnesses: Sequence[VerifierKey], *, promised: bool) -> Checkpoint:
    proof, named = parse_proof(text), parse_vkey(log.vkey)
    _same(named.name, log.origin)
    # A restore gives a log a new name under the same key; what was promised under a name is proved under that name.
    origin = proof.checkpoint.partition("\n")[0]
    restored = not promised and origin.startswith(named.name + EPOCH_INFIX)
    key = epoch_key(named, origin) if restored else named
    # One spelling, and nothing in it that no signature covers (a tlog-proof may carry such an "extra" line).
    _same(proof_text(proof.index, proof.hashes, proof.checkpoint), text)
    return verify_proof(text, leaf, key, witnesses)


def _inactive(state: TrustState, exchange: Exchange, verified_at: int) -> tuple[NodeId, ...]:
    at = datetime.fromtimestamp(verified_at, UTC)
    held = state.suspended(at)
    return tuple(node for node in (exchange.sender, exchange.recipient) if node in held)


def _in_order(earlier: int, later: int) -> None:
    if earlier > later + MAX_SKEW:
        raise SignatureError("times that contradict each other")


def _same(one: object, other: object) -> None:
    if one != other:
        raise SignatureError("two things that must agree do not")


def in_words(verification: Verification, *, spanish: bool, at: datetime) -> list[str]:
    """Return the verification as lines for people."""
    marks = {Outcome.OK: "✓", Outcome.FAILED: "✗", Outcome.ABSENT: "–"}
    lines = [f"{marks[step.outcome]} {step.es if spanish else step.en}" for step in verification.steps]
    verdicts = ("TODO VERIFICA", "NO VERIFICA") if spanish else ("VERIFIES", "DOES NOT VERIFY")
    verdict = verdicts[0] if verification.ok else verdicts[1]
    lines.append(f"{verdict} · {at.isoformat(timespec='seconds')}")
    if verification.exchange is not None:
        lines.append(_told(verification.exchange, spanish=spanish))
    lines.append("Lo que esto no prueba:" if spanish else "What this does not prove:")
    lines += [f"  · {sentence.es if spanish else sentence.en}" for sentence in verification.not_proved]
    return lines


def _told(exchange: Exchange, *, spanish: bool) -> str:
    when = datetime.fromtimestamp(exchange.received_at, UTC).isoformat(timespec="seconds")
    kind = f" ({exchange.kind})" if exchange.kind else ""
    if spanish:
        word = "recibido" if exchange.accepted else "RECHAZADO"
        return f"Mensaje {exchange.message_id}{kind} de {exchange.sender} a {exchange.recipient}, {word} {when}"
    word = "received" if exchange.accepted else "REFUSED"
    return f"Message {exchange.message_id}{kind} from {exchange.sender} to {exchange.recipient}, {word} {when}"
