"""Which backups were made: the list `status`, `doctor` and `backup list` read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.exchange.ports import StagedLeaf
from gateway.storage.audit import SqlAuditStage
from gateway.storage.rows import from_ms, insert_or_change, to_ms
from gateway.storage.tables import backup_checks, backups, reconciliations
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


@dataclass(frozen=True, slots=True)
class CheckedBackup:
    """A backup file that was made, and when it was last found whole: from outside, and opened, with all that is in it."""

    row: BackupRow
    whole_at: datetime | None
    opened_at: datetime | None


@dataclass(frozen=True, slots=True)
class BackupCheck:
    """That a backup was verified; `opened`: with its recovery key, everything in it."""

    backup_id: str
    kind: str
    opened: bool
    checked_at: datetime


async def record_check(engine: AsyncEngine, check: BackupCheck, leaf: StagedLeaf) -> None:
    """Note that a backup was verified and stage the leaf of it, in one transaction."""
    with typed_errors():
        async with engine.begin() as connection:
            key = {"backup_id": check.backup_id, "kind": check.kind, "opened": check.opened}
            noted = key | {"checked_ms": to_ms(check.checked_at)}
            await connection.execute(insert_or_change(connection, backup_checks, ("checked_ms",)).values(noted))
            await SqlAuditStage(connection).stage([leaf])


async def checked_backups(engine: AsyncEngine, *, limit: int = 100) -> Sequence[CheckedBackup]:
    """Return the backups that were made, newest first, with when each was last verified."""
    made = await recorded_backups(engine, limit=limit)
    wanted = select(backup_checks).where(backup_checks.c.backup_id.in_([row.backup_id for row in made]))
    with typed_errors():
        async with engine.connect() as connection:
            rows = await connection.execute(wanted)
            at = {(row.backup_id, row.kind, bool(row.opened)): from_ms(row.checked_ms) for row in rows}
    return [
        CheckedBackup(row, at.get((row.backup_id, row.kind, False)), at.get((row.backup_id, row.kind, True))) for row in made
    ]
