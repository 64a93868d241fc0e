"""Who stands outside the faulted process: sends real messages, keeps every acknowledgement, and holds the node to it later.

Example::

    async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
        envelopes = oracle.envelopes(200)
        await oracle.send(envelopes[:10])        # receipts are kept on this side
        ...
        assert await oracle.broken(node) == []   # after the fault, with the node stopped
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import text

from contracts.codec import b64u_encode
from contracts.disclosure import SourceRecord
from contracts.errors import ExchangeError, PeerUnavailableError, ProblemCode
from contracts.fields import RecordType
from contracts.ids import Code, MessageId, NodeId, ThreadId
from contracts.messages.reports import Channel
from gateway.config import NodeConfig
from gateway.exchange.desk import DeskRow, row_drafts
from gateway.exchange.submit import sign_draft
from gateway.federation.client import HttpTransport, PeerAddress
from gateway.main.logcheck import check_log
from gateway.main.node import Node, SystemClock, open_node
from gateway.storage.engine import create_read_engine
from gateway.storage.thread_keys import ThreadKeys
from keys.keystore import load_node_keys
from keys.register.client import read_folder
from keys.vault import Vault
from tests.faults.rig import RealNode, Rig


@dataclass(frozen=True)
class Letter:
    """One message of the sender's: its id, its thread, the signed bytes, and the envelope."""

    message_id: MessageId
    thread_id: ThreadId
    jws: bytes
    envelope: bytes


@dataclass
class Oracle:
    """A sender with keys of its own, and its book of what was acknowledged."""

    sender: Node
    to: NodeId
    transport: HttpTransport
    book: dict[MessageId, str] = field(default_factory=dict)
    letters: dict[MessageId, Letter] = field(default_factory=dict)
    refused: Counter = field(default_factory=Counter)
    sent: int = 0
    unanswered: int = 0
    """Messages handed over and never answered, or still without an answer."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with each receipt."""
    _rows: int = 0
    _before_replay: int | None = None

    def write(self, number: int, *, minor: bool = False) -> list[Letter]:
        """Return so many new signed and sealed reports, each with a thread of its own."""
        node, now = self.sender.capabilities, datetime.now(UTC)
        made = []
        for _ in range(number):
            self._rows += 1
            row = desk_row(self._rows, minor=minor)
            for draft in row_drafts(row, node, node.pseudonyms.actor("oracle"), now):
                if draft.to != self.to:
                    continue
                signed = sign_draft(draft, node, now)
                sealed = node.sealer.seal(signed.jws, draft.to).envelope
                letter = Letter(signed.message.message_id, signed.message.thread_id, signed.jws, sealed)
                self.letters[letter.message_id] = letter
                made.append(letter)
        return made

    async def send(self, letters: Sequence[Letter]) -> int:
        """Hand over a batch; keep each receipt. Return how many were acknowledged now; silence is none."""
        self.sent += len(letters)
        self.unanswered += len(letters)
        try:
            results = await self.transport.deliver(self.to, [letter.envelope for letter in letters])
        except PeerUnavailableError as error:
            self.refused[str(error)] += len(letters)
            return 0
        self.unanswered -= len(letters)
        acknowledged = 0
        for letter, result in zip(letters, results, strict=True):
            if result.receipt is None:
                self.refused[result.problem or ProblemCode.INTERNAL] += 1
                continue
            receipt = self.sender.capabilities.opener.verify_receipt(result.receipt, peer=self.to).receipt
            assert receipt.status == "accepted", receipt
            assert receipt.dig.val == _digest(letter), "a receipt over other bytes"
            before = self.book.setdefault(letter.message_id, result.receipt)
            assert before == result.receipt, "two receipts for one message"
            acknowledged += 1
            self.heard.set()
        return acknowledged

    async def load(self, letters: Sequence[Letter], *, batch: int, at_once: int, pause: float = 0.0) -> None:
        """Send all letters, several batches in flight, until done or cancelled."""
        queue = [letters[start : start + batch] for start in range(0, len(letters), batch)]

        async def one() -> None:
            while queue:
                part = queue.pop(0)
                if not await self.send(part):
                    await asyncio.sleep(0.02)
                await asyncio.sleep(pause)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one())

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged while things went wrong; what a replay earned is not counted."""
        return len(self.book) if self._before_replay is None else self._before_replay

    async def replay(self, letters: Sequence[Letter], batch: int = 25) -> list[str]:
        """Send letters again; return those that were acknowledged before and now earn something else."""
        if self._before_replay is None:
            self._before_replay = len(self.book)
        wrong = []
        for start in range(0, len(letters), batch):
            part = letters[start : start + batch]
            try:
                results = await self.transport.deliver(self.to, [letter.envelope for letter in part])
            except PeerUnavailableError as error:
                return [f"no answer to a replay: {error}"]
            for letter, result in zip(part, results, strict=True):
                before = self.book.get(letter.message_id)
                if before is not None and result.receipt != before:
                    wrong.append(f"{letter.message_id}: another answer to the same bytes: {result.problem}")
                elif result.receipt is not None:
                    self.book[letter.message_id] = result.receipt
        return wrong

    async def broken(self, node: RealNode, *, config: NodeConfig | None = None) -> list[str]:
        """Return every promise the node's own files break, in words. The node is stopped, or quiet."""
        try:
            return await _broken(self, config or node.config)
        except ExchangeError as error:
            return [f"the node's files cannot be read: {error}"]
        except Exception as error:
            return [f"the node's files cannot be read: {type(error).__name__}"]


