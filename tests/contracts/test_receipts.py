"""Receipts (SPEC 5.3): one shape for both outcomes, and no half of one."""

import json
from typing import Any

import pytest

from contracts.codec import decode_model, encode_model
from contracts.errors import MalformedError, ProblemCode, SchemaError, TooLargeError
from contracts.receipts import MAX_RECEIPT_BYTES, Receipt, decode_receipt, encode_receipt
from contracts.vectors import golden

EXAMPLES = golden.receipts()


def claims(name: str) -> dict[str, Any]:
    return json.loads(encode_receipt(EXAMPLES[name]))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_survives_the_wire(name: str) -> None:
    data = encode_receipt(EXAMPLES[name])
    assert decode_receipt(data) == EXAMPLES[name]
    assert encode_receipt(decode_receipt(data)) == data
    assert b"null" not in data


WRONG: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("receipt-accepted", {"status": "rejected"}, ()),
    ("receipt-accepted", {"status": "perhaps"}, ()),
    ("receipt-accepted", {"code": "expired"}, ()),
    ("receipt-accepted", {}, ("log",)),
    ("receipt-accepted", {}, ("aud",)),
    ("receipt-accepted", {}, ("re",)),
    ("receipt-accepted", {}, ("iss",)),
    ("receipt-accepted", {}, ("jti",)),
    ("receipt-accepted", {}, ("dig",)),
    ("receipt-accepted", {}, ("trust",)),
    ("receipt-accepted", {"dig": {"alg": "sha-256", "val": "A" * 43, "of": "envelope"}}, ()),
    ("receipt-accepted", {"dig": {"alg": "sha-1", "val": "A" * 43, "of": "message"}}, ()),
    ("receipt-accepted", {"dig": {"alg": "sha-256", "val": "A" * 42, "of": "message"}}, ()),
    ("receipt-accepted", {"dig": {"alg": "sha-256", "val": "A" * 43}}, ()),
    ("receipt-accepted", {"trust": True}, ()),
    ("receipt-accepted", {"iat": "1795953660"}, ()),
    ("receipt-accepted", {"extra": 1}, ()),
    ("receipt-accepted", {"code": None}, ()),
    ("receipt-accepted", {"log": {"origin": "a b", "leaf": "A" * 43}}, ()),
    ("receipt-rejected", {"status": "accepted"}, ()),
    ("receipt-rejected", {}, ("code",)),
    ("receipt-rejected", {"code": "because"}, ()),
    ("receipt-rejected", {"log": {"origin": "a", "leaf": "A" * 43}}, ()),
]


@pytest.mark.parametrize(("name", "change", "dropped"), WRONG)
def test_half_receipts_are_refused(name: str, change: dict[str, Any], dropped: tuple[str, ...]) -> None:
    changed = {key: value for key, value in (claims(name) | change).items() if key not in dropped}
    with pytest.raises(SchemaError):
        decode_receipt(json.dumps(changed).encode())


@pytest.mark.parametrize("code", ProblemCode)
def test_every_code_can_be_signed(code: ProblemCode) -> None:
    receipt = EXAMPLES["receipt-rejected"].model_copy(update={"code": code})
    assert decode_receipt(encode_receipt(receipt)).code is code


def test_bad_bytes() -> None:
    with pytest.raises(MalformedError):
        decode_receipt(b"[]")
    with pytest.raises(TooLargeError):
        decode_receipt(b" " * MAX_RECEIPT_BYTES + b"{}")
    with pytest.raises(SchemaError):
        decode_receipt(b"{}")
    assert decode_model(Receipt, encode_model(EXAMPLES["receipt-accepted"])) == EXAMPLES["receipt-accepted"]
