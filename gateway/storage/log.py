"""The audit log's tables: one sequencer gives staged leaves their index; checkpoints; proofs (SPEC 7.2)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.errors import StorageError
from contracts.leaves import LeafEvent
from gateway.storage.rows import from_json, insert_many, insert_new, to_ms
from gateway.storage.tables import checkpoints, cosignatures, leaf_staging, leaves, log_epochs, log_head, tree_nodes
from gateway.storage.unit_of_work import typed_errors
from keys.notes import proof_text
from keys.tiles import Tile, exists
from keys.tree import NodeAt, append, asked_of, inclusion_proof, right_edge, root

AT_ONCE = 500
FIRST_EPOCH = 1


@dataclass(frozen=True, slots=True)
class LoggedLeaf:
    """A leaf with its index, what opens it, and what it is looked up by."""

    index: int
    leaf_hash: bytes
    data: bytes
    disclosures: tuple[str, ...]
    event: str
    message_id: str | None
    peer: str | None
    epoch: int = FIRST_EPOCH
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The newest checkpoint."""

    size: int
    root: bytes
    note: str
    signed_ms: int
    epoch: int = FIRST_EPOCH


@dataclass(frozen=True, slots=True)
class Epoch:
    """One log of this node: a restore ends one and opens the next. `origin` is None for the first, which `init` began."""

    number: int
    size: int
    origin: str | None


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What a full check found. `first_bad` is the index of the first entry that does not agree, in the log `origin`.

    `after` is the time of the last entry before it that does, `at` the one the bad entry itself gives where it still opens:
    Unix seconds.
    """

    ok: bool
    size: int
    checkpoints: int
    problem: str = ""
    first_bad: int | None = None
    origin: str | None = None
    at: int | None = None
    after: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


class SqlLog:
    """One node's log over one database. Several processes may run it; only one extends the tree at a time.

    What names no epoch is about the newest: after a restore the log before it is read and never extended.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def epochs(self) -> Sequence[Epoch]:
        """Return this node's logs, oldest first; none before anything was sequenced.

        Raises:
            StorageError: the database refused.
        """
        statement = select(log_head, log_epochs.c.origin).outerjoin(log_epochs, log_epochs.c.epoch == log_head.c.id)
        with typed_errors():
            async with self._engine.connect() as connection:
                rows = await connection.execute(statement.order_by(log_head.c.id))
                return [Epoch(row.id, row.size, row.origin) for row in rows]

    async def sequence(self, *, limit: int = AT_ONCE) -> int:
        """Move staged leaves into the tree, in the order they were staged; return how many."""
        with typed_errors():
            async with self._engine.begin() as connection:
                epoch, size = await _locked_head(connection)
                staged = (await connection.execute(_STAGED, {"b_limit": limit})).all()
                if not staged:
                    return 0
                edge = await load_nodes(connection, epoch, right_edge(size))
                nodes = append(size, [row.leaf_hash for row in staged], edge)
                await _extend(connection, epoch, size, staged, nodes)
                return len(staged)

    async def size(self, epoch: int | None = None) -> int:
        """Return how many leaves have an index."""
        async with self._engine.connect() as connection:
            number = await _epoch(connection) if epoch is None else epoch
            statement = select(func.coalesce(func.max(log_head.c.size), 0)).where(log_head.c.id == number)
            return int((await connection.execute(statement)).scalar_one())

    async def root(self, size: int, epoch: int | None = None) -> bytes:
        """Return the root over the first `size` leaves."""
        async with self._engine.connect() as connection:
            number = await _epoch(connection) if epoch is None else epoch
            node_at = await load_nodes(connection, number, asked_of(lambda at: root(size, at)))
            return root(size, node_at)

    async def head(self, epoch: int | None = None) -> SignedHead | None:
        """Return the newest checkpoint."""
        async with self._engine.connect() as connection:
            return await _head(connection, await _epoch(connection) if epoch is None else epoch)

    async def store_checkpoint(
        self, size: int, root_hash: bytes, note: str, *, now: datetime, epoch: int | None = None
    ) -> None:
        """Store a signed checkpoint; a later signature over the same root replaces the note.

        Raises:
            StorageError: another root was signed for this size. The log would fork: nothing is stored.
        """
        with typed_errors():
            async with self._engine.begin() as connection:
                number = await _epoch(connection) if epoch is None else epoch
                row = {"epoch": number, "size": size, "root": root_hash, "note": note, "signed_ms": to_ms(now)}
                await connection.execute(insert_new(connection, checkpoints).values(row))
                same = (checkpoints.c.epoch == number) & (checkpoints.c.size == size) & (checkpoints.c.root == root_hash)
                changed = await connection.execute(update(checkpoints).where(same).values(note=note, signed_ms=to_ms(now)))
                if changed.rowcount != 1:
                    raise StorageError("a checkpoint with another root exists for this size")

    async def add_cosignature(self, size: int, witness: str, line: str) -> None:
        """Store a witness's verified signature line of a checkpoint."""
        with typed_errors():
            async with self._engine.begin() as connection:
                row = {"epoch": await _epoch(connection), "size": size, "witness": witness, "line": line}
                await connection.execute(insert_new(connection, cosignatures).values(row))

    async def inclusion(self, leaf_hash: bytes) -> str | None:
        """Return the tlog-proof of a leaf under the newest checkpoint of its log, or None when it is in none yet."""
        async with self._engine.connect() as connection:
            statement = select(leaves.c.epoch, leaves.c.leaf_index).where(leaves.c.leaf_hash == leaf_hash)
            for row in await connection.execute(statement.order_by(leaves.c.epoch.desc(), leaves.c.leaf_index)):
                head = await _head(connection, row.epoch)
                if head is not None and row.leaf_index < head.size:
                    return await _proof(connection, row.epoch, row.leaf_index, head)
        return None

    async def leaves_of(self, message_id: str) -> Sequence[LoggedLeaf]:
        """Return the leaves about one message, oldest first."""
        statement = select(leaves).where(leaves.c.message_id == message_id).order_by(leaves.c.epoch, leaves.c.leaf_index)
        async with self._engine.connect() as connection:
            return [logged(row) for row in await connection.execute(statement)]

    async def acts_about(self, subjects: Collection[str], *, limit: int) -> Sequence[LoggedLeaf]:
        """Return what people here did about these cases and messages, newest first; what has no place yet has 0 for one."""
        wanted, admin = list(subjects), LeafEvent.ADMIN.value
        staged = select(leaf_staging).where(leaf_staging.c.subject.in_(wanted), leaf_staging.c.event == admin)
        placed = select(leaves).where(leaves.c.subject.in_(wanted), leaves.c.event == admin)
        newest = placed.order_by(leaves.c.epoch.desc(), leaves.c.leaf_index.desc()).limit(limit)
        async with self._engine.connect() as connection:
            # The staged ones first: one that gets its place meanwhile is then seen twice at most, and never missed.
            waiting = (await connection.execute(staged.order_by(leaf_staging.c.id.desc()).limit(limit))).all()
            found = [logged(row) for row in await connection.execute(newest)]
        there = {leaf.leaf_hash for leaf in found}
        return [*(_waiting(row) for row in waiting if row.leaf_hash not in there), *found]

    async def tile(self, tile: Tile) -> bytes | None:
        """Return a hash tile, or None when the signed tree has no such tile."""
        head = await self.head()
        if head is None or not exists(tile, head.size):
            return None
        wanted = [(tile.node_level, tile.first + offset) for offset in range(tile.width)]
        async with self._engine.connect() as connection:
            node_at = await load_nodes(connection, head.epoch, wanted)
        return b"".join(node_at(level, index) for level, index in wanted)

    async def scan(self, start: int, count: int, epoch: int = FIRST_EPOCH) -> Sequence[LoggedLeaf]:
        """Return leaves from `start` on: what a full check of the log reads."""
        here = (leaves.c.epoch == epoch) & (leaves.c.leaf_index >= start)
        statement = select(leaves).where(here).order_by(leaves.c.leaf_index).limit(count)
        async with self._engine.connect() as connection:
            return [logged(row) for row in await connection.execute(statement)]

    async def nodes(self, level: int, first: int, count: int, epoch: int = FIRST_EPOCH) -> Sequence[bytes]:
        """Return stored nodes of one level of one tree, in order, from an index on: what tiles and proofs are made of."""
        here = (tree_nodes.c.epoch == epoch) & (tree_nodes.c.level == level)
        part = tree_nodes.c.node_index.between(first, first + count - 1)
        statement = select(tree_nodes.c.hash).where(here, part).order_by(tree_nodes.c.node_index)
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalars().all()

    async def entry(self, epoch: int, index: int) -> LoggedLeaf | None:
        """Return one leaf by its place."""
        here = (leaves.c.epoch == epoch) & (leaves.c.leaf_index == index)
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(leaves).where(here))).first()
            return None if row is None else logged(row)

    async def tamper(self) -> int:
        """Rewrite the middle entry so that it names another peer, hash included, as an insider would; the demo's villain."""
        async with self._engine.begin() as connection:
            first = leaves.c.epoch == FIRST_EPOCH
            index = int((await connection.execute(select(func.count()).select_from(leaves).where(first))).scalar_one()) // 2
            row = (await connection.execute(select(leaves).where(first, leaves.c.leaf_index == index))).one()
            forged = row.data.replace(b'"v":1', b'"v":1 ')
            change = update(leaves).where(first, leaves.c.leaf_index == index)
            await connection.execute(change.values(data=forged, disclosures="[]", event=row.event))
            return index

    async def all_checkpoints(self, epoch: int = FIRST_EPOCH) -> Sequence[SignedHead]:
        """Return every checkpoint of one log, smallest first."""
        statement = select(checkpoints).where(checkpoints.c.epoch == epoch).order_by(checkpoints.c.size)
        async with self._engine.connect() as connection:
            return [_signed(row) for row in await connection.execute(statement)]


