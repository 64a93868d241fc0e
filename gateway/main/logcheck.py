"""A full check of a node's own log: every entry hashed again, every stored node and signed checkpoint compared (SPEC 7.2)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contracts.errors import ConfigurationError, ExchangeError
from gateway.config import NodeConfig
from gateway.main.node import log_origin
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.log import Epoch, LoggedLeaf, SignedHead, SqlLog
from gateway.storage.unit_of_work import typed_errors
from keys.keystore import load_node_keys
from keys.leaves import open_leaf
from keys.notes import open_checkpoint, verifier_key
from keys.tree import NodeAt, append, leaf_hash, root

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What a full check found. `first_bad` is the index of the first entry that does not agree."""

    ok: bool
    size: int
    checkpoints: int
    problem: str = ""
    first_bad: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


async def check_log(config: NodeConfig) -> LogCheck:
    """Recompute the whole tree from the entries and compare it with what was stored and signed.

    Raises:
        ConfigurationError: the node's keys cannot be read.
        StorageError: the database cannot.
    """
    engine = create_read_engine(config.main_database)
    try:
        with typed_errors():
            return await _check(SqlLog(engine), config)
    finally:
        await engine.dispose()


async def _check(log: SqlLog, config: NodeConfig) -> LogCheck:
    # A node that runs extends its log meanwhile. Checkpoints are read first, and then how far the log goes: what was signed
    # must be there, and what came later is left for the next check.
    heads = {epoch.number: await log.all_checkpoints(epoch.number) for epoch in await log.epochs()}
    size = checkpoints = 0
    for epoch in await log.epochs():
        found = await _check_epoch(log, epoch, heads.get(epoch.number, ()), config)
        size, checkpoints = size + found.size, checkpoints + found.checkpoints
        if not found.ok:
            return found
    return LogCheck(ok=True, size=size, checkpoints=checkpoints)


async def _check_epoch(log: SqlLog, epoch: Epoch, heads: Sequence[SignedHead], config: NodeConfig) -> LogCheck:
    size = epoch.size
    nodes: dict[tuple[int, int], bytes] = {}
    done = 0
    while done < size:
        leaves = await log.scan(done, min(_AT_ONCE, size - done), epoch.number)
        for position, leaf in enumerate(leaves, start=done):
            problem = _leaf_problem(leaf, position)
            if problem:
                return LogCheck(ok=False, size=size, checkpoints=len(heads), problem=problem, first_bad=position)
        if not leaves:
            return LogCheck(ok=False, size=size, checkpoints=len(heads), problem="faltan anotaciones", first_bad=done)
        made = append(done, [leaf.leaf_hash for leaf in leaves], _lookup(nodes))
        nodes |= {(level, index): value for level, index, value in made}
        done += len(leaves)
    if not await _same_nodes(log, nodes, epoch):
        problem = "un nodo guardado del árbol no es el que dan las anotaciones"
        return LogCheck(ok=False, size=epoch.size, checkpoints=len(heads), problem=problem)
    return _check_heads(heads, nodes, epoch, config)


async def _same_nodes(log: SqlLog, nodes: dict[tuple[int, int], bytes], epoch: Epoch) -> bool:
    """Compare every stored node over an epoch's leaves with the recomputed one: tiles and proofs are made of these."""
    after, seen, size = (-1, -1), 0, epoch.size
    while stored := await log.nodes(after, _AT_ONCE, epoch.number):
        ours = [(level, index, value) for level, index, value in stored if (index + 1) << level <= size]
        if any(nodes.get((level, index)) != value for level, index, value in ours):
            return False
        after, seen = stored[-1][:2], seen + len(ours)
    return seen == len(nodes)


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
    found_by = (leaf.event, leaf.message_id, leaf.peer)
    same = (opened.get("ev"), opened.get("jti"), opened.get("peer")) == found_by
    return "" if same else "el suceso no corresponde a su anotación"


def _check_heads(
    heads: Sequence[SignedHead], nodes: dict[tuple[int, int], bytes], epoch: Epoch, config: NodeConfig
) -> LogCheck:
    size, origin = epoch.size, epoch.origin or log_origin(config.node)
    key = verifier_key(origin, load_node_keys(config.node_keys, config.key_identity).log.public.raw)
    for head in heads:
        try:
            signed = open_checkpoint(head.note, key)
            agrees = signed.size == head.size <= size and root(signed.size, _lookup(nodes)) == signed.root == head.root
        except (ExchangeError, ConfigurationError, KeyError):
            agrees = False
        if not agrees:
            problem = f"el punto de control de tamaño {head.size} no concuerda con las anotaciones"
            return LogCheck(ok=False, size=size, checkpoints=len(heads), problem=problem)
    return LogCheck(ok=True, size=size, checkpoints=len(heads))


async def edit_log_entry(config: NodeConfig) -> int:
    """Change the middle entry of a log behind everybody's back, for the demo; return its index. Demo nodes only.

    Raises:
        ConfigurationError: the node is no demo node.
    """
    if not config.demo:
        raise ConfigurationError("only a demo node's log can be tampered with", advice="Nothing was changed.")
    engine = create_engine(config.main_database)
    try:
        return await SqlLog(engine).tamper()
    finally:
        await engine.dispose()
