"""A rich life of a federation, told by an oracle outside: what was done to each node, and what its log must therefore say.

Example::

    life = Life(federation)
    await life.live()
    assert await life.missing("gt.igm.mbmid") == Counter()
"""

import itertools
from collections import Counter
from contextlib import asynccontextmanager

from contracts.codec import encode_message
from contracts.disclosure import SourceRecord
from contracts.errors import StorageError
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from contracts.messages import Note, NoteBody, Ping, PingBody
from contracts.messages.reports import Channel
from contracts.register import KeysetLog
from gateway.exchange import dispatch
from gateway.exchange.ask import ask
from gateway.exchange.deliver import deliver_lane, pause_peer, retry_now
from gateway.exchange.desk import DeskRow, send_rows
from gateway.exchange.submit import Draft, prepare, submit
from gateway.storage.engine import create_engine
from keys.jose import sign_jws
from keys.keystore import load_node_keys
from keys.leaves import open_leaf
from keys.register.ceremony import make_keyset, publish_alone, stage_clearing, stage_keyset, stage_suspension
from keys.sealing import MESSAGE_TYP
from keys.tree import leaf_hash

MBMID, PGN, CONAMIGUA = NodeId("gt.igm.mbmid"), NodeId("gt.pgn"), NodeId("gt.conamigua")
NAMES = ("gt.igm.mbmid", "gt.conamigua", "gt.pgn")
OPERATE, OPERATION = Code("operate"), Code("federation:operation")
LOCATE, TRANSFER = Code("locate-missing"), Code("gt:mbmid:traslado-inmediato")
_NUMBER = itertools.count(1)


def row(*, age=(30, 35), given="Ficticio", reporter="Ficticia", **values) -> DeskRow:
    """One row of an institution's own file, of an invented person."""
    number = next(_NUMBER)
    person = {
        "given_names": [given],
        "surname_1": "Caal",
        "age_range": {"min": age[0], "max": age[1]},
        "last_contact_date": {"date": "2026-10-15", "precision": "day"},
    } | values
    records = (
        SourceRecord(RecordType.MISSING_PERSON, person),
        SourceRecord(RecordType.REPORTER, {"name": [reporter], "phones": ["+50255550100"]}),
    )
    return DeskRow(
        source="prueba",
        row=number,
        key=number.to_bytes(32),
        records=records,
        office=Code("huehuetenango"),
        channel=Channel.DESK,
        language="es",
    )


def draft(node, kind, body, *, to=MBMID, purpose=OPERATE, basis=OPERATION, **more) -> Draft:
    """A draft of a new thread."""
    now = node.clock.now()
    fields = {"actor": node.pseudonyms.actor("x"), "thread_id": node.new_thread_id(now), "case_key": "k"} | more
    return Draft(kind=kind, to=to, body=body, purpose=purpose, basis=basis, **fields)


def ping(node, *, to=MBMID, probe="health", **more) -> Draft:
    """A question without content."""
    return draft(node, Ping, PingBody(probe=probe), to=to, **more)


async def envelope_of(node, wanted: Draft, *, jws=None, **changes) -> bytes:
    """A sealed message as a member with its own keys can make it: `changes` are put into it before it is signed."""
    [made] = await prepare([wanted], node)
    if not changes and jws is None:
        return made.outgoing.envelope
    payload = encode_message(made.message.model_copy(update=changes)) if changes else jws
    return node.sealer.seal(sign_jws(payload, node.sealer._own.sig, typ=MESSAGE_TYP).encode(), wanted.to).envelope


async def rows_of(node, statement):
    """What a statement reads from a node's main database."""
    engine = create_engine(node.config.main_database)
    try:
        async with engine.connect() as connection:
            return [tuple(item) for item in (await connection.exec_driver_sql(statement)).all()]
    finally:
        await engine.dispose()