async def _epoch(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.coalesce(func.max(log_head.c.id), FIRST_EPOCH)))).scalar_one())


async def _locked_head(connection: AsyncConnection) -> tuple[int, int]:
    # On PostgreSQL the row lock makes a second sequencer wait; SQLite's transaction is exclusive already.
    head = (await connection.execute(_NEWEST)).one_or_none()
    if head is None:
        await connection.execute(insert_new(connection, log_head).values(id=FIRST_EPOCH, size=0))
        head = (await connection.execute(_NEWEST)).one()
    return head.id, head.size


async def _head(connection: AsyncConnection, epoch: int) -> SignedHead | None:
    statement = select(checkpoints).where(checkpoints.c.epoch == epoch).order_by(checkpoints.c.size.desc()).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _signed(row)


def _signed(row: Any) -> SignedHead:
    return SignedHead(row.size, row.root, row.note, row.signed_ms, row.epoch)


async def _proof(connection: AsyncConnection, epoch: int, index: int, head: SignedHead) -> str:
    node_at = await load_nodes(connection, epoch, asked_of(lambda at: inclusion_proof(index, head.size, at)))
    return proof_text(index, inclusion_proof(index, head.size, node_at), head.note)


async def _extend(
    connection: AsyncConnection, epoch: int, size: int, staged: Sequence[Any], nodes: Sequence[tuple[int, int, bytes]]
) -> None:
    rows = [
        {
            "epoch": epoch,
            "leaf_index": index,
            "leaf_hash": row.leaf_hash,
            "data": row.data,
            "disclosures": row.disclosures,
            "event": row.event,
            "message_id": row.message_id,
            "peer": row.peer,
            "subject": row.subject,
        }
        for index, row in enumerate(staged, start=size)
    ]
    await insert_many(connection, leaves, rows)
    inner = [{"epoch": epoch, "level": level, "node_index": index, "hash": value} for level, index, value in nodes]
    await insert_many(connection, tree_nodes, inner)
    await connection.execute(_UNSTAGE, {"ids": [row.id for row in staged]})
    moved = await connection.execute(_GROW, {"b_epoch": epoch, "b_size": size, "b_grown": size + len(staged)})
    if moved.rowcount != 1:
        raise StorageError("another sequencer extended the tree")


