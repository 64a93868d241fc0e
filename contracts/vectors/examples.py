"""One example per message type. Deterministic; the persons and offices are invented.

Signatures and sealed texts in the examples are placeholders of the right shape: these vectors fix the encoding, not the keys.
"""

import json
from collections.abc import Mapping
from typing import Any

from contracts.codec import b64u_encode, encode_object
from contracts.ids import ActorPseudonym, CaseAlias, Code, Folio, MessageId, NodeId, RecordId, ThreadId, uuid7
from contracts.messages import (
    Attachment,
    AuditRequest,
    AuditRequestBody,
    AuditResponse,
    AuditResponseBody,
    BulkManifest,
    BulkManifestBody,
    Bulletin,
    BulletinBody,
    BulletinCancel,
    BulletinCancelBody,
    CaseMessage,
    CaseState,
    CaseStatus,
    CaseStatusBody,
    CaseWindow,
    Channel,
    Conclusion,
    ConsentAct,
    ConsentChange,
    ConsentChangeBody,
    Correction,
    CorrectionBody,
    DeclineReason,
    DisclosedField,
    DisclosureGrant,
    DisclosureGrantBody,
    DisclosureRequest,
    DisclosureRequestBody,
    DisclosureResult,
    DownstreamReceipt,
    DutyCancel,
    DutyCancelBody,
    DutyNotice,
    DutyNoticeBody,
    ErasureOrder,
    ErasureOrderBody,
    ErasureReason,
    ErasureReceipt,
    ErasureReceiptBody,
    ExpertConclusion,
    ExpertConclusionBody,
    FamilyMessage,
    FamilyMessageBody,
    FindingAcknowledgement,
    FindingAcknowledgementBody,
    FindingKind,
    FindingNotice,
    FindingNoticeBody,
    IdentityAnswer,
    IdentityAnswerBody,
    IdentityCheck,
    IdentityCheckBody,
    LeafProof,
    LogHead,
    ManifestColumn,
    NodeLeave,
    NodeLeaveBody,
    NodeRestored,
    NodeRestoredBody,
    NodeReturned,
    NodeReturnedBody,
    NodeSuspendSelf,
    NodeSuspendSelfBody,
    Note,
    NoteBody,
    Ping,
    PingBody,
    PresentedRecord,
    RecordRequest,
    RecordRequestBody,
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
    RefusedErasure,
    RegisterMetadata,
    RegisterMetadataBody,
    ReportAcknowledgement,
    ReportAcknowledgementBody,
    ReportTransfer,
    ReportTransferBody,
    ReturnedMessage,
    SampleReference,
    SampleReferenceBody,
    SampleSource,
    SearchRequest,
    SearchRequestBody,
    SearchResponse,
    SearchResponseBody,
    SearchResult,
    Urgency,
    UseTerms,
    WindowCopy,
    WindowStep,
    WithdrawReason,
)
from contracts.services import Service

NOON = 1_795_953_600
"""2026-11-29T12:00:00Z."""
DAY = 86_400

CONAMIGUA, MBMID, MINEX, PGN = (NodeId(node) for node in ("gt.conamigua", "gt.igm.mbmid", "gt.minex", "gt.pgn"))
INACIF, PDH, RENAP = (NodeId(node) for node in ("gt.inacif", "gt.pdh", "gt.renap"))


def _uuid(number: int) -> str:
    return uuid7(NOON * 1000 + number, number.to_bytes(10))


def message_id(number: int) -> MessageId:
    """Return the id of example `number`."""
    return MessageId(_uuid(number))


def _record_id(number: int) -> RecordId:
    return RecordId(_uuid(number))


def bytes32(number: int) -> str:
    """Return 32 bytes of `number`, base64url."""
    return b64u_encode(bytes([number]) * 32)


def _codes(*words: str) -> tuple[Code, ...]:
    return tuple(Code(word) for word in words)


def _jws(claims: dict[str, Any]) -> str:
    header = b64u_encode(encode_object({"alg": "Ed25519", "kid": "gt.conamigua#sig-1", "typ": "paradero-example"}))
    return f"{header}.{b64u_encode(encode_object(claims))}.{b64u_encode(bytes(64))}"


