"""SPEC 7.4 by a stranger: every step of the verification of an evidence bundle, from the SPEC and the public standards alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.foreign.basics import RefusedError, digest, need, parse, unb64u, verify
from tests.foreign.log import Checkpoint, leaf_hash, open_leaf, open_proof
from tests.foreign.register import Register, check_paths, fingerprint, take_keyset, verify_register
from tests.foreign.rules import check_message, check_receipt

GRACE = 600
REDACTED = {"ts", "ev", "peer", "jti", "msg_sha256", "type", "purpose", "basis", "pol", "trust", "outcome"}
OPTIONAL = {"keysets", "recipient_proof", "message", "message_sha256"}
MEMBERS = OPTIONAL | {"format", "personal_data", "receipt", "sender_leaf", "verified_at", "register"}
ABSENT = "absent"


@dataclass
class Report:
    """Step name to "holds" or "absent", in order; the step that failed, if one did."""

    steps: dict[str, str] = field(default_factory=dict)
    failed: str | None = None
    why: str = ""

    @property
    def verifies(self) -> bool:
        return self.failed is None

    @property
    def complete(self) -> bool:
        apart = ("root-fingerprint", "witnesses")
        return self.verifies and all(outcome != ABSENT for name, outcome in self.steps.items() if name not in apart)


@dataclass
class Case:
    """What the steps learn on their way."""

    data: bytes
    expected_root: str | None
    now: int
    vkeys: Sequence[str]
    bundle: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    register: Register = field(default_factory=lambda: Register(demo=False, nodes={}))
    message: dict[str, Any] | None = None
    receipt: dict[str, Any] = field(default_factory=dict)
    leaf: dict[str, Any] = field(default_factory=dict)
    sender: str = ""
    recipient: str = ""
    seen: list[frozenset[str]] = field(default_factory=list)


def verify_bundle(data: bytes, *, root: str | None, now: int, witnesses: Sequence[str] = ()) -> Report:
    case, report = Case(data, root, now, list(witnesses)), Report()
    for name, step in STEPS.items():
        try:
            report.steps[name] = step(case) or "holds"
        except RefusedError as error:
            report.failed, report.why = name, str(error)
            break
    return report


def shape(case: Case) -> None:
    bundle = parse(case.data, limit=32 * 1024 * 1024, levels=4)
    need(MEMBERS - OPTIONAL <= set(bundle) <= MEMBERS, "members")
    need(bundle["format"] == "urn:paradero:evidence:1", "format")
    need(("message" in bundle) != ("message_sha256" in bundle), "one of the two")
    need(bundle["personal_data"] is ("message" in bundle), "personal_data")
    for name in {"message", "receipt", "recipient_proof", "message_sha256"} & set(bundle):
        need(isinstance(bundle[name], str), name)
    keysets = bundle.get("keysets", [""])
    need(isinstance(keysets, list) and 1 <= len(keysets) <= 8 and all(isinstance(item, str) for item in keysets), "keysets")
    need(type(bundle["verified_at"]) is int and 0 < bundle["verified_at"] < 4_102_444_800, "verified_at")
    leaf = bundle["sender_leaf"]
    need(isinstance(leaf, dict) and {"data", "disclosures"} <= set(leaf) <= {"data", "disclosures", "proof"}, "leaf")
    need(
        isinstance(leaf["data"], str) and isinstance(leaf.get("proof", ""), str) and isinstance(leaf["disclosures"], list),
        "leaf",
    )
    need(len(leaf["disclosures"]) <= 16 and all(isinstance(item, str) for item in leaf["disclosures"]), "disclosures")
    need(isinstance(bundle["register"], dict) and len(bundle["register"]) <= 300, "register")
    check_paths(bundle["register"])
    case.bundle, case.files = bundle, {path: unb64u(text) for path, text in bundle["register"].items()}
    if "message_sha256" in bundle:
        need(len(unb64u(bundle["message_sha256"])) == 32 and "proof" in leaf, "redacted")


def root_fingerprint(case: Case) -> str | None:
    if case.expected_root is None:
        return ABSENT
    need(fingerprint(case.files["metadata/1.root.json"]).split() == case.expected_root.lower().split(), "another root")
    return None


def register(case: Case) -> None:
    case.register = verify_register(case.files, case.bundle["verified_at"])
    for token in case.bundle.get("keysets", []):
        take_keyset(case.register.nodes, token, earlier=True)


def message(case: Case) -> str | None:
    if "message" not in case.bundle:
        return ABSENT
    kid, payload = verify(case.bundle["message"], "paradero-msg+jwt", case.register.signers())
    case.message = check_message(payload)
    need(kid.partition("#")[0] == case.message["iss"], "signed by the sender")
    return None


def receipt(case: Case) -> None:
    kid, payload = verify(case.bundle["receipt"], "paradero-receipt+jwt", case.register.signers())
    case.receipt = check_receipt(payload)
    need(kid.partition("#")[0] == case.receipt["iss"], "signed by its issuer")


def message_digest(case: Case) -> str:
    return digest(case.bundle["message"]) if case.message else str(case.bundle["message_sha256"])


def check_digest(case: Case) -> None:
    dig = case.receipt["dig"]
    need(dig["of"] == "message" and dig["val"] == message_digest(case), "digest")


def addressing(case: Case) -> None:
    said = case.receipt
    need("aud" in said and "re" in said and said["aud"] != said["iss"], "names its message")
    if case.message:
        need((said["iss"], said["aud"], said["re"]) == tuple(case.message[name] for name in ("aud", "iss", "jti")), "parties")
    case.sender, case.recipient = said["aud"], said["iss"]
    need("log" in said or "recipient_proof" not in case.bundle, "a proof of nothing promised")


def times(case: Case) -> None:
    moments = [case.receipt["iat"], case.bundle["verified_at"], case.now]
    if case.message:
        moments.insert(0, case.message["iat"])
        if case.receipt["status"] == "accepted":
            need(case.receipt["iat"] <= case.message["exp"] + GRACE, "accepted after expiry")
    need(all(one <= other + GRACE for one, other in pairwise(moments)), "times")


def acceptance(case: Case) -> str | None:
    return None if case.receipt["status"] == "accepted" else ABSENT


def sender_leaf(case: Case) -> None:
    case.leaf = open_leaf(case.bundle["sender_leaf"]["data"], case.bundle["sender_leaf"]["disclosures"])
    need({"ev", "peer", "jti", "msg_sha256"} <= set(case.leaf), "opens too little")
    need(case.message or set(case.leaf) <= REDACTED, "opens too much")
    wanted = {"ev": "msg.sent", "peer": case.recipient, "jti": case.receipt["re"], "msg_sha256": message_digest(case)}
    if case.message:
        wanted |= {name: case.message.get(name) for name in ("type", "purpose", "basis", "pol", "trust", "actor", "case")}
    need(all(case.leaf[name] == value for name, value in wanted.items() if name in case.leaf), "another exchange's leaf")


def sender_log(case: Case) -> None:
    node = case.register.nodes.get(case.sender)
    need(node and node.keyset, "no log key")


def _included(case: Case, proof: str, leaf: bytes, node: str) -> Checkpoint:
    keyset = case.register.nodes[node].keyset
    need(keyset, "no log key")
    log = keyset["log"]  # type: ignore[index]
    return open_proof(proof, leaf, log["origin"], log["vkey"], list(case.vkeys))


def sender_inclusion(case: Case) -> str | None:
    leaf = case.bundle["sender_leaf"]
    if "proof" not in leaf:
        return ABSENT
    case.seen.append(_included(case, leaf["proof"], leaf_hash(leaf["data"]), case.sender).witnesses)
    return None


def promise(case: Case) -> str | None:
    if "log" not in case.receipt:
        return ABSENT
    keyset = case.register.nodes[case.recipient].keyset
    need(keyset and case.receipt["log"]["origin"] == keyset["log"]["origin"], "another log")
    return None


def recipient_inclusion(case: Case) -> str | None:
    if "recipient_proof" not in case.bundle:
        return ABSENT
    leaf = unb64u(case.receipt["log"]["leaf"])
    case.seen.append(_included(case, case.bundle["recipient_proof"], leaf, case.recipient).witnesses)
    return None


def witnessed(case: Case) -> str | None:
    return None if len(case.seen) == 2 and all(case.seen) else ABSENT


STEPS: dict[str, Callable[[Case], str | None]] = {
    "shape": shape,
    "root-fingerprint": root_fingerprint,
    "register": register,
    "message": message,
    "receipt": receipt,
    "digest": check_digest,
    "addressing": addressing,
    "times": times,
    "acceptance": acceptance,
    "sender-leaf": sender_leaf,
    "sender-log": sender_log,
    "sender-inclusion": sender_inclusion,
    "promise": promise,
    "recipient-inclusion": recipient_inclusion,
    "witnesses": witnessed,
}