_NEWEST = select(log_head).order_by(log_head.c.id.desc()).limit(1).with_for_update()
_STAGED = select(leaf_staging).order_by(leaf_staging.c.id).limit(bindparam("b_limit", type_=Integer))
_UNSTAGE = delete(leaf_staging).where(leaf_staging.c.id.in_(bindparam("ids", expanding=True)))
_GROW = (
    update(log_head)
    .where(log_head.c.id == bindparam("b_epoch"), log_head.c.size == bindparam("b_size"))
    .values(size=bindparam("b_grown"))
)
_NODES = select(tree_nodes).where(
    tree_nodes.c.epoch == bindparam("b_epoch"),
    tree_nodes.c.level.in_(bindparam("levels", expanding=True)),
    tree_nodes.c.node_index.in_(bindparam("indexes", expanding=True)),
)


async def load_nodes(connection: AsyncConnection, epoch: int, wanted: Sequence[tuple[int, int]]) -> NodeAt:
    """Return the stored nodes of one log's tree that `asked_of` named."""
    found: dict[tuple[int, int], bytes] = {}
    for start in range(0, len(wanted), AT_ONCE):
        part = wanted[start : start + AT_ONCE]
        # Not as pairs: SQLite finds several of those only by reading through the whole tree. What comes besides is left.
        asked = {"levels": sorted({level for level, _ in part}), "indexes": sorted({index for _, index in part})}
        rows = await connection.execute(_NODES, asked | {"b_epoch": epoch})
        found |= {(row.level, row.node_index): row.hash for row in rows}
    return _lookup(found)


def _lookup(found: dict[tuple[int, int], bytes]) -> Callable[[int, int], bytes]:
    def node_at(level: int, index: int) -> bytes:
        try:
            return found[level, index]
        except KeyError:
            raise StorageError("a node of the tree is missing") from None

    return node_at


def _waiting(row: Any) -> LoggedLeaf:
    disclosures = tuple(from_json(row.disclosures))
    return LoggedLeaf(0, row.leaf_hash, row.data, disclosures, row.event, row.message_id, row.peer, 0, row.subject)


def logged(row: Any) -> LoggedLeaf:
    """Return a row of the log.

    Raises:
        StorageError: what opens it cannot be read.
    """
    try:
        disclosures = tuple(from_json(row.disclosures))
    except (ValueError, TypeError):
        raise StorageError("a leaf's disclosures cannot be read") from None
    found_by = (row.event, row.message_id, row.peer, row.epoch, row.subject)
    data = row.data if isinstance(row.data, bytes) else str(row.data).encode()  # whoever edits SQLite by hand leaves text
    return LoggedLeaf(row.leaf_index, row.leaf_hash, data, disclosures, *found_by)
