"""A full check of a node's own log: every entry hashed again, every stored node and signed checkpoint compared (SPEC 7.2)."""

import asyncio
from collections.abc import Sequence

from contracts.errors import ConfigurationError, ExchangeError
from contracts.ids import NodeId
from contracts.leaves import subject_of
from gateway.config import NodeConfig
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.log import Epoch, LogCheck, LoggedLeaf, SignedHead, SqlLog
from gateway.storage.unit_of_work import typed_errors
from keys.keystore import load_node_keys
from keys.leaves import open_leaf
from keys.notes import VerifierKey, log_origin, open_checkpoint, verifier_key
from keys.tree import Node, NodeAt, append, leaf_hash, right_edge, root

_AT_ONCE = 500
_TURN = 25


async def check_log(config: NodeConfig) -> LogCheck:
    """Recompute the whole tree from the entries and compare it with what was stored and signed.

    Raises:
        ConfigurationError: the node's keys cannot be read.
        StorageError: the database cannot.
    """
    key = load_node_keys(config.node_keys, config.key_identity).log.public.raw
    engine = create_read_engine(config.main_database)
    try:
        return await check_stored(SqlLog(engine), config.node, key)
    finally:
        await engine.dispose()


async def check_stored(log: SqlLog, node: NodeId, key: bytes) -> LogCheck:
    """As `check_log`, over what an open log holds; `key` is the node's public log key.

    Raises:
        StorageError: the database cannot be read.
    """
    # A node that runs extends its log meanwhile. Checkpoints are read first, and then how far the log goes: what was signed
    # must be there, and what came later is left for the next check.
    with typed_errors():
        heads = {epoch.number: await log.all_checkpoints(epoch.number) for epoch in await log.epochs()}
        size = checkpoints = 0
        for epoch in await log.epochs():
            walk = _Walk(log, epoch, heads.get(epoch.number, ()), epoch.origin or log_origin(node), key)
            found = await walk.whole()
            size, checkpoints = size + found.size, checkpoints + found.checkpoints
            if not found.ok:
                return found
        return LogCheck(ok=True, size=size, checkpoints=checkpoints)


class _Walk:
    """Goes through one log from its first entry to its last, and never holds more of the tree than its right edge."""

    def __init__(self, log: SqlLog, epoch: Epoch, heads: Sequence[SignedHead], origin: str, key: bytes) -> None:
        self._log, self._epoch, self._heads, self._origin = log, epoch, heads, origin
        self._key = verifier_key(origin, key)
        self._edge: dict[tuple[int, int], bytes] = {}
        self._before: LoggedLeaf | None = None

    async def whole(self) -> LogCheck:
        done, size = 0, self._epoch.size
        while done < size:
            leaves = await self._log.scan(done, min(_AT_ONCE, size - done), self._epoch.number)
            if not leaves:
                return self._bad("faltan anotaciones", done)
            for position, leaf in enumerate(leaves, start=done):
                if position % _TURN == 0:
                    await asyncio.sleep(0)  # a node that runs goes on meanwhile
                problem = _leaf_problem(leaf, position)
                if problem:
                    return self._bad(problem, position, at=_time_of(leaf))
                self._before = leaf
            bad = await self._grown(done, leaves)
            if bad is not None:
                return bad
            done += len(leaves)
        return self._beyond(size) or LogCheck(ok=True, size=size, checkpoints=len(self._heads))

    async def _grown(self, done: int, leaves: Sequence[LoggedLeaf]) -> LogCheck | None:
        """Let the tree grow by these leaves; compare what that makes with what is stored, and with what was signed."""
        made = append(done, [leaf.leaf_hash for leaf in leaves], _lookup(self._edge))
        if not await _same_nodes(self._log, made, self._epoch):
            return self._bad("un nodo guardado del árbol no es el que dan las anotaciones", done)
        size = done + len(leaves)
        known = self._edge | {(level, index): value for level, index, value in made}
        for head in self._heads:
            if done < head.size <= size and not _agrees(head, known, self._key):
                return self._head(head.size)
        self._edge = {place: known[place] for place in right_edge(size)}
        return None

    def _beyond(self, size: int) -> LogCheck | None:
        """Look for checkpoints of what is not there, and for one of nothing."""
        wrong = [head for head in self._heads if head.size > size or head.size < 1]
        return self._head(wrong[0].size) if wrong else None

    def _head(self, size: int) -> LogCheck:
        return self._bad(f"el punto de control de tamaño {size} no concuerda con las anotaciones", None)

    def _bad(self, problem: str, first: int | None, *, at: int | None = None) -> LogCheck:
        after = None if self._before is None else _time_of(self._before)
        found = (self._epoch.size, len(self._heads), problem, first, self._origin, at, after)
        return LogCheck(False, *found)  # noqa: FBT003 - the first field


async def _same_nodes(log: SqlLog, made: Sequence[Node], epoch: Epoch) -> bool:
    """Compare every stored node that some leaves make with the recomputed one: tiles and proofs are made of these."""
    levels: dict[int, list[tuple[int, bytes]]] = {}
    for level, index, value in made:
        levels.setdefault(level, []).append((index, value))
    for level, nodes in levels.items():
        ours = [value for _, value in sorted(nodes)]
        if list(await log.nodes(level, min(nodes)[0], len(ours), epoch.number)) != ours:
            return False
    return True


def _lookup(nodes: dict[tuple[int, int], bytes]) -> NodeAt:
    return lambda level, index: nodes[level, index]


def _leaf_problem(leaf: LoggedLeaf, position: int) -> str:
    if leaf.index != position:
        return "falta una anotación"
    if leaf_hash(leaf.data) != leaf.leaf_hash:
        return "una anotación no da su resumen"
    try:
        opened = open_leaf(leaf.data, leaf.disclosures)
    except ExchangeError:
        return "lo anotado no corresponde a su anotación"
    found_by = (leaf.event, leaf.message_id, leaf.peer, leaf.subject)
    about = subject_of(leaf.event, opened.get("detail"), opened.get("jti"))
    same = (opened.get("ev"), opened.get("jti"), opened.get("peer"), about) == found_by
    return "" if same else "el suceso no corresponde a su anotación"


def _time_of(leaf: LoggedLeaf) -> int | None:
    """Return the time an entry gives, if it still opens."""
    try:
        found = open_leaf(leaf.data, leaf.disclosures).get("ts")
    except ExchangeError:
        return None
    return found if isinstance(found, int) else None


def _agrees(head: SignedHead, known: dict[tuple[int, int], bytes], key: VerifierKey) -> bool:
    try:
        signed = open_checkpoint(head.note, key)
        return signed.size == head.size and root(signed.size, _lookup(known)) == signed.root == head.root
    except (ExchangeError, ConfigurationError, KeyError):
        return False


async def edit_log_entry(config: NodeConfig) -> int:
    """Change the middle entry of a log behind everybody's back, for the demo; return its index. Demo nodes only.

    Raises:
        ConfigurationError: the node is no demo node.
    """
    if not config.demo:
        raise ConfigurationError("sólo se altera la bitácora de una demostración", advice="No se cambió nada.")
    engine = create_engine(config.main_database)
    try:
        return await SqlLog(engine).tamper()
    finally:
        await engine.dispose()
