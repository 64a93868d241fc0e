"""Which backups were made: the list `status`, `doctor` and `backup list` read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.exchange.ports import StagedLeaf
from gateway.storage.audit import SqlAuditStage
from gateway.storage.rows import from_ms, to_ms
from gateway.storage.tables import backups, reconciliations
from gateway.storage.unit_of_work import typed_errors


@dataclass(frozen=True, slots=True)
class BackupRow:
    """One backup file that was written."""

    backup_id: str
    kind: str
    file: str
    digest: bytes
    size: int
    taken_at: datetime


async def record_backup(engine: AsyncEngine, row: BackupRow, leaf: StagedLeaf) -> None:
    """Note a backup and stage its leaf, in one transaction."""
    values = {
        "backup_id": row.backup_id,
        "kind": row.kind,
        "file": row.file,
        "digest": row.digest,
        "size": row.size,
        "taken_ms": to_ms(row.taken_at),
    }
    with typed_errors():
        async with engine.begin() as connection:
            await connection.execute(backups.insert().values(values))
            await SqlAuditStage(connection).stage([leaf])


async def recorded_backups(engine: AsyncEngine, *, limit: int = 100) -> Sequence[BackupRow]:
    """Return the backups that were made, newest first."""
    statement = select(backups).order_by(backups.c.taken_ms.desc(), backups.c.kind).limit(limit)
    with typed_errors():
        async with engine.connect() as connection:
            rows = await connection.execute(statement)
            return [BackupRow(row.backup_id, row.kind, row.file, row.digest, row.size, from_ms(row.taken_ms)) for row in rows]


async def reconciling(engine: AsyncEngine) -> Sequence[tuple[str, str]]:
    """Return (peer, state) of the last restore; empty when there was none."""
    with typed_errors():
        async with engine.connect() as connection:
            rows = await connection.execute(select(reconciliations).order_by(reconciliations.c.peer))
            return [(row.peer, row.state) for row in rows]
