"""Everything inside a backup, looked at on the way through: chunks, counts, the log against its signed checkpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import BackupRefusedError, ExchangeError
from gateway.storage.revisions import Schema
from gateway.storage.rows import from_json
from gateway.storage.snapshot import is_file, read_frame
from keys.backups import BackupHeader
from keys.leaves import open_leaf
from keys.notes import log_origin, open_checkpoint, verifier_key
from keys.tree import append, leaf_hash, right_edge, root

_ADVICE = "No restaure de éste: use otro respaldo, y averigüe qué cambió la bitácora antes de que se hiciera."


@dataclass(slots=True)
class Contents:
    """What is in a backup."""

    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    leaves: int = 0
    checkpoints: int = 0
    checkpoints_signed: bool = False


def check_contents(frames: Iterator[bytes], header: BackupHeader, log_key: bytes | None) -> Contents:
    """Return what a backup holds, everything in it compared with everything else in it.

    Raises:
        BackupRefusedError: a chunk, a count, an entry of the log or a checkpoint does not hold.
    """
    schema = Schema.MAIN if header.kind == "main" else Schema.KEYS
    found, log = Contents(checkpoints_signed=log_key is not None), _Log(header, log_key)
    told: dict[str, int] | None = None
    for frame in frames:
        if is_file(frame):
            found.files += 1
            continue
        part = read_frame(frame, schema)
        if isinstance(part, dict):
            told = part
            continue
        name, rows = part
        found.rows[name] = found.rows.get(name, 0) + len(rows)
        log.take(name, rows)
    if told is None or any(found.rows.get(name, 0) != number for name, number in told.items()):
        raise BackupRefusedError("no tiene las filas que dice tener", advice="Use otra copia u otro respaldo.")
    log.finish()
    found.leaves, found.checkpoints = log.leaves, log.compared
    return found


@dataclass(slots=True)
class _Epoch:
    size: int = 0
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)


class _Log:
    """Hashes entries as they come and compares at each size that was signed; keeps only the tree's right edge."""

    def __init__(self, header: BackupHeader, log_key: bytes | None) -> None:
        self._first_origin = log_origin(header.node)
        self._key = log_key
        self._origins: dict[int, str] = {}
        self._signed: dict[tuple[int, int], Any] = {}
        self._heads: dict[int, int] = {}
        self._epochs: dict[int, _Epoch] = {}
        self.leaves = 0
        self.compared = 0

    def take(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Take rows of one table."""
        if table == "log_epochs":
            self._origins |= {row["epoch"]: row["origin"] for row in rows}
        elif table == "log_head":
            self._heads |= {row["id"]: row["size"] for row in rows}
        elif table == "checkpoints":
            self._signed |= {(row.get("epoch", 1), row["size"]): row for row in rows}
        elif table == "leaves":
            for row in rows:
                self._leaf(row)

    def _leaf(self, row: dict[str, Any]) -> None:
        number = row.get("epoch", 1)
        epoch = self._epochs.setdefault(number, _Epoch())
        if row["leaf_index"] != epoch.size or leaf_hash(row["data"]) != row["leaf_hash"]:
            raise BackupRefusedError(f"la anotación {row['leaf_index']} de la bitácora no da su resumen", advice=_ADVICE)
        self._opens(row)
        made = append(epoch.size, [row["leaf_hash"]], lambda level, index: epoch.nodes[level, index])
        epoch.size += 1
        edge = set(right_edge(epoch.size))
        kept = epoch.nodes | {(level, index): value for level, index, value in made}
        epoch.nodes = {key: value for key, value in kept.items() if key in edge}
        self.leaves += 1
        signed = self._signed.pop((number, epoch.size), None)
        if signed is not None:
            self._compare(number, epoch, signed)

    def _opens(self, row: dict[str, Any]) -> None:
        try:
            opened = open_leaf(row["data"], from_json(row["disclosures"]))
        except ExchangeError:
            opened = {}
        if opened.get("ev") != row["event"]:
            raise BackupRefusedError(f"la anotación {row['leaf_index']} no corresponde a lo anotado", advice=_ADVICE)

    def _compare(self, number: int, epoch: _Epoch, signed: dict[str, Any]) -> None:
        computed = root(epoch.size, lambda level, index: epoch.nodes[level, index])
        agrees = computed == signed["root"]
        if self._key is not None and agrees:
            try:
                key = verifier_key(self._origins.get(number, self._first_origin), self._key)
                note = open_checkpoint(signed["note"], key)
                agrees = (note.size, note.root) == (epoch.size, computed)
            except ExchangeError:
                agrees = False
        if not agrees:
            raise BackupRefusedError(f"la bitácora no da el punto de control firmado de {epoch.size}", advice=_ADVICE)
        self.compared += 1

    def finish(self) -> None:
        """Compare sizes."""
        if self._signed or any(self._epochs.get(number, _Epoch()).size != size for number, size in self._heads.items()):
            raise BackupRefusedError("a la bitácora le faltan anotaciones que ya estaban firmadas", advice=_ADVICE)
