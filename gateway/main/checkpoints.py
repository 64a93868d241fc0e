"""What a node signs of its own log: a checkpoint over its durable leaves, under the name the log has."""

from dataclasses import dataclass
from datetime import datetime

from contracts.ids import NodeId
from gateway.config import NodeConfig
from gateway.storage.log import Epoch, SqlLog
from keys.model import NodeKeys
from keys.notes import log_origin, sign_checkpoint


@dataclass(slots=True)
class Checkpointer:
    """Signs a checkpoint over durable leaves: soon after a new one, and as a heartbeat when there is none."""

    log: SqlLog
    keys: NodeKeys
    config: NodeConfig
    _signed: float | None = None
    """When the newest checkpoint was signed, Unix seconds: soon after it none is due, whatever there is."""

    async def turn(self, now: datetime) -> bool:
        """Sign when one is due; True when one was signed."""
        if self._signed is not None and 0 <= now.timestamp() - self._signed < self.config.workers.checkpoint_seconds:
            return False
        epochs = await self.log.epochs()
        for ended in epochs[:-1]:
            await self._close(ended, now)
        if not epochs or epochs[-1].size == 0:
            return False
        epoch, head = epochs[-1], await self.log.head()
        age = float("inf") if head is None else now.timestamp() - head.signed_ms / 1000
        grown = head is None or epoch.size > head.size
        due = self.config.workers.checkpoint_seconds if grown else self.config.workers.heartbeat_seconds
        if head is not None and 0 <= age < due:
            self._signed = head.signed_ms / 1000
            return False
        await self._sign(epoch, now)
        return True

    async def _close(self, ended: Epoch, now: datetime) -> None:
        """Sign the last of a log that a restore ended, once. Its leaves were durable before the backup: no fork."""
        head = await self.log.head(ended.number)
        if ended.size and (head is None or head.size < ended.size):
            await self._sign(ended, now)

    async def _sign(self, epoch: Epoch, now: datetime) -> None:
        origin, root = epoch.origin or log_origin(self.config.node), await self.log.root(epoch.size, epoch.number)
        note = sign_checkpoint(origin, epoch.size, root, self.keys.log)
        await self.log.store_checkpoint(epoch.size, root, note, now=now, epoch=epoch.number)


async def current_origin(log: SqlLog, node: NodeId) -> str:
    """Return the name of the log the node writes: of its first one, or of the one the last restore opened."""
    epochs = await log.epochs()
    return (epochs[-1].origin if epochs else None) or log_origin(node)
