"""What a node knows of the federation: a pure value, built from verified register targets (SPEC 10.2, 10.4, 10.5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from contracts.codec import decode_model
from contracts.errors import ExchangeError, PolicyUnknownError, SenderUnknownError
from contracts.ids import KeyId, NodeId
from contracts.policy import Policy
from contracts.register import (
    FederationInfo,
    HybridJwk,
    KeysetClaims,
    Keysets,
    MemberEntry,
    Members,
    MemberStatus,
    Role,
    SelfSuspensionClaims,
    SuspensionEntry,
    Suspensions,
)
from keys.jose import verify_jws
from keys.model import SealKey, VerifyKey

KEYSET_TYP = "paradero-keyset+jwt"
SUSPENSION_TYP = "paradero-suspend+jwt"
TIMESTAMP_LIFE = timedelta(days=7)
POLICY_OVERLAP = timedelta(days=30)
_FRESH = timedelta(minutes=45)
_AMBER = timedelta(hours=24)
_STALE = timedelta(days=7)


class Standing(StrEnum):
    """Whether a node's messages count now."""

    ACTIVE = "active"
    PROBATION = "probation"
    SUSPENDED = "suspended"
    LEFT = "left"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Freshness(StrEnum):
    """How old our register is: fresh ≤ 45 min, amber ≤ 24 h, stale ≤ 7 d, then frozen: nothing leaves."""

    FRESH = "fresh"
    AMBER = "amber"
    STALE = "stale"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Member:
    """A node the council vouches for."""

    node: NodeId
    name: str
    role: Role
    country: str
    status: MemberStatus
    since: datetime
    id_key: VerifyKey


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node's doors are: an https address, and the pin of its certificate when that is self-signed."""

    url: str
    tls_pin: str | None


@dataclass(frozen=True, slots=True)
class LogKey:
    """The name of a node's audit log and the key its checkpoints verify with (C2SP vkey)."""

    origin: str
    vkey: str


@dataclass(frozen=True, slots=True)
class Keyset:
    """What a node says of itself, signed by its identity key."""

    node: NodeId
    seq: int
    issued_at: datetime
    expires_at: datetime
    profile: str
    """Which drafts of the envelope's standards the keys are for: the version of the protocol the node speaks."""
    endpoint: Endpoint
    sig: tuple[VerifyKey, ...]
    enc: tuple[SealKey, ...]
    log: LogKey
    jws: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """A policy version and when the next one began to hold (None: it is in force)."""

    policy: Policy
    superseded_at: datetime | None


@dataclass(frozen=True, slots=True)
class StateProblem:
    """Something in a validly signed register that people must look at; the rest of it holds."""

    kind: str
    node: NodeId | None


