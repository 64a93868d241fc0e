"""What was said of candidates. Implemented by gateway.storage; inside the unit of work's transaction. Opaque ids only."""

from datetime import datetime
from typing import Protocol

from contracts.ids import ActorPseudonym, MessageId
from gateway.exchange.case_ports import ExchangeKey


class CandidateVerdicts(Protocol):
    """Key: the question, and the exchange that brought the record."""

    async def say(self, request_id: MessageId, key: ExchangeKey, verdict: str, actor: ActorPseudonym, *, now: datetime) -> None:
        """Note what somebody said; what is said later stands in its place."""
        ...
