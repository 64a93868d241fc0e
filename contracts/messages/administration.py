"""What nodes say as nodes: proofs from the log, leaving, the register by another road, a test."""

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, StringConstraints, model_validator

from contracts.ids import Code, Folio, NodeId
from contracts.leaves import LEAF_DIGESTS, LEAF_NAMES
from contracts.messages.base import RECORD_DIGESTS, Answer, DisclosedField, Message
from contracts.types import (
    Bytes64K,
    Bytes256K,
    Count,
    Distinct,
    Flag,
    Jws,
    LogProof,
    Reference,
    Sha256,
    UnixTime,
    WireModel,
    broken,
)

MAX_LEAVES = 20
MAX_STEPS = 200
MAX_COPIES = 64

LeafField = Annotated[str, Strict(), StringConstraints(pattern=f"^(?:{'|'.join(sorted(LEAF_NAMES.values()))})$")]
"""The name of a field inside a leaf."""
LeafText = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=1024, pattern=r"^[\u0020-\u007E]+$")]
"""A leaf as it is in the log."""
LeafDisclosure = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=16_384, pattern="^[A-Za-z0-9_-]+$")]
"""What opens one field of a leaf: base64url of ``[salt, name, value]``."""


class LeafRange(WireModel):
    """Consecutive leaves by their index in the log."""

    first: Count
    count: Annotated[Count, Field(ge=1, le=MAX_LEAVES)]


class AuditRequestBody(WireModel):
    """Leaf hashes, from receipts the asker holds. The ombudsman may ask by range or by a case's folio as well (E14).

    `fields` are the leaf's fields to be shown, by their names in the leaf (SPEC 7.1); none: proofs alone.
    """

    leaves: Annotated[tuple[Sha256, ...], Field(max_length=MAX_LEAVES), Distinct] = ()
    span: LeafRange | None = Field(default=None, alias="range")
    folio: Folio | None = None
    fields: Annotated[tuple[LeafField, ...], Field(max_length=LEAF_DIGESTS), Distinct] = ()
    complaint: Reference | None = None
    """The number of the complaint that is the mandate."""

    @model_validator(mode="after")
    def _mandate(self) -> Self:
        if not self.leaves and self.span is None and self.folio is None:
            raise broken("nothing_asked")
        if (self.span is not None or self.folio is not None or bool(self.fields)) and self.complaint is None:
            raise broken("more_than_a_proof_without_mandate")
        return self


class AuditRequest(Message):
    """Prove that what your receipts name is in your log; with a mandate, show fields of it."""

    type: Literal["audit.request"] = "audit.request"
    body: AuditRequestBody


class LeafProof(WireModel):
    """One leaf and its C2SP tlog-proof; where fields were asked for, its text and the disclosures that may be shown."""

    leaf: Sha256
    proof: LogProof
    data: LeafText | None = None
    disclosures: Annotated[tuple[LeafDisclosure, ...], Field(max_length=LEAF_DIGESTS), Distinct] = ()

    @model_validator(mode="after")
    def _data_for_disclosures(self) -> Self:
        if self.disclosures and self.data is None:
            raise broken("disclosures_without_leaf")
        return self


class WindowStep(WireModel):
    """One exchange of the case: who asked whom, by which type of message, when an answer was due and when there was one.

    `leaf` names the opening in the answering node's log: a proof of it is had like that of any receipt.
    """

    asker: NodeId
    asked: NodeId
    kind: Code
    opened_at: UnixTime
    due_at: UnixTime | None = None
    answered_at: UnixTime | None = None
    overdue: Flag
    state: Code
    outcome: Code | None = None
    leaf: Sha256 | None = None


class WindowCopy(WireModel):
    """One record that left: its fields and forms, never a value; to whom, when, why, and what became of the copy."""

    recipient: NodeId
    record_type: Code
    fields: Annotated[tuple[DisclosedField, ...], Field(max_length=RECORD_DIGESTS)]
    sent_at: UnixTime
    purpose: Code
    basis: Code
    recall: Code
    recall_basis: Code | None = None
    retain_until: UnixTime


class CaseWindow(WireModel):
    """One case, as the ombudsman sees it under one complaint (E14). It has no room for a name or any other value.

    `complete` is false where only the latest steps or copies fitted.
    """

    folio: Folio
    complaint: Reference
    result: Literal["opened", "unknown-case", "refused"]
    basis: Code | None = None
    complete: Flag = True
    steps: Annotated[tuple[WindowStep, ...], Field(max_length=MAX_STEPS)] = ()
    copies: Annotated[tuple[WindowCopy, ...], Field(max_length=MAX_COPIES)] = ()

    @model_validator(mode="after")
    def _shown_if_opened(self) -> Self:
        if (self.result == "refused") != (self.basis is not None):
            raise broken("basis_of_refusal")
        if self.result != "opened" and (self.steps or self.copies):
            raise broken("window_not_opened")
        return self


class AuditResponseBody(WireModel):
    """A proof for each leaf that is in the log, the others by name; or the window to the case that was asked for."""

    proofs: Annotated[tuple[LeafProof, ...], Field(max_length=MAX_LEAVES)] = ()
    missing: Annotated[tuple[Sha256, ...], Field(max_length=MAX_LEAVES), Distinct] = ()
    window: CaseWindow | None = None

    @model_validator(mode="after")
    def _each_leaf_once(self) -> Self:
        proved = {item.leaf for item in self.proofs}
        answered = proved or self.missing or self.window is not None
        if len(proved) != len(self.proofs) or proved & set(self.missing) or not answered:
            raise broken("leaf_accounted_for_once")
        return self


class AuditResponse(Answer):
    """The proofs."""

    type: Literal["audit.response"] = "audit.response"
    body: AuditResponseBody


class NodeSuspendSelfBody(WireModel):
    """The signed statement, which holds wherever it comes from."""

    statement: Jws


class NodeSuspendSelf(Message):
    """Believe nothing in our name until we publish a new keyset."""

    type: Literal["node.suspend-self"] = "node.suspend-self"
    body: NodeSuspendSelfBody


class NodeLeaveBody(WireModel):
    """From when, why, and who takes the cases over."""

    effective_at: UnixTime
    reason: Code
    successor: NodeId | None = None


class NodeLeave(Message):
    """We leave the federation."""

    type: Literal["node.leave"] = "node.leave"
    body: NodeLeaveBody


class RegisterMetadataBody(WireModel):
    """Raw signed TUF metadata of one role, with the target file it vouches for; believed for its signatures alone."""

    role: Literal["root", "timestamp", "snapshot", "targets", "members", "policy", "suspensions", "keysets"]
    number: Count
    """The metadata's own version, so that it need not be parsed to be filed."""
    metadata: Bytes256K
    target: Bytes64K | None = None


class RegisterMetadata(Message):
    """The register says something new, by whatever road it reached us."""

    type: Literal["register.metadata"] = "register.metadata"
    body: RegisterMetadataBody


class PingBody(WireModel):
    """Why we ask."""

    probe: Literal["enrolment", "health"] = "health"


class Ping(Message):
    """Are you there? The receipt is the answer."""

    type: Literal["ping"] = "ping"
    body: PingBody = PingBody()