class Life:
    """Does things to nodes and writes down, outside, which leaf each thing owes."""

    def __init__(self, federation):
        self.federation = federation
        self.owed = {name: Counter({("key.operation", ""): 1, ("trust.changed", ""): 1}) for name in NAMES}

    def node(self, name):
        return self.federation.nodes[name].capabilities

    def owe(self, name, event, outcome="", number=1):
        self.owed[str(name)][event, outcome] += number

    async def live(self):
        """Everything a node logs, at least once."""
        for step in (self.reports, self.pings, self.refusals, self.strangers, self.conflicts, self.poison, self.refused_by_peer,
                     self.register, self.administration, self.dead_letters):  # fmt: skip
            await step()
        await self.federation.settle()
        await self.flush()

    async def reports(self):
        """An institution's rows: adults, a child, a duplicate row, lost replies, re-deliveries."""
        rows = [row() for _ in range(6)] + [row(age=(15, 15))]
        await self.send(rows, transfers=7, duties=1)
        self.federation.network.fail_next("lose-reply", "duplicate", "lose-request", "bare-problem")
        await self.federation.settle()
        await send_rows(rows, self.node("gt.conamigua"), actor=self.node("gt.conamigua").pseudonyms.actor("x"))  # owes nothing

    async def send(self, rows, *, transfers, duties=0):
        await send_rows(rows, self.node("gt.conamigua"), actor=self.node("gt.conamigua").pseudonyms.actor("x"))
        self.owe("gt.conamigua", "msg.sent", "queued", transfers + duties)
        self.owe("gt.igm.mbmid", "msg.received", "accepted", transfers)
        self.owe("gt.pgn", "msg.received", "accepted", duties)
        self.owe("gt.igm.mbmid", "msg.sent", "queued", transfers)  # the folio
        self.owe("gt.conamigua", "msg.received", "accepted", transfers)

    async def pings(self):
        """Questions at the ask door, answered and refused."""
        sender = self.node("gt.conamigua")
        for _ in range(3):
            await ask(ping(sender), sender)
            self.owe("gt.igm.mbmid", "ask.answered", "answered")
        note = draft(sender, Note, NoteBody(text="Ficticia llama", language="es"), purpose=LOCATE, basis=TRANSFER)
        await self.federation.nodes["gt.igm.mbmid"].ask_door.answer(await envelope_of(sender, note))
        self.owe("gt.igm.mbmid", "ask.answered", "not-handled")
        await submit([note], sender)
        self.owe("gt.conamigua", "msg.sent", "queued")
        self.owe("gt.igm.mbmid", "msg.received", "accepted")

    async def refusals(self):
        """Each way an authenticated message is refused."""
        sender, now = self.node("gt.conamigua"), int(self.federation.clock.now().timestamp())
        signed = {
            "expired": {"issued_at": now - 90_000, "expires_at": now - 80_000},
            "clock-skew": {"issued_at": now + 9_000, "expires_at": now + 90_000},
            "wrong-mode": {"mode": "exercise"},
            "policy-unknown": {"policy_version": 999},
            "not-permitted": {"purpose": LOCATE},
            "not-me": {"recipient": PGN},
            "signature": {"sender": PGN},
        }
        for code, changes in signed.items():
            await self.refused(await envelope_of(sender, ping(sender), **changes), code)
        await self.refused(await envelope_of(sender, ping(sender), jws=b'{"v":1,"type":"horoscope","body":{}}'), None)

    async def refused(self, envelope, code):
        """Show an envelope to the inbox; twice, since each refusal is an effect of its own."""
        door = self.federation.nodes["gt.igm.mbmid"].door
        for _ in range(2):
            [receipt] = await door.receive([envelope])
            verified = self.node("gt.conamigua").opener.verify_receipt(receipt, peer=MBMID).receipt
            assert verified.status == "rejected"
            assert code in (None, verified.code.value), (code, verified.code)
            self.owe("gt.igm.mbmid", "msg.refused", verified.code.value)

    async def strangers(self):
        """What nobody signed is counted; one leaf tells the count."""
        node = self.federation.nodes["gt.igm.mbmid"]
        await node.door.receive([b"x.y.z", b"nothing"])
        await node.ask_door.answer(b"nothing")
        await self.flush()

    async def flush(self):
        for name, node in self.federation.nodes.items():
            if node.door.strangers.counts:
                self.owe(name, "door.unauthenticated")
            await node.door.strangers.flush(node.capabilities)
            while await node.log.sequence():
                pass

    async def conflicts(self):
        """One id with two contents."""
        sender, door = self.node("gt.conamigua"), self.federation.nodes["gt.igm.mbmid"].door
        same = sender.new_message_id(self.federation.clock.now())
        await door.receive([await envelope_of(sender, ping(sender, message_id=same))])
        self.owe("gt.igm.mbmid", "msg.received", "accepted")
        await door.receive([await envelope_of(sender, ping(sender, probe="enrolment", message_id=same))])
        self.owe("gt.igm.mbmid", "msg.conflict", "jti-conflict")

    async def poison(self):
        """A message our code cannot handle, and one that nobody handles."""
        node, sender = self.node("gt.igm.mbmid"), self.node("gt.conamigua")

        async def broken(message, capabilities):
            raise ZeroDivisionError

        async def unhandled(message, capabilities):
            raise dispatch.NotHandledError("no handler")

        await self.federation.settle()
        await self.federation.nodes["gt.igm.mbmid"].door.receive([await envelope_of(sender, ping(sender))])
        self.owe("gt.igm.mbmid", "msg.received", "accepted")
        for _ in range(dispatch.MAX_ATTEMPTS + 1):
            await dispatch.dispatch_batch(node, owner="t", handle=broken)
            self.federation.clock.forward(hours=2)
        self.owe("gt.igm.mbmid", "msg.quarantined", "ZeroDivisionError")
        await self.federation.nodes["gt.igm.mbmid"].door.receive([await envelope_of(sender, ping(sender))])
        self.owe("gt.igm.mbmid", "msg.received", "accepted")
        await dispatch.dispatch_batch(node, owner="t", handle=unhandled)
        self.owe("gt.igm.mbmid", "msg.not-handled", "not-handled")
        self.owe("gt.igm.mbmid", "msg.sent", "queued")  # "not handled here"
        self.owe("gt.conamigua", "msg.received", "accepted")

    async def refused_by_peer(self):
        """A delivery that ends in a signed refusal: one leaf at the sender (sent), one at the recipient (refused)."""
        await self.suspend()
        sender = self.node("gt.conamigua")
        await submit([ping(sender)], sender)
        self.owe("gt.conamigua", "msg.sent", "queued")
        await deliver_lane(MBMID, sender, owner="t")
        self.owe("gt.igm.mbmid", "msg.refused", "sender-suspended")
        stage_clearing(self.federation.register, self.suspension, now=self.federation.clock.now())
        await self.federation.publish(self.federation.custodians["registrars"][:2])
        for name in NAMES:
            self.owe(name, "trust.changed")

    async def suspend(self):
        register, custodians, now = self.federation.register, self.federation.custodians, self.federation.clock.now()
        self.suspension = stage_suspension(register, CONAMIGUA, reason=Code("lost-laptop"), by="duty", now=now)
        publish_alone(register, custodians["duty"][0], custodians["online"][0], now=now)
        await self.federation.poll()
        for name in NAMES:
            self.owe(name, "trust.changed")

    async def register(self):
        """A node's keyset published anew, and a register that is refused; polls that bring nothing owe nothing."""
        config = self.federation.nodes["gt.pgn"].config
        keys = load_node_keys(config.node_keys, config.key_identity)
        keyset = self.node("gt.pgn").trust().keyset(PGN)
        jws = make_keyset(
            keys,
            endpoint=keyset.endpoint.url,
            log=KeysetLog(origin=keyset.log.origin, vkey=keyset.log.vkey),
            seq=2,
            now=self.federation.clock.now(),
        )
        stage_keyset(self.federation.register, jws, now=self.federation.clock.now())
        await self.federation.publish()
        for name in NAMES:
            self.owe(name, "trust.changed")
        await self.federation.poll()

    async def administration(self):
        """What an operator does to the queues."""
        sender = self.node("gt.conamigua")
        await pause_peer(MBMID, sender, paused=True, actor=sender.pseudonyms.actor("admin"))
        await pause_peer(MBMID, sender, paused=False, actor=sender.pseudonyms.actor("admin"))
        self.owe("gt.conamigua", "admin.action", number=2)
        self.federation.network.down.add(MBMID)
        [waiting] = await submit([ping(sender)], sender)
        self.owe("gt.conamigua", "msg.sent", "queued")
        await self.federation.turn()
        assert await retry_now(waiting.message.message_id, sender, actor=sender.pseudonyms.actor("admin"))
        self.owe("gt.conamigua", "admin.action")
        assert not await retry_now(
            sender.new_message_id(self.federation.clock.now()), sender, actor=sender.pseudonyms.actor("admin")
        )

    async def dead_letters(self):
        """Nobody answers until the messages expire."""
        sender = self.node("gt.conamigua")
        await submit([ping(sender)], sender)
        self.owe("gt.conamigua", "msg.sent", "queued")
        self.federation.clock.forward(days=7, hours=1)
        await self.federation.turn()
        self.owe("gt.conamigua", "msg.dead", "expired-outcome-unknown", 2)
        self.federation.network.down.clear()

    async def found(self, name) -> Counter:
        """What the log of a node says; every leaf is opened, and the sequence must have no gap."""
        leaves = await self.federation.nodes[name].log.scan(0, 100_000)
        assert [leaf.index for leaf in leaves] == list(range(len(leaves)))
        assert len(leaves) == await self.federation.nodes[name].log.size()
        counted: Counter = Counter()
        for leaf in leaves:
            assert leaf_hash(leaf.data) == leaf.leaf_hash
            opened = open_leaf(leaf.data, leaf.disclosures)
            counted[opened["ev"], opened.get("outcome", "")] += 1
        return counted

    async def wrong(self, name) -> dict[tuple[str, str], int]:
        """Effects without a leaf (negative) and leaves without an effect (positive), by event and outcome."""
        found, owed = await self.found(name), self.owed[name]
        return {key: found[key] - owed[key] for key in {*found, *owed} if found[key] != owed[key]}

    async def unlogged(self, name) -> list[tuple]:
        """Rows that say something happened and have no leaf of it, as the database itself tells."""
        node = self.federation.nodes[name]
        pairs = {
            "msg.received": "SELECT message_id FROM seen",
            "msg.sent": "SELECT message_id FROM outbox",
            "msg.dead": "SELECT message_id FROM outbox WHERE state = 'dead'",
            "msg.quarantined": "SELECT message_id FROM inbox WHERE state = 'quarantined'",
        }
        found = []
        for event, statement in pairs.items():
            rows = sorted(item[0] for item in await rows_of(node, statement))
            leaves = sorted(item[0] for item in await rows_of(node, f"SELECT message_id FROM leaves WHERE event = '{event}'"))
            if rows != leaves:
                found.append((event, len(rows), len(leaves)))
        return found


class FailingCommit:
    """Opens transactions of a node; the n-th one fails at its commit, or is applied and reported failed."""

    def __init__(self, node, *, nth=0, applied=False):
        self._begin, self._left, self._applied, self.happened = node.begin, nth, applied, 0

    @asynccontextmanager
    async def __call__(self):
        failing, self._left = self._left == 0, self._left - 1
        async with self._begin() as work:
            yield work
            if failing and not self._applied:
                self.happened += 1
                raise StorageError("planned: the commit failed")
        if failing:
            self.happened += 1
            raise StorageError("planned: committed, and nobody heard")