@dataclass(frozen=True, slots=True)
class TrustState:
    """One verified version of the register, with what earlier versions vouched for."""

    version: int
    timestamp_version: int
    published_at: datetime
    federation: FederationInfo
    members: Mapping[NodeId, Member]
    keysets: Mapping[NodeId, Keyset]
    past_signers: Mapping[KeyId, VerifyKey] = field(repr=False)
    suspensions: tuple[SuspensionEntry, ...]
    cleared: frozenset[str]
    self_suspended: frozenset[NodeId]
    policies: Mapping[int, KnownPolicy]
    problems: tuple[StateProblem, ...] = ()

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.policies[max(self.policies)].policy

    def member(self, node: NodeId) -> Member:
        """Return a member, whatever its standing.

        Raises:
            SenderUnknownError: no register version names it.
        """
        try:
            return self.members[node]
        except KeyError:
            raise SenderUnknownError("no such member") from None

    def standing(self, node: NodeId, now: datetime) -> Standing:
        """Return whether a node's messages count at `now`."""
        member = self.members.get(node)
        if member is None:
            return Standing.UNKNOWN
        if member.status in (MemberStatus.LEFT, MemberStatus.REVOKED):
            return Standing(member.status.value)
        if node in self.self_suspended or self._suspended(node, now):
            return Standing.SUSPENDED
        return Standing(member.status.value)

    def _suspended(self, node: NodeId, now: datetime) -> bool:
        seconds = now.timestamp()
        return any(
            entry.node == node and entry.since <= seconds < entry.until and entry.id not in self.cleared
            for entry in self.suspensions
        )

    def suspended(self, now: datetime) -> frozenset[NodeId]:
        """Return every node to which nothing may be delivered now."""
        held = (Standing.SUSPENDED, Standing.LEFT, Standing.REVOKED)
        return frozenset(node for node in self.members if self.standing(node, now) in held)

    def signer(self, key_id: KeyId) -> VerifyKey:
        """Return a signing key a member has or had, so that what it signed stays verifiable.

        Raises:
            SenderUnknownError: no register version vouches for it.
        """
        try:
            return self.past_signers[key_id]
        except KeyError:
            raise SenderUnknownError("no register version vouches for this key") from None

    def may_sign(self, key_id: KeyId) -> bool:
        """Return whether a key is in its node's keyset now: one that was replaced verifies what was, and signs nothing new."""
        keyset = self.keysets.get(key_id.node)
        return keyset is not None and any(key.kid == key_id for key in keyset.sig)

    def keyset(self, node: NodeId) -> Keyset:
        """Return a node's keyset.

        Raises:
            SenderUnknownError: it published none.
        """
        try:
            return self.keysets[node]
        except KeyError:
            raise SenderUnknownError("the node has no keyset in the register") from None

    def seal_key(self, node: NodeId) -> SealKey:
        """Return the newest key to seal to, or raise SenderUnknownError."""
        return self.keyset(node).enc[0]

    def signing_key(self, node: NodeId) -> VerifyKey:
        """Return the newest signing key, or raise SenderUnknownError."""
        return self.keyset(node).sig[0]

    def endpoint(self, node: NodeId) -> Endpoint:
        """Return where a node's doors are, or raise SenderUnknownError."""
        return self.keyset(node).endpoint

    def log_key(self, node: NodeId) -> LogKey:
        """Return a node's log key, or raise SenderUnknownError."""
        return self.keyset(node).log

    def freshness(self, now: datetime) -> Freshness:
        """Return how old the register is at `now` (SPEC 10.5)."""
        age = now - self.published_at
        if age <= _FRESH:
            return Freshness.FRESH
        if age <= _AMBER:
            return Freshness.AMBER
        return Freshness.STALE if age <= _STALE else Freshness.FROZEN

    def policy_at(self, version: int, now: datetime) -> Policy:
        """Return the policy a message names (known, and replaced at most 30 days ago).

        Raises:
            PolicyUnknownError: neither.
        """
        known = self.policies.get(version)
        if known is None or (known.superseded_at is not None and now - known.superseded_at > POLICY_OVERLAP):
            raise PolicyUnknownError("a policy version we do not have, or replaced too long ago")
        return known.policy


@dataclass(frozen=True, slots=True)
class RegisterTargets:
    """The verified targets of one register version; histories are oldest first and end with the current one."""

    version: int
    timestamp_version: int
    published_at: datetime
    federation: bytes
    members: tuple[bytes, ...]
    policies: tuple[bytes, ...]
    suspensions: tuple[bytes, ...]
    keysets: tuple[bytes, ...]


def build_state(targets: RegisterTargets) -> TrustState:
    """Return the state that verified targets describe.

    Raises:
        ExchangeError: a target is not what it must be; the register version is not adopted.
    """
    history = [decode_model(Members, data) for data in targets.members]
    everyone = {entry.node: entry for members in history for entry in members.members}
    members = {node: _member(entry) for node, entry in everyone.items()}
    keysets = [decode_model(Keysets, data) for data in targets.keysets]
    accepted, problems = _accept_keysets(keysets, members)
    current = {node: versions[-1] for node, versions in accepted.items()}
    # Every entry ever signed restricts until it lapses: one written again under its id must not shorten or move it.
    suspensions = dict.fromkeys(entry for data in targets.suspensions for entry in decode_model(Suspensions, data).suspensions)
    return TrustState(
        version=targets.version,
        timestamp_version=targets.timestamp_version,
        published_at=targets.published_at,
        federation=decode_model(FederationInfo, targets.federation),
        members=members,
        keysets=current,
        past_signers={key.kid: key for versions in accepted.values() for keyset in versions for key in keyset.sig},
        suspensions=tuple(suspensions),
        cleared=frozenset(str(item) for item in history[-1].cleared),
        self_suspended=_self_suspended(keysets, members, current),
        policies=_policies(targets.policies),
        problems=tuple(problems),
    )


