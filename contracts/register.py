"""What the register of members holds: the targets of its TUF repository and what nodes sign about themselves (SPEC 10.2).

Only shapes and rules inside one file are checked here; signatures, versions and thresholds are `keys.register`'s.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, StringConstraints, model_validator

from contracts.ids import Code, KeyId, NodeId
from contracts.types import (
    Count,
    CountryCode,
    Distinct,
    Endpoint,
    Flag,
    FrozenMap,
    HybridKey,
    Jws,
    Key32,
    LogOrigin,
    LogVkey,
    Sha256Hex,
    Text,
    UnixTime,
    WireModel,
    broken,
)

MAX_SUSPENSION = 72 * 3600
"""Seconds. A suspension by one key lapses; a longer one is a change of the members file."""
MAX_KEYSET_LIFE = 120 * 86_400
"""Seconds."""

Suite = Annotated[str, Strict(), StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9-]{1,31}$")]
"""An algorithm of the JOSE registry; a node may name ones we do not speak."""
Profile = Literal["2026-11"]
"""Which drafts of the envelope's standards the keys are for."""


class Role(StrEnum):
    """What a node is in the federation; the policy speaks of roles, never of names."""

    SEARCH_MECHANISM = "search-mechanism"
    FOREIGN_MINISTRY = "foreign-ministry"
    CONSULATE = "consulate"
    MIGRANT_COUNCIL = "migrant-council"
    CHILD_PROTECTION = "child-protection"
    HEALTH = "health"
    POLICE = "police"
    FORENSIC = "forensic"
    OMBUDSMAN = "ombudsman"
    CIVIL_REGISTRY = "civil-registry"
    PROSECUTOR = "prosecutor"
    FOREIGN_SEARCH = "foreign-search"
    FOREIGN_MEDICOLEGAL = "foreign-medicolegal"
    FOREIGN_ENFORCEMENT = "foreign-enforcement"
    MIGRATION_CONTROL = "migration-control"
    RETURNEE_RECEPTION = "returnee-reception"
    HUMANITARIAN = "humanitarian"
    SOCIAL_SERVICES = "social-services"
    FOREIGN_CONSULATE = "foreign-consulate"
    FOREIGN_PROSECUTOR = "foreign-prosecutor"
    JUDICIARY = "judiciary"


class MemberStatus(StrEnum):
    """A member's lasting status; a suspension is apart from it."""

    ACTIVE = "active"
    PROBATION = "probation"
    LEFT = "left"
    REVOKED = "revoked"


class Ed25519Jwk(WireModel):
    """A public signing key (RFC 8037, algorithm name of RFC 9864)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    alg: Literal["Ed25519"]
    use: Literal["sig"]
    kid: KeyId
    x: Key32

    @model_validator(mode="after")
    def _signs(self) -> Self:
        if self.kid.use not in {"id", "sig"}:
            raise broken("key_use")
        return self


class HybridJwk(WireModel):
    """A public key envelopes are sealed to: ML-KEM-768 with X25519."""

    kty: Literal["AKP"]
    alg: Literal["HPKE-9-KE"]
    use: Literal["enc"]
    kid: KeyId
    pub: HybridKey

    @model_validator(mode="after")
    def _seals(self) -> Self:
        if self.kid.use != "enc":
            raise broken("key_use")
        return self


Jwk = Annotated[Ed25519Jwk | HybridJwk, Field(discriminator="kty")]
"""A public key of a node."""


class MemberEntry(WireModel):
    """One node in `members.json`; the council vouches for its identity key."""

    node: NodeId
    name: Text
    role: Role
    country: CountryCode
    status: MemberStatus
    since: UnixTime
    id_key: Ed25519Jwk

    @model_validator(mode="after")
    def _own_key(self) -> Self:
        if self.id_key.kid.node != self.node or self.id_key.kid.use != "id":
            raise broken("key_of_another_node")
        return self


class Members(WireModel):
    """`members.json`. `cleared` lists suspensions the council has lifted."""

    version: Count | None = None
    members: Annotated[tuple[MemberEntry, ...], Field(max_length=2000)]
    cleared: Annotated[tuple[Code, ...], Field(max_length=2000), Distinct] = ()

    @model_validator(mode="after")
    def _one_entry_each(self) -> Self:
        if len({entry.node for entry in self.members}) != len(self.members):
            raise broken("repeated_member")
        return self


class KeysetLog(WireModel):
    """Where a node's audit log is named and by which key its checkpoints verify (C2SP)."""

    origin: LogOrigin
    vkey: LogVkey


class KeysetClaims(WireModel):
    """What a node says of itself, signed by its identity key. `seq` only ever grows."""

    iss: NodeId
    seq: Annotated[Count, Field(ge=1)]
    iat: UnixTime
    exp: UnixTime
    profile: Profile
    endpoint: Endpoint
    mode: Literal["push", "pull"]
    relay: NodeId | None = None
    tls_pin: Sha256Hex | None = None
    """SHA-256 of the DER certificate the node's port shows."""
    suites: Annotated[tuple[Suite, ...], Field(min_length=1, max_length=8), Distinct]
    keys: Annotated[tuple[Jwk, ...], Field(min_length=2, max_length=16)]
    log: KeysetLog
    contact: Text | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not 0 < self.exp - self.iat <= MAX_KEYSET_LIFE:
            raise broken("keyset_life")
        kids = {key.kid for key in self.keys}
        if len(kids) != len(self.keys) or any(kid.node != self.iss for kid in kids):
            raise broken("keyset_keys")
        if not {"sig", "enc"} <= {kid.use for kid in kids} or any(kid.use == "id" for kid in kids):
            raise broken("keyset_keys")
        return self


class SelfSuspensionClaims(WireModel):
    """A node takes itself out, signed by its identity or signing key. Ends with the next keyset."""

    iss: NodeId
    iat: UnixTime
    seq: Annotated[Count, Field(ge=1)]
    """The keyset in force when it was signed; a keyset with a higher number ends the suspension."""
    reason: Code


class Keysets(WireModel):
    """`keysets.json`: carried by an online key, so everything in it is signed by the nodes themselves."""

    keysets: Annotated[FrozenMap[NodeId, Jws], Field(max_length=2000)]
    self_suspensions: Annotated[FrozenMap[NodeId, Jws], Field(max_length=2000)] = Field(
        default_factory=dict, validate_default=True
    )


class SuspensionEntry(WireModel):
    """One key can suspend a node for at most 72 hours; only the council lifts it earlier."""

    id: Code
    node: NodeId
    since: UnixTime
    reason: Code
    by: Text
    until: UnixTime

    @model_validator(mode="after")
    def _lapses(self) -> Self:
        if not 0 < self.until - self.since <= MAX_SUSPENSION:
            raise broken("suspension_life")
        return self


class Suspensions(WireModel):
    """`suspensions.json`."""

    suspensions: Annotated[tuple[SuspensionEntry, ...], Field(max_length=500)] = ()

    @model_validator(mode="after")
    def _one_id_each(self) -> Self:
        if len({entry.id for entry in self.suspensions}) != len(self.suspensions):
            raise broken("repeated_suspension")
        return self


class FederationInfo(WireModel):
    """`federation.json`: what this register is. A demo federation can never be joined to a real one."""

    name: Text
    demo: Flag
    preset: Literal["start", "full"]
