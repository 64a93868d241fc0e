"""Rules of single types and of validity (SPEC 5.1, 5.2): what each message may carry, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from contracts.codec import decode_message, encode_message
from contracts.errors import ExpiredError, NotYetValidError, SchemaError
from contracts.messages import (
    CLOCK_SKEW,
    CaseState,
    CaseStatus,
    CaseStatusBody,
    DisclosureGrant,
    DisclosureGrantBody,
    DisclosureResult,
    ErasureReceiptBody,
    ReferralOffer,
    SearchResponse,
    SearchResponseBody,
    SearchResult,
    check_validity,
)
from contracts.services import SERVICES
from contracts.vectors import examples
from tests.contracts.samples import EXAMPLES, NAMES, claims, decode

MONTH = 30 * 86_400
WEEK = 7 * 86_400


CARRIES_RECORDS = {
    "bulletin", "correction", "disclosure.grant", "duty.notice", "finding.notice", "identity.check", "referral.done",
    "referral.update", "report.transfer", "search.request", "search.response",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_only_named_types_carry_records(name: str) -> None:
    carrier = claims("report.transfer")["records"]
    changed = claims(name) | {"records": carrier}
    if name == "search.response":
        changed["body"]["result"] = "match"
    if name in CARRIES_RECORDS:
        assert decode(changed).records
    else:
        with pytest.raises(SchemaError, match="records: too_long"):
            decode(changed)


def test_an_offer_names_nobody() -> None:
    offer = claims("referral.offer")
    for change in ({"records": claims("report.transfer")["records"]}, {"att": claims("bulletin")["att"]}):
        with pytest.raises(SchemaError):
            decode(offer | change)
    # The body has words of catalogues only: nothing in it can hold a name, a place finer than a department or a text.
    assert set(ReferralOffer.model_fields["body"].annotation.model_fields) == {  # type: ignore[union-attr]
        "service", "urgency", "minor", "language", "department",
    }  # fmt: skip


def test_at_most_eight_records() -> None:
    carrier = claims("report.transfer")["records"]
    assert len(decode(claims("report.transfer") | {"records": carrier * 8}).records) == 8
    with pytest.raises(SchemaError):
        decode(claims("report.transfer") | {"records": carrier * 9})


def test_a_record_comes_only_with_a_match() -> None:
    values = EXAMPLES["search.response"].model_dump(exclude={"body", "records"}, by_alias=False)
    records = EXAMPLES["report.transfer"].records
    for result in SearchResult:
        basis = "law" if result is SearchResult.CANNOT_ANSWER else None
        body = SearchResponseBody.model_validate({"result": result, "searched_at": examples.NOON, "basis": basis})
        if result in {SearchResult.MATCH, SearchResult.POSSIBLE}:
            assert SearchResponse(**values, records=records, body=body).records == records
        else:
            with pytest.raises(ValidationError, match="records_without_match"):
                SearchResponse(**values, records=records, body=body)


def test_a_grant_grants_and_a_refusal_says_why() -> None:
    values = EXAMPLES["disclosure.grant"].model_dump(exclude={"body", "records"}, by_alias=False)
    records = EXAMPLES["report.transfer"].records
    granted = DisclosureGrantBody(result=DisclosureResult.GRANTED)
    refused = DisclosureGrantBody.model_validate({"result": "refused", "basis": "law"})
    assert DisclosureGrant(**values, body=refused).records == ()
    for wrong_records, wrong_body in (((), granted), (records, refused)):
        with pytest.raises(ValidationError, match="grant_and_records"):
            DisclosureGrant(**values, records=wrong_records, body=wrong_body)
    with pytest.raises(ValidationError, match="basis_of_refusal"):
        DisclosureGrantBody(result=DisclosureResult.REFUSED)


def test_closings_look_alike() -> None:
    fields = set(CaseStatusBody.model_fields)
    assert fields == {"state", "sequence", "located"}
    closed = CaseStatusBody(state=CaseState.CLOSED, sequence=7)
    assert closed.model_dump(exclude_none=True) == {"state": "closed", "seq": 7}


def test_not_handled_here_names_the_message() -> None:
    values = EXAMPLES["case.status"].model_dump(exclude={"body", "in_reply_to"}, by_alias=False)
    message = CaseStatus(**values, in_reply_to=examples.message_id(5), body=CaseStatusBody(state=CaseState.NOT_HANDLED_HERE))
    assert decode_message(encode_message(message)) == message


def test_an_erasure_receipt_accounts_for_each_copy_once() -> None:
    body = claims("erasure.receipt")["body"]
    for change in (
        {"records": [], "erased_at": None},
        {"refused": [], "records": [], "erased_at": None},
        {"refused": [{"item": body["records"][0], "basis": "law"}]},
        {"refused": body["refused"] * 2},
        {"erased_at": None},
        {"key_stays": [{"item": body["refused"][0]["item"], "because": "shared-thread"}]},  # of what was not erased
        {"key_stays": [{"item": body["records"][0], "because": "shared-thread"}] * 2},
        {"key_stays": [{"item": body["records"][0], "because": "no-reason"}]},
    ):
        changed = {key: value for key, value in (body | change).items() if value is not None}
        ok = change == {"records": [], "erased_at": None}
        if ok:
            assert ErasureReceiptBody.model_validate(changed)
        else:
            with pytest.raises(ValidationError):
                ErasureReceiptBody.model_validate(changed)


def test_every_service_has_labels() -> None:
    for code, label in SERVICES.items():
        assert label.es
        assert label.en
        assert label.es != label.en
        assert code.value == code.value.lower()
    with pytest.raises(TypeError):
        SERVICES["x"] = label  # type: ignore[index]


# -- validity ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_validity_limits(name: str) -> None:
    limit = MONTH if name.startswith(("consent.", "erasure.", "node.re")) or name == "correction" else WEEK
    issued = claims(name)["iat"]
    for life, ok in ((1, True), (limit, True), (limit + 1, False), (0, False), (-1, False)):
        changed = claims(name) | {"exp": issued + life}
        if ok:
            assert decode(changed).expires_at == issued + life
        else:
            with pytest.raises(SchemaError, match="validity_limit"):
                decode(changed)


@pytest.mark.parametrize(
    ("offset", "error"),
    [(-301, NotYetValidError), (-300, None), (0, None), (WEEK, None), (WEEK + 299, None), (WEEK + 300, ExpiredError)],
)
def test_check_validity(offset: int, error: type[Exception] | None) -> None:
    message = EXAMPLES["ping"]
    now = datetime.fromtimestamp(message.issued_at + offset, UTC)
    if error is None:
        check_validity(message, now)
        return
    with pytest.raises(error):
        check_validity(message, now)


def test_check_validity_takes_another_skew_and_refuses_naive_times() -> None:
    message = EXAMPLES["ping"]
    expiry = datetime.fromtimestamp(message.expires_at, UTC)
    assert timedelta(seconds=300) == CLOCK_SKEW
    with pytest.raises(ExpiredError):
        check_validity(message, expiry, skew=timedelta(0))
    with pytest.raises(ValueError, match="zone"):
        check_validity(message, expiry.replace(tzinfo=None))
