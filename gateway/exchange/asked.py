"""A question that came, opened, for a person who may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.codec import decode_message
from contracts.errors import NotPermittedError
from contracts.ids import MessageId
from contracts.messages import DisclosureRequest, IdentityCheck, SearchRequest
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.presented import type_of

QUESTIONS = ("search.request", "disclosure.request", "identity.check")


class NoSuchRequestError(NotPermittedError):
    """No question of that id came, or it was answered already."""

    advice = "Véase `paradero request list`."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that came: opened, for a person who may see it."""

    message: SearchRequest | DisclosureRequest | IdentityCheck
    received_at: datetime
    open: bool

    @property
    def asked_at(self) -> int:
        """When it reached us, Unix seconds: the grid of the answer's slots begins here."""
        return int(self.received_at.timestamp())


async def request_of(request_id: MessageId, node: Capabilities) -> Asked:
    """Return a question that came, opened.

    Raises:
        NoSuchRequestError: none of that id did.
    """
    async with node.begin() as work:
        found = await work.departures.received_body(request_id, QUESTIONS)
        if found is None:
            raise NoSuchRequestError("no question of that id came")
        key = ExchangeKey(found.sender, request_id)
        entries = await work.exchanges.lock([key], now=node.clock.now())
    kept = await node.bodies.open(found.thread_id, request_id, found.body)
    message = decode_message(kept.payload)
    if not isinstance(message, SearchRequest | DisclosureRequest | IdentityCheck):
        raise NoSuchRequestError("no question")
    entry = entries.get(key)
    return Asked(message, found.received_at, entry is not None and entry.exchange.state == "open")


def candidate_of(asked: Asked, node: Capabilities) -> dict[str, Any]:
    """Return the values of the person who is sought, as the question carries them."""
    found: dict[str, Any] = {}
    for presented in asked.message.records:
        verified = node.opener.verify_record(presented.sd_jwt, sender=asked.message.sender, at=asked.received_at)
        if type_of(presented) != "reporter":
            found.update(verified.claims)
    return found
