"""Every message one node can say to another: a closed union, told apart by `type` (SPEC 5.2)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, cast, get_args

from pydantic import Field

from contracts.messages.administration import (
    AuditRequest,
    AuditRequestBody,
    AuditResponse,
    AuditResponseBody,
    CaseWindow,
    LeafProof,
    LeafRange,
    NodeLeave,
    NodeLeaveBody,
    NodeSuspendSelf,
    NodeSuspendSelfBody,
    Ping,
    PingBody,
    RegisterMetadata,
    RegisterMetadataBody,
    WindowCopy,
    WindowStep,
)
from contracts.messages.base import (
    CLOCK_SKEW,
    Answer,
    Attachment,
    DisclosedField,
    Message,
    Minor,
    Mode,
    PresentedRecord,
    UseTerms,
    check_validity,
)
from contracts.messages.cases import (
    BulkManifest,
    BulkManifestBody,
    CaseState,
    CaseStatus,
    CaseStatusBody,
    FamilyMessage,
    FamilyMessageBody,
    IdentityAnswer,
    IdentityAnswerBody,
    IdentityCheck,
    IdentityCheckBody,
    Located,
    ManifestColumn,
    Note,
    NoteBody,
)
from contracts.messages.consents import (
    ConsentAct,
    ConsentChange,
    ConsentChangeBody,
    DownstreamReceipt,
    ErasureOrder,
    ErasureOrderBody,
    ErasureReason,
    ErasureReceipt,
    ErasureReceiptBody,
    RefusedErasure,
)
from contracts.messages.disclosures import (
    Correction,
    CorrectionBody,
    DisclosureGrant,
    DisclosureGrantBody,
    DisclosureRequest,
    DisclosureRequestBody,
    DisclosureResult,
    RecordRequest,
    RecordRequestBody,
)
from contracts.messages.duties import (
    Bulletin,
    BulletinBody,
    BulletinCancel,
    BulletinCancelBody,
    DutyCancel,
    DutyCancelBody,
    DutyNotice,
    DutyNoticeBody,
)
from contracts.messages.findings import (
    FindingAcknowledgement,
    FindingAcknowledgementBody,
    FindingKind,
    FindingNotice,
    FindingNoticeBody,
)
from contracts.messages.forensics import (
    Conclusion,
    ExpertConclusion,
    ExpertConclusionBody,
    SampleReference,
    SampleReferenceBody,
    SampleSource,
)
from contracts.messages.referrals import (
    DeclineReason,
    ReferralAccept,
    ReferralAcceptBody,
    ReferralDecline,
    ReferralDeclineBody,
    ReferralDone,
    ReferralDoneBody,
    ReferralOffer,
    ReferralOfferBody,
    ReferralOutcome,
    ReferralProgress,
    ReferralUpdate,
    ReferralUpdateBody,
    ReferralWithdraw,
    ReferralWithdrawBody,
    WithdrawReason,
)
from contracts.messages.reports import (
    Channel,
    ReportAcknowledgement,
    ReportAcknowledgementBody,
    ReportTransfer,
    ReportTransferBody,
)
from contracts.messages.restoration import (
    LogHead,
    NodeRestored,
    NodeRestoredBody,
    NodeReturned,
    NodeReturnedBody,
    ReturnedMessage,
)
from contracts.messages.searches import (
    SearchRequest,
    SearchRequestBody,
    SearchResponse,
    SearchResponseBody,
    SearchResult,
    Urgency,
)

__all__ = [
    "ASKED_KINDS",
    "CLOCK_SKEW",
    "MESSAGE_TYPES",
    "Answer",
    "Attachment",
    "AuditRequest",
    "AuditRequestBody",
    "AuditResponse",
    "AuditResponseBody",
    "BulkManifest",
    "BulkManifestBody",
    "Bulletin",
    "BulletinBody",
    "BulletinCancel",
    "BulletinCancelBody",
    "CaseMessage",
    "CaseState",
    "CaseStatus",
    "CaseStatusBody",
    "CaseWindow",
    "Channel",
    "Conclusion",
    "ConsentAct",
    "ConsentChange",
    "ConsentChangeBody",
    "Correction",
    "CorrectionBody",
    "DeclineReason",
    "DisclosedField",
    "DisclosureGrant",
    "DisclosureGrantBody",
    "DisclosureRequest",
    "DisclosureRequestBody",
    "DisclosureResult",
    "DownstreamReceipt",
    "DutyCancel",
    "DutyCancelBody",
    "DutyNotice",
    "DutyNoticeBody",
    "ErasureOrder",
    "ErasureOrderBody",
    "ErasureReason",
    "ErasureReceipt",
    "ErasureReceiptBody",
    "ExpertConclusion",
    "ExpertConclusionBody",
    "FamilyMessage",
    "FamilyMessageBody",
    "FindingAcknowledgement",
    "FindingAcknowledgementBody",
    "FindingKind",
    "FindingNotice",
    "FindingNoticeBody",
    "IdentityAnswer",
    "IdentityAnswerBody",
    "IdentityCheck",
    "IdentityCheckBody",
    "LeafProof",
    "LeafRange",
    "Located",
    "LogHead",
    "ManifestColumn",
    "Message",
    "Minor",
    "Mode",
    "NodeLeave",
    "NodeLeaveBody",
    "NodeRestored",
    "NodeRestoredBody",
    "NodeReturned",
    "NodeReturnedBody",
    "NodeSuspendSelf",
    "NodeSuspendSelfBody",
    "Note",
    "NoteBody",
    "Ping",
    "PingBody",
    "PresentedRecord",
    "RecordRequest",
    "RecordRequestBody",
    "ReferralAccept",
    "ReferralAcceptBody",
    "ReferralDecline",
    "ReferralDeclineBody",
    "ReferralDone",
    "ReferralDoneBody",
    "ReferralOffer",
    "ReferralOfferBody",
    "ReferralOutcome",
    "ReferralProgress",
    "ReferralUpdate",
    "ReferralUpdateBody",
    "ReferralWithdraw",
    "ReferralWithdrawBody",
    "RefusedErasure",
    "RegisterMetadata",
    "RegisterMetadataBody",
    "ReportAcknowledgement",
    "ReportAcknowledgementBody",
    "ReportTransfer",
    "ReportTransferBody",
    "ReturnedMessage",
    "SampleReference",
    "SampleReferenceBody",
    "SampleSource",
    "SearchRequest",
    "SearchRequestBody",
    "SearchResponse",
    "SearchResponseBody",
    "SearchResult",
    "Urgency",
    "UseTerms",
    "WindowCopy",
    "WindowStep",
    "WithdrawReason",
    "check_validity",
]

CaseMessage = Annotated[
    AuditRequest
    | AuditResponse
    | BulkManifest
    | Bulletin
    | BulletinCancel
    | CaseStatus
    | ConsentChange
    | Correction
    | DisclosureGrant
    | DisclosureRequest
    | DutyCancel
    | DutyNotice
    | ErasureOrder
    | ErasureReceipt
    | ExpertConclusion
    | FamilyMessage
    | FindingAcknowledgement
    | FindingNotice
    | IdentityAnswer
    | IdentityCheck
    | NodeLeave
    | NodeRestored
    | NodeReturned
    | NodeSuspendSelf
    | Note
    | Ping
    | RecordRequest
    | ReferralAccept
    | ReferralDecline
    | ReferralDone
    | ReferralOffer
    | ReferralUpdate
    | ReferralWithdraw
    | RegisterMetadata
    | ReportAcknowledgement
    | ReportTransfer
    | SampleReference
    | SearchRequest
    | SearchResponse,
    Field(discriminator="type"),
]
"""Closed: a type that is not here cannot arrive, and `match` over it is checked for completeness."""

_CLASSES = cast(tuple[type[CaseMessage], ...], get_args(get_args(CaseMessage)[0]))

MESSAGE_TYPES: Mapping[str, type[CaseMessage]] = MappingProxyType({cls.model_fields["type"].default: cls for cls in _CLASSES})
"""The class of each `type` on the wire."""

ASKED_KINDS = frozenset(
    kind
    for kind, cls in MESSAGE_TYPES.items()
    if issubclass(cls, Answer) and cls.model_fields["records"].metadata != Message.model_fields["records"].metadata
)
"""Answers that can carry records: they carry nothing that was not asked for (SPEC 6.4)."""

if len(MESSAGE_TYPES) != len(_CLASSES):
    raise RuntimeError("two message classes have one type")