def verify_keyset(jws: str, member: Member) -> Keyset:
    """Verify a keyset with its member's identity key.

    Raises:
        ExchangeError: not signed by it, or not a keyset of this node.
    """
    verified = verify_jws(jws, typ=KEYSET_TYP, find=_identity_of(member))
    claims = decode_model(KeysetClaims, verified.payload)
    if claims.iss != member.node:
        raise SenderUnknownError("a keyset of another node")
    jwks = [key.model_dump(mode="json") for key in claims.keys]
    sealing = [SealKey.from_jwk(jwk) for key, jwk in zip(claims.keys, jwks, strict=True) if isinstance(key, HybridJwk)]
    signing = [VerifyKey.from_jwk(jwk) for key, jwk in zip(claims.keys, jwks, strict=True) if not isinstance(key, HybridJwk)]
    return Keyset(
        node=claims.iss,
        seq=claims.seq,
        issued_at=datetime.fromtimestamp(claims.iat, UTC),
        profile=claims.profile,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
        endpoint=Endpoint(claims.endpoint, claims.tls_pin),
        sig=tuple(signing),
        enc=tuple(sealing),
        log=LogKey(claims.log.origin, claims.log.vkey),
        jws=jws,
    )


def _member(entry: MemberEntry) -> Member:
    return Member(
        node=entry.node,
        name=entry.name,
        role=entry.role,
        country=entry.country,
        status=entry.status,
        since=datetime.fromtimestamp(entry.since, UTC),
        id_key=VerifyKey.from_jwk(entry.id_key.model_dump(mode="json")),
    )


def _accept_keysets(
    history: Iterable[Keysets], members: Mapping[NodeId, Member]
) -> tuple[dict[NodeId, list[Keyset]], list[StateProblem]]:
    """Replay the keysets: `seq` only grows, so the online key that carries them cannot roll a node's keys back."""
    accepted: dict[NodeId, list[Keyset]] = {}
    problems: list[StateProblem] = []
    for keysets in history:
        for node, jws in keysets.keysets.items():
            last = accepted[node][-1] if node in accepted else None
            if last is not None and last.jws == jws:
                continue
            try:
                keyset = verify_keyset(jws, members[node])
            except (ExchangeError, KeyError):
                problems.append(StateProblem("keyset-invalid", node))
                continue
            if last is not None and keyset.seq <= last.seq:
                kind = "keyset-fork" if keyset.seq == last.seq else "keyset-rollback"
                problems.append(StateProblem(kind, node))
                continue
            accepted.setdefault(node, []).append(keyset)
    return accepted, problems


def _self_suspended(
    history: Iterable[Keysets], members: Mapping[NodeId, Member], current: Mapping[NodeId, Keyset]
) -> frozenset[NodeId]:
    """Return who suspended itself and has no newer keyset; of every version, or the online key could take it back."""
    found = set()
    for node, jws in {item: None for keysets in history for item in keysets.self_suspensions.items()}:
        member = members.get(node)
        if member is not None and _self_suspension_holds(jws, member, current.get(node)):
            found.add(node)
    return frozenset(found)


def _self_suspension_holds(jws: str, member: Member, keyset: Keyset | None) -> bool:
    try:
        verified = verify_jws(jws, typ=SUSPENSION_TYP, find=_identity_of(member, keyset))
        claims = decode_model(SelfSuspensionClaims, verified.payload)
    except ExchangeError:
        return False
    return claims.iss == member.node and (keyset is None or keyset.seq <= claims.seq)


class _identity_of:  # noqa: N801 - reads as a function: find=_identity_of(member)
    """Finds the identity key of a member, and its signing keys where a keyset is given."""

    def __init__(self, member: Member, keyset: Keyset | None = None) -> None:
        self._keys = {member.id_key.kid: member.id_key}
        if keyset is not None:
            self._keys |= {key.kid: key for key in keyset.sig}

    def __call__(self, kid: KeyId) -> VerifyKey:
        try:
            return self._keys[kid]
        except KeyError:
            raise SenderUnknownError("not a key of this member") from None


def _policies(history: Iterable[bytes]) -> dict[int, KnownPolicy]:
    parsed: dict[int, Policy] = {}
    for data in history:
        policy = decode_model(Policy, data)
        parsed.setdefault(policy.version, policy)
    ordered = [parsed[version] for version in sorted(parsed)]
    ends = [datetime.fromtimestamp(policy.since, UTC) for policy in ordered[1:]]
    return {policy.version: KnownPolicy(policy, end) for policy, end in zip(ordered, [*ends, None], strict=True)}
