"""Noting in a node's own database that one of its backups was verified: what `doctor` and the page about backups tell."""

from datetime import datetime
from pathlib import Path

from contracts.errors import ExchangeError
from contracts.leaves import LeafEvent, LeafFields
from gateway.config import NodeConfig
from gateway.main.backup import Verified
from gateway.main.node import Leaves
from gateway.storage.backups import BackupCheck, record_check
from gateway.storage.engine import create_engine
from gateway.storage.revisions import Schema
from gateway.storage.selfcheck import check_database, refuse_unsafe

_FILE = "sqlite+aiosqlite:///"


async def note_check(found: Verified, config: NodeConfig, now: datetime) -> bool:
    """Note in the node's own database that a backup of it was verified; False where that cannot be: the check holds anyway.

    What was only looked at from outside is noted as that. Nothing is noted of a file nobody's key vouched for.
    """
    header = found.outer.header
    if header.node != config.node or not found.outer.signed:
        return False
    if not _is_there(config.main_database):  # opening it would make an empty one, in the way of the restore to come
        return False
    opened = found.contents is not None
    fields = LeafFields(
        at=int(now.timestamp()),
        event=LeafEvent.KEY,
        outcome="opened" if opened else "whole",
        detail=f"backup.verified {header.kind} id={header.backup_id}",
    )
    engine = create_engine(config.main_database)
    try:
        refuse_unsafe(await check_database(engine, Schema.MAIN))
        leaf = Leaves().leaf(fields)
        await record_check(engine, BackupCheck(header.backup_id, header.kind, opened, now), leaf)
    except ExchangeError:
        return False
    finally:
        await engine.dispose()
    return True


def _is_there(url: str) -> bool:
    return not url.startswith(_FILE) or Path(url.removeprefix(_FILE)).is_file()