def _digest(letter: Letter) -> str:
    return b64u_encode(sha256(letter.jws).digest())


async def _broken(oracle: Oracle, config: NodeConfig) -> list[str]:
    main, store = create_read_engine(config.main_database), create_read_engine(config.key_store)
    try:
        keys = ThreadKeys(store, Vault(load_node_keys(config.node_keys, config.key_identity).vault), SystemClock())
        async with main.connect() as connection:
            inbox = (await connection.execute(text("SELECT message_id, thread_id, body FROM inbox"))).all()
            receipts = dict((await connection.execute(text("SELECT message_id, receipt FROM seen"))).all())
            sequenced = (await connection.execute(text("SELECT event, message_id FROM leaves"))).all()
            staged = (await connection.execute(text("SELECT event, message_id FROM leaf_staging"))).all()
            integrity = await _integrity(connection)
        found = _compare(oracle, inbox, receipts, Counter((*sequenced, *staged))) + integrity
        for message_id, thread_id, body in inbox:
            if (letter := oracle.letters.get(message_id)) is None:
                continue
            with suppress(ExchangeError):
                if (await keys.open(thread_id, message_id, body)).jws == letter.jws:
                    continue
            found.append(f"{message_id}: its body does not open any more")
    finally:
        await main.dispose()
        await store.dispose()
    check = await check_log(config)
    return found + ([] if check.ok else [f"the log does not verify: {check.problem}"])


async def _integrity(connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    [said] = (await connection.execute(text("PRAGMA integrity_check"))).scalars().all()[:1]
    return [] if said == "ok" else [f"SQLite: {said}"]


def _compare(oracle: Oracle, inbox, receipts, leaves: Counter) -> list[str]:
    effects = Counter(row[0] for row in inbox)
    found = [f"{message}: acknowledged and lost" for message in oracle.book if effects[message] == 0]
    found += [f"{message}: {number} effects" for message, number in effects.items() if number != 1]
    found += [f"{message}: its receipt changed" for message, token in oracle.book.items() if receipts.get(message) != token]
    received = {message: number for (event, message), number in leaves.items() if event == "msg.received"}
    if received != dict(effects):  # exactly one leaf each, and no leaf without its message (R5)
        found.append(f"{sum(effects.values())} messages, {sum(received.values())} leaves that tell of one")
    return found


def desk_row(number: int, *, minor: bool = False) -> DeskRow:
    """Return a fictitious report."""
    born = "2014-03-04" if minor else "1991-03-04"
    values = {
        "given_names": ["Ficticia", "María"],
        "surname_1": "Ficticia",
        "birth_date": {"date": born, "precision": "day"},
        "sex": "female",
        "last_contact_date": {"date": "2026-05-01", "precision": "day"},
    }
    record = SourceRecord(RecordType.MISSING_PERSON, values)
    return DeskRow("oracle", number, number.to_bytes(32), (record,), Code("oficina"), Channel.DESK, "es")


@asynccontextmanager
async def open_oracle(rig: Rig, *, sender: str, to: str) -> AsyncIterator[Oracle]:
    """Open a sender in this process, with the keys of one node, towards another."""
    peer = rig.nodes[to]
    async with open_node(rig.nodes[sender].config, fetch=read_folder(rig.register.folder)) as node:
        endpoint = node.trust.state.endpoint(NodeId(to))
        address = PeerAddress(endpoint.url, endpoint.tls_pin)
        transport = HttpTransport(lambda _: address, allowed=peer.config.federation.allowed_networks)
        try:
            yield Oracle(node, NodeId(to), transport)
        finally:
            await transport.close()
