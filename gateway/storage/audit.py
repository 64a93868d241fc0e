"""Leaves on their way into the log (gateway.exchange.ports.AuditStage)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.exchange.ports import StagedLeaf
from gateway.storage import tables
from gateway.storage.rows import insert_many, to_json


class SqlAuditStage:
    """Stages leaves in the transaction of their effect; `gateway.storage.log` gives them their index."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def stage(self, leaves: Sequence[StagedLeaf]) -> None:
        """Stage leaves in this order."""
        await insert_many(self._connection, tables.leaf_staging, [_row(leaf) for leaf in leaves])


def _row(leaf: StagedLeaf) -> dict[str, object]:
    return {
        "leaf_hash": leaf.leaf_hash,
        "data": leaf.data,
        "disclosures": to_json(leaf.disclosures),
        "event": leaf.event,
        "message_id": leaf.message_id,
        "peer": leaf.peer,
        "subject": leaf.subject,
    }
