"""Signed as a node signs: what somebody outside can measure of a message."""

from contracts.codec import encode_message
from contracts.ids import NodeId
from keys.model import generate_node_keys
from keys.sealing import Sealer

_SEALER = Sealer(generate_node_keys(NodeId("gt.minex")), lambda: None, "gt.minex/paradero-log")


def signed(message) -> tuple[bytes, int]:
    """The bytes of a message, and how long it is once padded and signed."""
    payload = encode_message(message)
    return payload, len(_SEALER.sign_message(payload).jws)
