"""R22 at the door: a client that leaves at any byte leaves everything or nothing, and the same bytes again get the truth."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from gateway.exchange import arrivals
from gateway.exchange.dispatch import dispatch_batch
from gateway.federation.server import FederationApi
from gateway.main.serving import _statics
from gateway.storage import tables
from gateway.storage.audit import SqlAuditStage
from gateway.storage.inbox import SqlInbox, _inbox_row, _seen_row
from gateway.storage.rows import insert_many, insert_new
from gateway.web import Caps, Deadlines, Watch, serve_site
from tests.hostile import forgeries
from tests.hostile.forgeries import MBMID, ping, seal, table
from tests.reliability.ledger import control, note, scaled

PATH = "/x/v1/inbox"
BATCH = "application/paradero-batch+json"
LINGERS = (0.0, 0.01, 0.05, 0.2, 0.5)  # seconds between the last byte and the end, so that every step of ours is met


@pytest.fixture
async def world(tmp_path, monkeypatch, database_urls):
    async with forgeries.world(tmp_path, monkeypatch, {MBMID: database_urls}) as found:
        yield found


@pytest.fixture
async def small(tmp_path, monkeypatch):
    async with forgeries.world(tmp_path, monkeypatch) as found:
        yield found


@asynccontextmanager
async def door(node):
    """The inbox on a real socket."""
    watch = Watch(Deadlines(5.0, 5.0, request_seconds=20.0), Caps(500, 500))
    api = FederationApi(receive=node.door.receive, answer=node.ask_door.answer, statics=_statics(node), watch=watch,
                        budget=None, prefix="/x")  # fmt: skip
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
    try:
        yield site.port
    finally:
        await site.close()


def request(body: bytes) -> bytes:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Type: {BATCH}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def batch_of(*envelopes: bytes) -> bytes:
    return json.dumps({"messages": [envelope.decode() for envelope in envelopes]}).encode()


async def leave_after(port: int, data: bytes, *, abort: bool, linger: float = 0.0) -> None:
    """Send, perhaps wait a little, and go: with a reset, or politely."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    if linger:
        await asyncio.sleep(linger)
    if abort:
        writer.transport.abort()
    else:
        writer.close()


