"""The ceremonies, step by step: found, enrol, publish keysets, suspend, move from `start` to `full` (SPEC 10.6)."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from securesystemslib.signer import SSlibKey

from contracts.codec import b64u_encode, decode_model, encode_model, encode_object
from contracts.errors import ConfigurationError, ExchangeError
from contracts.ids import Code, KeyId, NodeId
from contracts.policy import parse_policy
from contracts.register import (
    Ed25519Jwk,
    FederationInfo,
    HybridJwk,
    KeysetClaims,
    KeysetLog,
    Keysets,
    MemberEntry,
    Members,
    MemberStatus,
    SelfSuspensionClaims,
    SuspensionEntry,
    Suspensions,
)
from contracts.types import WireModel
from keys.jose import sign_jws
from keys.model import NodeKeys, SealKey, SigningKey, VerifyKey
from keys.register.custodians import Custodian
from keys.register.repository import Repository, RoleKeys
from keys.register.state import KEYSET_TYP, SUSPENSION_TYP, Member, verify_keyset

KEYSET_LIFE = timedelta(days=110)
SUSPENSION_LIFE = timedelta(hours=72)


class Preset(StrEnum):
    """Who holds the roles: `start`, three or four custodians for everything; `full`, separated offices (SPEC 10.1)."""

    START = "start"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Holders:
    """The public keys of each office, and the online key. For `start` every office lists the same custodians."""

    council: Sequence[SSlibKey]
    registrars: Sequence[SSlibKey]
    policy: Sequence[SSlibKey]
    suspensions: Sequence[SSlibKey]
    online: SSlibKey


class EnrolmentRequest(WireModel):
    """What a new node sends to a registrar: its member entry and its first keyset, which proves it has the key."""

    member: MemberEntry
    keyset: str


def thresholds(preset: Preset, holders: Holders) -> tuple[Mapping[str, RoleKeys], Mapping[str, RoleKeys]]:
    """Return (top-level roles, delegated roles) of a preset.

    Raises:
        ConfigurationError: too few holders for the preset.
    """
    online = RoleKeys([holders.online], 1)
    if preset is Preset.START:
        _enough("custodians", holders.council, 3)
        everyone = RoleKeys(holders.council, 2)
        delegated = {"members": everyone, "policy": everyone, "suspensions": RoleKeys(holders.council, 1), "keysets": online}
        return {"root": everyone, "targets": everyone, "snapshot": online, "timestamp": online}, delegated
    _enough("council members", holders.council, 5)
    _enough("registrars", holders.registrars, 3)
    _enough("policy holders", holders.policy, 3)
    _enough("suspension keys", holders.suspensions, 6)
    council = RoleKeys(holders.council, 3)
    delegated = {
        "members": RoleKeys(holders.registrars, 2),
        "policy": RoleKeys(holders.policy, 3),
        "suspensions": RoleKeys(holders.suspensions, 1),
        "keysets": online,
    }
    return {"root": council, "targets": council, "snapshot": online, "timestamp": online}, delegated


def stage_founding(
    repository: Repository, preset: Preset, holders: Holders, info: FederationInfo, policy: bytes, *, now: datetime
) -> None:
    """Stage the first version of everything. The custodians sign next, then the online key publishes.

    Raises:
        ConfigurationError: too few holders, or the policy does not hold together.
    """
    _check_policy(policy)
    top, delegated = thresholds(preset, holders)
    repository.discard()
    repository.stage_root(top, now=now)
    repository.stage_delegations(delegated, encode_model(info), now=now)
    repository.stage_target("members", encode_model(Members(members=())), now=now)
    repository.stage_target("policy", policy, now=now)
    repository.stage_target("suspensions", encode_model(Suspensions()), now=now)
    repository.stage_target("keysets", encode_model(Keysets(keysets={})), now=now)


def stage_upgrade(repository: Repository, holders: Holders, *, now: datetime) -> None:
    """Stage the way from `start` to `full`: a new root that both quorums sign, and every role signed anew by its holders."""
    old = decode_model(FederationInfo, repository.target("federation.json"))
    if old.preset == Preset.FULL.value:
        raise ConfigurationError("the federation has the full preset already", advice="Nothing to do.")
    top, delegated = thresholds(Preset.FULL, holders)
    repository.stage_root(top, now=now)
    repository.stage_delegations(delegated, encode_model(old.model_copy(update={"preset": "full"})), now=now)
    for role in ("members", "policy", "suspensions", "keysets"):
        repository.restage(role, now=now)


def stage_policy(repository: Repository, policy: bytes, *, now: datetime) -> None:
    """Stage a new policy version.

    Raises:
        ConfigurationError: it does not hold together, or its version does not grow.
    """
    _check_policy(policy)
    if parse_policy(policy).version <= parse_policy(repository.target("policy.json")).version:
        raise ConfigurationError("the policy's version must grow", advice="Raise `version` and set `since`.")
    repository.stage_target("policy", policy, now=now)


def stage_member(repository: Repository, entry: MemberEntry, *, now: datetime) -> None:
    """Stage a member's entry: a new one, or a changed status.

    Raises:
        ConfigurationError: its identity key is refused, belongs to another member, or would silently replace the old one.
    """
    _check_identity_key(entry)
    members = _members(repository)
    for other in members.members:
        if other.node != entry.node and other.id_key.x == entry.id_key.x:
            raise ConfigurationError("this identity key is another member's", advice="Each node makes its own keys.")
        if other.node == entry.node and other.id_key.x != entry.id_key.x and other.status is MemberStatus.ACTIVE:
            raise ConfigurationError(
                "an active member's identity key cannot be replaced",
                advice="Mark it `left` first, then enrol it again.",
            )
    kept = tuple(other for other in members.members if other.node != entry.node)
    changed = Members(members=tuple(sorted((*kept, entry), key=lambda item: item.node)), cleared=members.cleared)
    repository.stage_target("members", encode_model(changed), now=now)


def stage_clearing(repository: Repository, suspension: str, *, now: datetime) -> None:
    """Stage the end of a suspension: what one key began, the members' quorum ends."""
    members = _members(repository)
    cleared = tuple(sorted({*members.cleared, Code(suspension)}))
    repository.stage_target("members", encode_model(Members(members=members.members, cleared=cleared)), now=now)


