"""The files beside this module: what each must contain, byte for byte (`tests/contracts/make_vectors.py` writes them)."""

import json
from typing import Any

from contracts.codec import encode_message, encode_model, pad_payload
from contracts.errors import ProblemCode
from contracts.receipts import LogPromise, Receipt, ReceiptDigest
from contracts.schemas import json_schemas
from contracts.vectors.examples import CONAMIGUA, MBMID, NOON, bytes32, message_id, messages

PADDED_LENGTH = 1024
"""Bytes of the padded example."""


def receipts() -> dict[str, Receipt]:
    """Return a receipt that accepts, one that rejects, and one for an envelope that did not open."""
    shared: dict[str, Any] = {"iss": MBMID, "iat": NOON + 60, "trust": 12}
    digest = ReceiptDigest(val=bytes32(3), of="message")
    return {
        "receipt-accepted": Receipt(
            **shared,
            aud=CONAMIGUA,
            jti=message_id(60),
            re=message_id(10),
            dig=digest,
            status="accepted",
            log=LogPromise(origin="mbmid.example.invalid/log", leaf=bytes32(4)),
        ),
        "receipt-rejected": Receipt(
            **shared,
            aud=CONAMIGUA,
            jti=message_id(61),
            re=message_id(10),
            dig=digest,
            status="rejected",
            code=ProblemCode.OVER_DISCLOSURE,
        ),
        "receipt-unopened": Receipt(
            **shared,
            jti=message_id(62),
            dig=ReceiptDigest(val=bytes32(5), of="envelope"),
            status="rejected",
            code=ProblemCode.ENVELOPE,
        ),
    }


def golden_files() -> dict[str, bytes]:
    """Return the exact content of every file beside this module that is not code, by its path from here."""
    files = {f"{name}.json": encode_message(message) for name, message in messages().items()}
    files |= {f"{name}.json": encode_model(receipt) for name, receipt in receipts().items()}
    files["ping-padded.json"] = pad_payload(files["ping.json"], PADDED_LENGTH)
    for name, schema in json_schemas().items():
        text = json.dumps(schema, ensure_ascii=False, indent=1, sort_keys=True)
        files[f"schemas/{name}.json"] = f"{text}\n".encode()
    return files