async def ask_again(port: int, data: bytes) -> list[str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return [result.get("receipt", "") for result in json.loads(answer.rpartition(b"\r\n\r\n")[2])["results"]]


async def halves(node) -> list[str]:
    """Messages of which a part is there: row, deduplication row, receipt and leaf belong together."""
    inbox = {row[0]: row for row in await table(node, "SELECT message_id, state FROM inbox")}
    seen = {row[0]: row[1] for row in await table(node, "SELECT message_id, receipt FROM seen")}
    staged = await table(node, "SELECT message_id FROM leaf_staging WHERE event = 'msg.received'")
    placed = await table(node, "SELECT message_id FROM leaves WHERE event = 'msg.received'")
    leaves = [row[0] for row in (*staged, *placed)]
    everything = {*inbox, *seen, *leaves}
    return [one for one in everything if one not in inbox or not seen.get(one) or leaves.count(one) != 1]


async def receipts_of(node) -> dict[str, str]:
    return dict(await table(node, "SELECT message_id, receipt FROM seen"))


async def leave_everywhere(world, places) -> dict[str, int]:
    """For each place: a fresh message, cut there; wait; look; the same bytes again, whole; look once more."""
    node, failed, complete, kept = world.node, 0, 0, 0
    async with door(node) as port:
        for number, place in enumerate(places):
            claims = ping(world.liar)
            data = request(batch_of(seal(world.liar, world.liar.signed(claims))))
            cut = len(data) + place if place <= 0 else min(place, len(data))
            linger = LINGERS[number % len(LINGERS)] if cut == len(data) else 0.0
            await leave_after(port, data[:cut], abort=number % 2 == 0, linger=linger)
            if cut == len(data):
                complete += 1
                await asyncio.sleep(0 if number % 3 else 0.5)
            before = (await receipts_of(node)).get(claims["jti"])
            kept += before is not None
            [receipt] = await ask_again(port, data)
            now = (await receipts_of(node)).get(claims["jti"])
            failed += now != receipt or (before is not None and before != receipt)
        broken = await halves(node)
        while await dispatch_batch(node.capabilities, owner="test"):
            pass
        effects = await table(node, "SELECT count(*) FROM inbox WHERE state = 'done'")
    return {"trials": len(places), "wrong receipts": failed, "halves": len(broken), "complete": complete, "kept": kept,
            "done": effects[0][0]}  # fmt: skip


def failures(seen) -> int:
    return seen["wrong receipts"] + seen["halves"] + abs(seen["trials"] - seen["done"])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_client_that_leaves_at_any_hundredth_byte_or_before_its_answer(world):
    length = len(request(batch_of(seal(world.liar, world.liar.signed(ping(world.liar))))))
    places = [*range(100, length, 100), *range(-12, 1), *([0] * scaled(ci=25, night=300))]  # 0: the whole request, then gone
    seen = await leave_everywhere(world, places)
    figures = {"left before the answer": seen["complete"], "of these stored when looked at": seen["kept"]}
    note("R22", "a client that leaves at every hundredth byte, or before its answer, both databases", unit="requests",
         trials=seen["trials"], failures=failures(seen), figures=figures)  # fmt: skip
    print(seen)
    assert failures(seen) == 0, seen
    assert seen["kept"] > 0, "nobody left after the message was stored: nothing was proven"


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_small_request_left_at_every_byte(small):
    """A batch of something that is no envelope: no byte of it leaves anything; and then the honest one is taken."""
    data = request(batch_of(b"a.b"))
    async with door(small.node) as port:
        for place in range(1, len(data)):
            await leave_after(port, data[:place], abort=place % 2 == 0)
        assert await halves(small.node) == []
        assert await forgeries.stored(small.node) == 0
        honest = request(batch_of(seal(small.liar, small.liar.signed(ping(small.liar)))))
        [receipt] = await ask_again(port, honest)
        assert [receipt] == list((await receipts_of(small.node)).values())
    note("R22", "a small request left at every byte", unit="requests", trials=len(data) - 1, failures=0)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_many_leave_together_and_nobody_elses_transaction_goes_with_them(world):
    """Concurrent arrivals share a commit: one that leaves must not take the others' along."""
    node, rounds, wrong = world.node, scaled(ci=6, night=60), 0
    async with door(node) as port:
        for _ in range(rounds):
            staying, leaving = [
                [request(batch_of(seal(one, one.signed(ping(one))))) for _ in range(6)] for one in (world.honest, world.liar)
            ]
            answers = await asyncio.gather(*(ask_again(port, data) for data in staying),
                                           *(leave_after(port, data, abort=True) for data in leaving))  # fmt: skip
            wrong += sum(answer in ([], [""]) for answer in answers[:6])
            again = await asyncio.gather(*(ask_again(port, data) for data in leaving))
            wrong += sum(answer in ([], [""]) for answer in again)
        broken = await halves(node)
    stored = len(await receipts_of(node))
    note("R22", "six leave and six stay in one commit, both databases", unit="requests", trials=12 * rounds,
         failures=wrong + len(broken) + abs(stored - 12 * rounds))  # fmt: skip
    assert (wrong, broken, stored) == (0, [], 12 * rounds)


# -- the same with a bug ---------------------------------------------------------------------------------------------


def deduplication_commits_apart(patch):
    """The row that remembers a message commits before the message, and a client that leaves stops the second commit."""
    real, kept = arrivals.store_verdicts, []

    async def store(self, found):
        if found:
            await self._connection.execute(insert_new(self._connection, tables.seen), [_seen_row(item) for item in found])
            await SqlAuditStage(self._connection).stage([item.leaf for item in found])
            kept.extend(found)
        return frozenset(item.key for item in found)

    async def split(verdicts, node):
        kept.clear()
        receipts = await real(verdicts, node)
        await asyncio.sleep(0.3)
        async with node.begin() as work:
            await insert_many(work.inbox._connection, tables.inbox, [_inbox_row(item) for item in kept])
        return receipts

    async def write(self, verdicts):
        return await arrivals.store_verdicts(verdicts, self.node)

    patch.setattr(SqlInbox, "store", store)
    patch.setattr(arrivals, "store_verdicts", split)
    patch.setattr(arrivals.ArrivalWriter, "write", write)
    patch.setattr(web.AppRunner, "__init__", _cancelling(web.AppRunner.__init__))


def _cancelling(real):
    def init(self, app, **settings):
        real(self, app, **settings | {"handler_cancellation": True})

    return init


def a_receipt_made_anew(patch):
    """What was seen before gets another receipt than the first."""
    real = SqlInbox.seen

    async def seen(self, keys):
        return {key: replace(value, digest=bytes(32)) for key, value in (await real(self, keys)).items()}

    patch.setattr(SqlInbox, "seen", seen)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", [deduplication_commits_apart, a_receipt_made_anew], ids=lambda bug: bug.__name__)
async def test_a_planted_bug_is_seen(small, monkeypatch, bug):
    bug(monkeypatch)
    try:
        seen = await leave_everywhere(small, [0] * 20)
        red = failures(seen) > 0
        print(seen)
    except (KeyError, ValueError) as error:
        print(repr(error))
        red = True
    control("R22", bug, seen=red)
    assert red