def _record(kind: str, values: Mapping[str, str]) -> PresentedRecord:
    disclosures = [
        b64u_encode(json.dumps([b64u_encode(bytes([number]) * 16), name, value], ensure_ascii=False).encode())
        for number, (name, value) in enumerate(values.items())
    ]
    return PresentedRecord(
        sd_jwt="~".join([_jws({"vct": f"urn:paradero:rec:{kind}:1"}), *disclosures, ""]),
        disclosed=tuple(DisclosedField(field=Code(name), form=Code("exact"), rule=Code("example-1")) for name in values),
    )


def _header(number: int, sender: NodeId, recipient: NodeId, **more: Any) -> dict[str, Any]:
    """Return the claims all examples share; ids and times follow from `number`."""
    return {
        "sender": sender,
        "recipient": recipient,
        "message_id": message_id(number),
        "issued_at": NOON + number,
        "expires_at": NOON + number + 7 * DAY,
        "thread_id": ThreadId(_uuid(1)),
        "purpose": Code("locate-missing"),
        "basis": Code("gt:codigo-migracion:art-201"),
        "policy_version": 1,
        "trust_version": 12,
        "actor": ActorPseudonym("a:Qm9nb3Rh"),
        "mode": "exercise",
        "use": UseTerms(retain_until=NOON + 365 * DAY, onward="none"),
        **more,
    }


_PERSON = _record("missing-person", {"given_names": "Ficticia", "surname_1": "Ejemplo", "sex": "female"})
_REMAINS = _record("unidentified-remains", {"sex": "male", "age_range": "22-30"})
_CASE = CaseAlias("c:" + b64u_encode(bytes(range(16))))
_PICTURE = Attachment(sha256=bytes32(7), size=20_480, media_type="image/jpeg", key=bytes32(8))


def _reports() -> list[CaseMessage]:
    return [
        ReportTransfer(
            **_header(10, CONAMIGUA, MBMID, deadline=NOON + DAY, case_alias=_CASE, records=(_PERSON,)),
            body=ReportTransferBody(
                channel=Channel.DESK,
                received_at=NOON - 600,
                office=Code("conamigua.huehuetenango"),
                language="cac",
                minor="no",
                sender_reference="HUE-2026-17",
            ),
        ),
        ReportAcknowledgement(
            **_header(11, MBMID, CONAMIGUA, in_reply_to=message_id(10), case_alias=_CASE),
            body=ReportAcknowledgementBody(folio=Folio("MBMID-2026-000123"), received_at=NOON + 11),
        ),
        FindingNotice(
            **_header(12, MINEX, MBMID, records=(_REMAINS,)),
            body=FindingNoticeBody(
                kind=FindingKind.REMAINS, authority=Code("us.tx.example-county.jp-2"), country="US", received_at=NOON - DAY
            ),
        ),
        FindingAcknowledgement(
            **_header(13, MBMID, MINEX, in_reply_to=message_id(12)),
            body=FindingAcknowledgementBody(reference=Folio("MBMID-2026-000124"), received_at=NOON + 13),
        ),
        DutyNotice(
            **_header(14, CONAMIGUA, PGN, records=(_PERSON,)),
            body=DutyNoticeBody(duty=Code("alba-keneth"), age_known=False, transfer=message_id(10)),
        ),
        DutyCancel(**_header(15, CONAMIGUA, PGN), body=DutyCancelBody(notice=message_id(14))),
        Bulletin(
            **_header(16, PGN, MINEX, records=(_PERSON,), att=(_PICTURE,)),
            body=BulletinBody(alert=Code("alba-keneth"), hotline="1546", ends_at=NOON + 30 * DAY),
        ),
        BulletinCancel(**_header(17, PGN, MINEX, deadline=NOON + 3600), body=BulletinCancelBody(bulletin=message_id(16))),
    ]


