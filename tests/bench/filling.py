"""Fills a node's databases with messages it might have exchanged: `python -m tests.bench.filling CONFIG ROLE STORED QUEUED`.

It copies the rows of one real exchange, through the product's own tables: other ids and times, bodies cut short so that a
million fit on a disk. Leaves hash to what their hashes say and stand in a tree made by the product's own code.
"""

import asyncio
import json
import os
import sys
import time
from hashlib import sha256
from pathlib import Path

from sqlalchemy import func, select, text, update

from contracts.ids import uuid7
from gateway.config import load_config
from gateway.storage.engine import create_engine
from gateway.storage.log import load_nodes
from gateway.storage.rows import insert_many, insert_new
from gateway.storage.tables import (
    alarms,
    cases,
    inbox,
    lanes,
    leaves,
    log_head,
    outbox,
    outbox_bodies,
    seen,
    thread_keys,
    tree_nodes,
)
from keys.tree import append, right_edge

AT_ONCE = 10_000
SHORT_BODY, SHORT_ENVELOPE = 256, 1024
MINUTES_BACK = 60 * 24 * 300
QUEUED_AGE_MS = 60_000
TABLES = {"sender": (outbox, outbox_bodies), "receiver": (seen, inbox, cases, alarms)}


class Filler:
    """Multiplies one exchange."""

    def __init__(self, config, role):
        self._main, self._keys = create_engine(config.main_database), create_engine(config.key_store)
        self._tables = TABLES[role]
        self._now = int(time.time() * 1000)
        self._templates, self._leaves, self._key = {}, [], None
        self._message = self._thread = None

    async def close(self):
        for engine in (self._main, self._keys):
            await engine.dispose()

    async def learn(self):
        """Read the rows of the newest exchange that ended."""
        queue = self._tables[0] if self._tables[0] is outbox else inbox
        async with self._main.connect() as connection:
            ended = select(queue).where(queue.c.state.in_(["delivered", "done"])).order_by(queue.c.message_id.desc()).limit(1)
            row = (await connection.execute(ended)).mappings().one()
            self._message, self._thread = row["message_id"], row["thread_id"]
            for table in self._tables:
                self._templates[table] = await self._row_of(connection, table)
            about = select(leaves).where(leaves.c.message_id == self._message).order_by(leaves.c.leaf_index)
            self._leaves = [dict(leaf) for leaf in (await connection.execute(about)).mappings()]
        async with self._keys.connect() as connection:
            mine = select(thread_keys).where(thread_keys.c.thread_id == self._thread)
            self._key = dict((await connection.execute(mine)).mappings().one())

    async def _row_of(self, connection, table):
        named = {alarms: "subject", cases: "opened_by"}.get(table, "message_id")
        row = dict((await connection.execute(select(table).where(table.c[named] == self._message))).mappings().one())
        return row | ({"body": row["body"][:SHORT_BODY]} if "body" in row else {})

    async def store(self, count):
        """Store that many messages that ended."""
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            ids = [self._ids(number, count) for number in numbers]
            async with self._main.begin() as connection:
                for table in self._tables:
                    await insert_many(connection, table, [self._copy(self._templates[table], *item) for item in ids])
                await self._grow_log(connection, ids)
            async with self._keys.begin() as connection:
                rows = [self._key | {"thread_id": thread, "created_ms": moment} for _, thread, moment in ids]
                await insert_many(connection, thread_keys, rows)

    async def queue(self, count, peers):
        """Queue that many messages to peers that do not answer: due, tried, and each lane waiting for its next attempt."""
        kept = self._templates[outbox], self._templates[outbox_bodies]
        change = {"state": "waiting", "ended_ms": None, "reason": None, "attempts": 1, "due_ms": self._now - QUEUED_AGE_MS}
        change |= {"expires_ms": self._now + 7 * 86_400_000}
        body = {"envelope": os.urandom(SHORT_ENVELOPE // 2).hex().encode(), "receipt": None}
        for at, peer in enumerate(peers):
            numbers = range(at, count, len(peers))
            for start in range(0, len(numbers), AT_ONCE):
                ids = [self._ids(number, count) for number in numbers[start : start + AT_ONCE]]
                async with self._main.begin() as connection:
                    await self._down(connection, peer)
                    queued = [self._copy(kept[0], *item) | change | {"lane": peer} for item in ids]
                    await insert_many(connection, outbox, queued)
                    await insert_many(
                        connection, outbox_bodies, [self._copy(kept[1], *item) | body | {"lane": peer} for item in ids]
                    )

    async def _down(self, connection, peer):
        row = {
            "peer": peer, "failures": 12, "next_attempt_ms": self._now + 30_000, "paused": False, "held": False,
            "last_served_ms": self._now,
        }  # fmt: skip
        await connection.execute(insert_new(connection, lanes).values(row))

    def _ids(self, number, count):
        """Return (message id, thread id, milliseconds) of one message, evenly spread over the months before now."""
        moment = self._now - (count - number) * (MINUTES_BACK * 60_000 // count) - QUEUED_AGE_MS
        return str(uuid7(moment, os.urandom(10))), str(uuid7(moment, os.urandom(10))), moment

    def _copy(self, template, message_id, thread_id, moment):
        row = dict(template)
        for name, value in template.items():
            if value == self._message:
                row[name] = message_id
            elif value == self._thread:
                row[name] = thread_id
            elif name.endswith("_ms") and value is not None:
                row[name] = moment
        return row

    async def _grow_log(self, connection, ids):
        epoch = self._leaves[0]["epoch"]
        size = int((await connection.execute(select(func.max(log_head.c.size)).where(log_head.c.id == epoch))).scalar_one())
        rows, old = [], self._message.encode()
        for message_id, _, _ in ids:
            for leaf in self._leaves:
                data = leaf["data"].replace(old, message_id.encode())
                digest = sha256(b"\0" + data).digest()
                row = leaf | {"leaf_index": size + len(rows), "leaf_hash": digest, "data": data, "message_id": message_id}
                rows.append(row)
        edge = await load_nodes(connection, epoch, right_edge(size))
        nodes = append(size, [row["leaf_hash"] for row in rows], edge)
        await insert_many(connection, leaves, rows)
        inner = [{"epoch": epoch, "level": level, "node_index": index, "hash": value} for level, index, value in nodes]
        await insert_many(connection, tree_nodes, inner)
        await connection.execute(update(log_head).where(log_head.c.id == epoch).values(size=size + len(rows)))

    async def settle(self):
        """Give PostgreSQL the statistics a node that ran for months would have; SQLite keeps none."""
        for engine in (self._main, self._keys):
            if engine.dialect.name == "postgresql":
                async with engine.connect() as connection:
                    raw = await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await raw.execute(text("VACUUM ANALYZE"))


async def main(config, role, stored, queued, *peers):
    filler = Filler(load_config(Path(config)), role)
    try:
        began = time.perf_counter()
        await filler.learn()
        await filler.store(int(stored))
        if role == "sender" and int(queued):
            await filler.queue(int(queued), peers)
        await filler.settle()
        sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}) + "\n")
    finally:
        await filler.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