def stage_keyset(repository: Repository, jws: str, *, now: datetime) -> NodeId:
    """Stage a node's keyset and return the node. Proposed members count, so that one publication enrols a node.

    Raises:
        ConfigurationError: not signed by a member's identity key, or its `seq` does not grow.
    """
    for entry in _members(repository).members:
        try:
            keyset = verify_keyset(jws, _as_member(entry))
        except ExchangeError:
            continue
        keysets = _keysets(repository)
        before = keysets.keysets.get(entry.node)
        if before is not None and verify_keyset(before, _as_member(entry)).seq >= keyset.seq:
            raise ConfigurationError("the keyset's seq does not grow", advice="Make a new keyset with a higher --seq.")
        suspended = {node: item for node, item in keysets.self_suspensions.items() if node != entry.node}
        _stage_keysets(repository, {**keysets.keysets, entry.node: jws}, suspended, now)
        return entry.node
    raise ConfigurationError("no member's identity key signed this keyset", advice="Enrol the node first.")


def keyset_seq(repository: Repository, node: NodeId) -> int:
    """Return the `seq` of a member's keyset, 0 where it published none: its own suspension ends with a higher one."""
    jws = _keysets(repository).keysets.get(node)
    entry = next((item for item in _members(repository).members if item.node == node), None)
    return verify_keyset(jws, _as_member(entry)).seq if jws is not None and entry is not None else 0


def stage_self_suspension(repository: Repository, node: NodeId, jws: str, *, now: datetime) -> None:
    """Stage a node's own suspension; only the node's keys can make one, so anybody may hand it in."""
    keysets = _keysets(repository)
    _stage_keysets(repository, keysets.keysets, {**keysets.self_suspensions, node: jws}, now)


def stage_suspension(repository: Repository, node: NodeId, *, reason: Code, by: str, now: datetime) -> str:
    """Stage a suspension of at most 72 hours and return its id; one suspension key signs it."""
    current = decode_model(Suspensions, repository.target("suspensions.json")).suspensions
    entry = SuspensionEntry(
        id=Code(f"s-{secrets.token_hex(6)}"),
        node=node,
        since=int(now.timestamp()),
        reason=reason,
        by=by,
        until=int((now + SUSPENSION_LIFE).timestamp()),
    )
    running = tuple(item for item in current if item.until > now.timestamp())
    repository.stage_target("suspensions", encode_model(Suspensions(suspensions=(*running, entry))), now=now)
    return str(entry.id)


def publish_alone(repository: Repository, custodian: Custodian, online: Custodian, *, now: datetime) -> int:
    """Sign what is staged with one key and publish: suspensions (any suspension key) and keysets (the online key)."""
    repository.sign(custodian)
    return publish(repository, online, now=now)


def publish(repository: Repository, online: Custodian, *, now: datetime) -> int:
    """Publish what is staged; the online key also signs the keysets, which the nodes signed themselves.

    Raises:
        ConfigurationError: see `Repository.publish`.
    """
    repository.sign(online, only=["keysets"])
    data = repository.staged_target("federation.json") or repository.target("federation.json")
    return repository.publish(online, now=now, demo=decode_model(FederationInfo, data).demo)


# -- what a node makes of itself ---------------------------------------------------------------------------------------


