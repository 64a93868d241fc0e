"""A founded federation of three nodes, and every part of one proven exchange between two of them, to be put together or spoiled."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from contracts.codec import b64u_encode, encode_message
from contracts.ids import KeyId, NodeId
from contracts.leaves import LeafEvent, LeafFields
from contracts.policy import load_template
from contracts.receipts import Receipt, encode_receipt
from contracts.register import Ed25519Jwk, FederationInfo, KeysetLog, MemberEntry, Role
from contracts.vectors import examples
from keys.bundles import BundleParts, register_files
from keys.jose import sign_jws
from keys.leaves import make_leaf
from keys.model import SigningKey, generate_node_keys
from keys.notes import COSIGNATURE_TYPE, cosign, proof_text, sign_checkpoint, verifier_key
from keys.register.ceremony import Holders, Preset, make_keyset, publish, stage_founding, stage_keyset, stage_member
from keys.register.client import RegisterClient, fingerprint, read_folder
from keys.register.custodians import new_custodian
from keys.register.repository import Repository
from keys.sealing import MESSAGE_TYP, RECEIPT_TYP
from keys.tree import append, inclusion_proof, leaf_hash, root

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
MINEX, MBMID, PGN = NodeId("gt.minex"), NodeId("gt.igm.mbmid"), NodeId("gt.pgn")
WITNESS_NAME = "pdh.example/witness"
WITNESS_KEY = SigningKey(KeyId("gt.pdh#log-1"), bytes([7]) * 32)
WITNESS = verifier_key(WITNESS_NAME, WITNESS_KEY.public.raw, kind=COSIGNATURE_TYPE)


class World:
    """`parts()` are those of an honest bundle; its options change one thing each."""

    def __init__(self, home, *, demo=False):
        self.register = Repository(home / "register")
        self.custodians = [new_custodian(f"c{number}") for number in range(3)]
        self.online = new_custodian("online")
        self.demo = demo
        held = [item.public for item in self.custodians]
        info = FederationInfo(name="Prueba", demo=demo, preset="start")
        holders = Holders(held, held, held, held, self.online.public)
        stage_founding(self.register, Preset.START, holders, info, load_template("first-policy"), now=NOW)
        self.sign_and_publish()
        self.sender, self.recipient, self.third = (self.enrol(node) for node in (MINEX, MBMID, PGN))
        root_file = self.register.root_bytes()
        self.fingerprint = fingerprint(root_file)
        RegisterClient.initialise(home / "client", root_file, expected=self.fingerprint)
        self.client = RegisterClient(home / "client", read_folder(self.register.folder), demo=demo)
        self.poll()

    def sign_and_publish(self):
        for item in self.custodians:
            self.register.sign(item)
        publish(self.register, self.online, now=NOW)

    def enrol(self, node):
        keys = generate_node_keys(node)
        self.enter(keys)
        stage_keyset(self.register, keyset(keys, 1), now=NOW)
        self.sign_and_publish()
        return keys

    def enter(self, keys, **changes):
        entry = {
            "node": keys.node,
            "name": "Institución ficticia",
            "role": Role.FOREIGN_MINISTRY,
            "country": "GT",
            "status": "active",
            "since": SECONDS,
            "id_key": Ed25519Jwk.model_validate(keys.identity.public.jwk()),
        }
        stage_member(self.register, MemberEntry(**entry | changes), now=NOW)

    def rotate(self, keys):
        """Publish a keyset with another signing key, and return the node's new keys."""
        turned = replace(keys, sig=SigningKey(KeyId(f"{keys.node}#sig-2"), bytes([9]) * 32))
        stage_keyset(self.register, keyset(turned, 2), now=NOW)
        self.sign_and_publish()
        self.poll()
        return turned

    def poll(self):
        self.client.refresh(NOW)
        self.files = register_files(self.client.mirror)

    def parts(self, *, sender=None, message=None, receipt=None, leaf=None, witness=None, promised=True, logs=True):
        """Return the parts of a bundle; `message`, `receipt` and `leaf` are members to change."""
        sender = sender or self.sender
        claims = {"sender": sender.node, "recipient": MBMID, "issued_at": SECONDS, "expires_at": SECONDS + 86_400}
        said = examples.messages()["ping"].model_copy(update=claims | (message or {}))
        token = sign_jws(encode_message(said), sender.sig, typ=MESSAGE_TYP)
        digest = b64u_encode(sha256(token.encode()).digest())
        sent = LeafFields(
            **{
                "at": SECONDS,
                "event": LeafEvent.SENT,
                "peer": MBMID,
                "message_id": said.message_id,
                "digest": digest,
                "kind": said.type,
                "actor": said.actor,
                "outcome": "queued",
            }
            | (leaf or {})
        )
        made = make_leaf(sent)
        entered = make_leaf(LeafFields(at=SECONDS, event=LeafEvent.RECEIVED, peer=sender.node, digest=digest))
        answer = {
            "iss": MBMID,
            "aud": sender.node,
            "jti": said.message_id,
            "iat": SECONDS + 1,
            "re": said.message_id,
            "dig": {"alg": "sha-256", "val": digest, "of": "message"},
            "status": "accepted",
            "trust": 1,
            "log": {"origin": origin(MBMID), "leaf": b64u_encode(entered.leaf_hash)} if promised else None,
        }
        return BundleParts(
            message=token,
            receipt=sign_jws(encode_receipt(Receipt(**answer | (receipt or {}))), self.recipient.sig, typ=RECEIPT_TYP),
            leaf_data=made.data,
            leaf_disclosures=made.disclosures,
            sender_proof=proof(sender, made.leaf_hash, witness) if logs else None,
            recipient_proof=proof(self.recipient, entered.leaf_hash, witness) if logs and promised else None,
            register=self.files,
            verified_at=SECONDS + 60,
        )


def origin(node):
    return f"{node}/paradero-log"


def keyset(keys, seq):
    name = origin(keys.node)
    log = KeysetLog(origin=name, vkey=str(verifier_key(name, keys.log.public.raw)))
    return make_keyset(keys, endpoint="https://node.example/x", log=log, seq=seq, now=NOW)


def proof(keys, leaf, witness=None, *, name=None):
    """Return a tlog-proof of `leaf` as the seventh of eleven in a node's log."""
    hashes = [leaf_hash(bytes([number])) for number in range(11)]
    hashes[6] = leaf
    nodes = {(level, index): value for level, index, value in append(0, hashes, lambda *_: b"")}

    def at(level, index):
        return nodes[level, index]

    note = sign_checkpoint(name or origin(keys.node), 11, root(11, at), keys.log)
    if witness is not None:
        note += cosign(note, WITNESS_NAME, witness, at=SECONDS)
    return proof_text(6, inclusion_proof(6, 11, at), note)
