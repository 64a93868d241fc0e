"""What a record says of itself unopened: its id and its type. Its signature was made here, or verified at the door."""

from collections.abc import Mapping
from typing import Any

from contracts.codec import b64u_decode, parse_object
from contracts.ids import RecordId
from contracts.messages import PresentedRecord


def record_id_of(record: PresentedRecord) -> RecordId:
    """Return the id under which it was issued."""
    return RecordId(_signed(record)["jti"])


def type_of(record: PresentedRecord) -> str:
    """Return the type it was issued as."""
    return str(_signed(record)["vct"]).split(":")[3]


def _signed(record: PresentedRecord) -> Mapping[str, Any]:
    return parse_object(b64u_decode(record.sd_jwt.partition("~")[0].split(".")[1]))
