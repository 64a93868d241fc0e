"""What people did at a node, read from its log: for who waits until somebody has done something. Pseudonyms, no names."""

from dataclasses import dataclass

from contracts.leaves import LeafEvent
from gateway.config import NodeConfig
from gateway.storage.engine import create_read_engine
from gateway.storage.log import LoggedLeaf, SqlLog
from gateway.storage.unit_of_work import typed_errors
from keys.leaves import open_leaf

_AT_ONCE = 500


@dataclass(slots=True)
class Diary:
    """The log of one node from some entry on. It may run meanwhile."""

    config: NodeConfig
    read: int = 0
    """How many entries were read, or passed over."""

    async def news(self) -> list[str]:
        """Return what was written about people's acts since the last time, oldest first.

        Raises:
            StorageError: the database cannot be read.
        """
        engine = create_read_engine(self.config.main_database)
        found: list[str] = []
        try:
            with typed_errors():
                log = SqlLog(engine)
                while leaves := await log.scan(self.read, _AT_ONCE):
                    self.read += len(leaves)
                    found += [_words(leaf) for leaf in leaves if leaf.event == LeafEvent.ADMIN.value]
        finally:
            await engine.dispose()
        return found


def _words(leaf: LoggedLeaf) -> str:
    opened = open_leaf(leaf.data, leaf.disclosures)
    return " ".join(str(opened[name]) for name in ("outcome", "detail") if opened.get(name))
