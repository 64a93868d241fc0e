"""The examples of contracts.vectors as tests want them: on the wire, to be changed."""

import json
from typing import Any

from contracts.codec import decode_message, encode_message
from contracts.messages import MESSAGE_TYPES, CaseMessage
from contracts.vectors import examples

NAMES = sorted(MESSAGE_TYPES)
EXAMPLES = examples.messages()


def claims(name: str) -> dict[str, Any]:
    """The example of a type as it is on the wire."""
    return json.loads(encode_message(EXAMPLES[name]))


def decode(changed: dict[str, Any]) -> CaseMessage:
    return decode_message(json.dumps(changed).encode())
