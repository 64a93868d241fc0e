"""What was said of candidates (gateway.exchange.candidate_ports)."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import ActorPseudonym, MessageId
from gateway.exchange.case_ports import ExchangeKey
from gateway.storage.case_tables import candidate_verdicts
from gateway.storage.rows import insert_or_change, to_ms


class SqlCandidateVerdicts:
    """The verdicts of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def say(self, request_id: MessageId, key: ExchangeKey, verdict: str, actor: ActorPseudonym, *, now: datetime) -> None:
        """Note what somebody said; what is said later stands in its place."""
        row = {"request_id": request_id, "opener": key.opener, "opening_id": key.opening, "verdict": str(verdict)}
        changed = insert_or_change(self._connection, candidate_verdicts, ("verdict", "actor", "said_ms"))
        await self._connection.execute(changed.values(row | {"actor": actor, "said_ms": to_ms(now)}))