def make_keyset(keys: NodeKeys, *, endpoint: str, log: KeysetLog, seq: int, now: datetime, tls_pin: str | None = None) -> str:
    """Return a node's keyset, signed by its identity key.

    Raises:
        ConfigurationError: the identity key is not opened.
    """
    claims = KeysetClaims(
        iss=keys.node,
        seq=seq,
        iat=int(now.timestamp()),
        exp=int((now + KEYSET_LIFE).timestamp()),
        profile="2026-11",
        endpoint=endpoint,
        mode="push",
        tls_pin=tls_pin,
        suites=("Ed25519", "HPKE-9-KE"),
        keys=(_signing_jwk(keys.sig.public), *(_sealing_jwk(key.public) for key in keys.enc)),
        log=log,
    )
    return sign_jws(encode_model(claims), _identity(keys), typ=KEYSET_TYP)


def _signing_jwk(key: VerifyKey) -> Ed25519Jwk:
    return Ed25519Jwk.model_validate(key.jwk())


def _sealing_jwk(key: SealKey) -> HybridJwk:
    return HybridJwk.model_validate(key.jwk())


def make_self_suspension(keys: NodeKeys, *, seq: int, reason: Code, now: datetime) -> str:
    """Return a node's own suspension, signed by its identity key, or its signing key when that is all there is."""
    claims = SelfSuspensionClaims(iss=keys.node, iat=int(now.timestamp()), seq=seq, reason=reason)
    return sign_jws(encode_model(claims), keys.identity or keys.sig, typ=SUSPENSION_TYP)


def identity_fingerprint(key: VerifyKey) -> str:
    """Return the RFC 7638 thumbprint of an identity key, first 160 bits in ten groups, to be read over the phone."""
    thumbprint = encode_object({"crv": "Ed25519", "kty": "OKP", "x": b64u_encode(key.raw)})
    digest = sha256(thumbprint).hexdigest()[:40]
    return " ".join(digest[start : start + 4] for start in range(0, 40, 4))


def describe_staged(repository: Repository) -> list[str]:
    """Return in words what the staged files would change, computed from their bytes."""
    lines = []
    staged = repository.staged_target("members.json")
    if staged is not None:
        lines += _describe_members(repository, decode_model(Members, staged))
    for role, words in (("policy", "POLÍTICA nueva"), ("suspensions", "SUSPENSIONES nuevas"), ("keysets", "LLAVES de nodos")):
        metadata = repository.staged(role)
        if metadata is not None:
            lines.append(f"{words}: versión {metadata.signed.version} de {role}.json")
    root = repository.staged("root")
    if root is not None:
        lines.append(f"RAÍZ nueva: versión {root.signed.version}; la firman el quórum anterior y el nuevo")
    return lines


def _describe_members(repository: Repository, new: Members) -> list[str]:
    try:
        old = {entry.node: entry for entry in decode_model(Members, repository.target("members.json")).members}
    except ConfigurationError:
        old = {}
    lines = []
    for entry in new.members:
        before = old.get(entry.node)
        if before is None:
            key = identity_fingerprint(VerifyKey(KeyId(entry.id_key.kid), _raw(entry)))
            lines.append(f"AGREGA {entry.node} «{entry.name}», papel {entry.role.value}, {entry.country}; huella {key}")
        elif before != entry:
            lines.append(f"CAMBIA {entry.node}: {before.status.value} → {entry.status.value}")
    return lines


def _raw(entry: MemberEntry) -> bytes:
    return VerifyKey.from_jwk(entry.id_key.model_dump(mode="json")).raw


def _check_identity_key(entry: MemberEntry) -> None:
    try:
        _as_member(entry)
    except ExchangeError:
        raise ConfigurationError(
            "the identity key is refused (small order, or no key at all)", advice="Ask the node to run `paradero init` again."
        ) from None


def _check_policy(policy: bytes) -> None:
    try:
        parse_policy(policy)
    except ExchangeError as error:
        raise ConfigurationError(
            f"the policy does not hold together: {error}", advice="Correct the members it names."
        ) from None


def _as_member(entry: MemberEntry) -> Member:
    return Member(
        entry.node,
        entry.name,
        entry.role,
        entry.country,
        entry.status,
        datetime.fromtimestamp(entry.since, UTC),
        VerifyKey.from_jwk(entry.id_key.model_dump(mode="json")),
    )


def _members(repository: Repository) -> Members:
    return decode_model(Members, repository.staged_target("members.json") or repository.target("members.json"))


def _keysets(repository: Repository) -> Keysets:
    return decode_model(Keysets, repository.staged_target("keysets.json") or repository.target("keysets.json"))


def _stage_keysets(
    repository: Repository, keysets: Mapping[NodeId, str], suspended: Mapping[NodeId, str], now: datetime
) -> None:
    content = encode_model(Keysets(keysets=dict(keysets), self_suspensions=dict(suspended)))
    repository.stage_target("keysets", content, now=now)


def _identity(keys: NodeKeys) -> SigningKey:
    if keys.identity is None:
        raise ConfigurationError("the identity key is not opened", advice="Give its file and passphrase.")
    return keys.identity


def _enough(who: str, keys: Sequence[SSlibKey], number: int) -> None:
    if len({key.keyid for key in keys}) < number:
        raise ConfigurationError(f"the preset needs {number} {who}", advice="Have each make a key with `federation custodian`.")