def _searches() -> list[CaseMessage]:
    return [
        SearchRequest(
            **_header(20, MBMID, MINEX, deadline=NOON + 3 * DAY, case_alias=_CASE, records=(_PERSON,)),
            body=SearchRequestBody(want=_codes("status", "contact-channel"), urgency=Urgency.NORMAL),
        ),
        SearchResponse(
            **_header(21, MINEX, MBMID, in_reply_to=message_id(20), case_alias=_CASE),
            body=SearchResponseBody(result=SearchResult.NO_MATCH, searched_at=NOON + 21),
        ),
        DisclosureRequest(
            **_header(22, MBMID, MINEX, in_reply_to=message_id(12)),
            body=DisclosureRequestBody(
                record_type=Code("unidentified-remains"), fields=_codes("marks"), reason=Code("compare-candidate")
            ),
        ),
        DisclosureGrant(
            **_header(23, MINEX, MBMID, in_reply_to=message_id(22), records=(_REMAINS,)),
            body=DisclosureGrantBody(result=DisclosureResult.GRANTED),
        ),
        RecordRequest(**_header(24, PGN, CONAMIGUA), body=RecordRequestBody(record=_record_id(900), reason=Code("own-copy"))),
        Correction(
            **_header(25, CONAMIGUA, MBMID, records=(_PERSON,)),
            body=CorrectionBody(replaces=_record_id(900), changed=_codes("surname_1")),
        ),
        IdentityCheck(**_header(26, MINEX, RENAP, records=(_PERSON,)), body=IdentityCheckBody(question="data-matches")),
        IdentityAnswer(**_header(27, RENAP, MINEX, in_reply_to=message_id(26)), body=IdentityAnswerBody(answer="yes")),
        SampleReference(
            **_header(28, INACIF, MBMID),
            body=SampleReferenceBody(
                sample="ADN-2026-0042",
                source=SampleSource.RELATIVE,
                kind=Code("buccal-swab"),
                kinship=Code("mother"),
                laboratory=Code("inacif.genetics"),
                taken_at=NOON - 5 * DAY,
                available=True,
            ),
        ),
        ExpertConclusion(
            **_header(29, INACIF, MBMID, att=(_PICTURE.model_copy(update={"media_type": "application/pdf"}),)),
            body=ExpertConclusionBody(
                conclusion=Conclusion.COMPATIBLE,
                method=Code("dna"),
                laboratory=Code("inacif.genetics"),
                opinion="DIC-2026-0007",
                concluded_at=NOON,
                about=message_id(28),
            ),
        ),
    ]


def _referrals() -> list[CaseMessage]:
    offer = message_id(30)
    return [
        ReferralOffer(
            **_header(30, MBMID, CONAMIGUA, deadline=NOON + 2 * DAY),
            body=ReferralOfferBody(
                service=Service.PSYCHOSOCIAL_SUPPORT,
                urgency=Urgency.URGENT,
                minor="no",
                language="cac",
                department=Code("gt-13"),
            ),
        ),
        ReferralAccept(
            **_header(31, CONAMIGUA, MBMID, in_reply_to=offer),
            body=ReferralAcceptBody(office=Code("conamigua.huehuetenango"), starts_by=NOON + 3 * DAY),
        ),
        ReferralDecline(
            **_header(32, CONAMIGUA, MBMID, in_reply_to=offer), body=ReferralDeclineBody(reason=DeclineReason.NO_CAPACITY)
        ),
        ReferralUpdate(
            **_header(33, MBMID, CONAMIGUA, records=(_PERSON,)),
            body=ReferralUpdateBody(offer=offer, progress=ReferralProgress.RECORDS_SENT),
        ),
        ReferralDone(
            **_header(34, CONAMIGUA, MBMID),
            body=ReferralDoneBody(offer=offer, outcome=ReferralOutcome.DONE, finished_at=NOON + 34),
        ),
        ReferralWithdraw(
            **_header(35, MBMID, CONAMIGUA),
            body=ReferralWithdrawBody(offer=offer, reason=WithdrawReason.NO_LONGER_NEEDED),
        ),
    ]


def _cases() -> list[CaseMessage]:
    return [
        CaseStatus(**_header(40, MBMID, CONAMIGUA), body=CaseStatusBody(state=CaseState.SEARCHING, sequence=0)),
        Note(
            **_header(41, MBMID, MINEX),
            body=NoteBody(text="Favor de llamar a la oficina.\nAsunto: K'iche' o español.", language="es-GT"),
        ),
        FamilyMessage(
            **_header(42, MINEX, MBMID),
            body=FamilyMessageBody(to="family", officer=ActorPseudonym("a:enlace-7"), sealed=b64u_encode(bytes(range(200)))),
        ),
        BulkManifest(
            **_header(43, MINEX, MBMID, att=(_PICTURE.model_copy(update={"media_type": "text/csv"}),)),
            body=BulkManifestBody(
                file=bytes32(9),
                format="csv",
                rows=876,
                record_type=Code("missing-person"),
                columns=(
                    ManifestColumn(name="Primer apellido", field=Code("surname_1")),
                    ManifestColumn(name="Observaciones"),
                ),
                classification="S4",
                signatory=ActorPseudonym("a:Zmlyc3Q"),
                delete_by=NOON + 60 * DAY,
            ),
        ),
        ConsentChange(
            **_header(44, MBMID, MINEX),
            body=ConsentChangeBody(
                act=ConsentAct.WITHDRAWN,
                scopes=_codes("public-bulletin"),
                records=(_record_id(901),),
                effective_at=NOON,
            ),
        ),
        ErasureOrder(
            **_header(45, MBMID, MINEX, deadline=NOON + 3 * DAY),
            body=ErasureOrderBody(records=(_record_id(901), _record_id(902)), reason=ErasureReason.CONSENT),
        ),
        ErasureReceipt(
            **_header(46, MINEX, MBMID, in_reply_to=message_id(45)),
            body=ErasureReceiptBody(
                records=(_record_id(901),),
                erased_at=NOON + DAY,
                stores=_codes("database", "search-index"),
                backups_expire=NOON + 31 * DAY,
                downstream=(DownstreamReceipt(node=RENAP, receipt=_jws({"type": "erasure.receipt"})),),
                refused=(RefusedErasure(item=_record_id(902), basis=Code("gt:archive-duty")),),
            ),
        ),
    ]


def _window() -> CaseWindow:
    return CaseWindow(
        folio=Folio("MBMID-2026-000123"),
        complaint="PDH-2026-77",
        result="opened",
        steps=(
            WindowStep(
                asker=MBMID,
                asked=MINEX,
                kind=Code("search.request"),
                opened_at=NOON,
                due_at=NOON + 3 * DAY,
                answered_at=NOON + 4 * DAY,
                overdue=True,
                state=Code("closed"),
                outcome=Code("answered"),
                leaf=bytes32(3),
            ),
        ),
        copies=(
            WindowCopy(
                recipient=MINEX,
                record_type=Code("missing-person"),
                fields=(DisclosedField(field=Code("sex"), form=Code("exact"), rule=Code("search-01")),),
                sent_at=NOON,
                purpose=Code("locate-missing"),
                basis=Code("consent"),
                recall=Code("held"),
                retain_until=NOON + 180 * DAY,
            ),
        ),
    )


def _administration() -> list[CaseMessage]:
    proof = "c2sp.org/tlog-proof@v1\nindex 0\n\nexample.invalid/log\n1\n" + "A" * 43 + "=\n\n\u2014 example.invalid/log AAAA\n"
    return [
        AuditRequest(
            **_header(50, PDH, MBMID),
            body=AuditRequestBody(leaves=(bytes32(1), bytes32(2)), fields=("ts", "ev", "outcome"), complaint="PDH-2026-77"),
        ),
        AuditResponse(
            **_header(51, MBMID, PDH, in_reply_to=message_id(50)),
            body=AuditResponseBody(proofs=(LeafProof(leaf=bytes32(1), proof=proof),), missing=(bytes32(2),), window=_window()),
        ),
        NodeSuspendSelf(
            **_header(52, MINEX, MBMID), body=NodeSuspendSelfBody(statement=_jws({"iss": "gt.minex", "reason": "stolen"}))
        ),
        NodeLeave(
            **_header(53, RENAP, MBMID), body=NodeLeaveBody(effective_at=NOON + 90 * DAY, reason=Code("agreement-ended"))
        ),
        RegisterMetadata(
            **_header(54, PDH, MBMID),
            body=RegisterMetadataBody(
                role="suspensions", number=3, metadata=b64u_encode(b'{"signatures":[]}'), target=b64u_encode(b"{}")
            ),
        ),
        Ping(**_header(55, MINEX, MBMID), body=PingBody(probe="enrolment")),
        NodeRestored(
            **_header(56, MINEX, MBMID),
            body=NodeRestoredBody(
                restored_at=NOON,
                since=NOON - DAY,
                log="gt.minex/paradero-log/restored-20261130T120000Z-00c0ffee",
                previous=LogHead(origin="gt.minex/paradero-log", size=1234, root=bytes32(6)),
            ),
        ),
        NodeReturned(
            **_header(57, MBMID, MINEX, in_reply_to=message_id(56)),
            body=NodeReturnedBody(
                part=1,
                parts=1,
                messages=(ReturnedMessage(message=_jws({"iss": "gt.minex"}), receipt=_jws({"iss": "gt.igm.mbmid"})),),
                omitted=(message_id(58),),
                lost=(message_id(59),),
            ),
        ),
    ]


def messages() -> dict[str, CaseMessage]:
    """Return one example per message type, by type."""
    return {
        message.type: message for family in (_reports, _searches, _referrals, _cases, _administration) for message in family()
    }
