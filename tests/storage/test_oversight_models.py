"""What audits and statistics read: right on both databases, by an index, and no further than a month or a case."""

import random
import statistics
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from contracts.ids import uuid7
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.ports import StagedLeaf
from gateway.main.node import Leaves
from gateway.storage.audit_models import AuditModels, Span
from gateway.storage.case_tables import disclosures, exchange_messages, exchanges, work_items
from gateway.storage.engine import create_engine
from gateway.storage.migrations.runner import upgrade_engine
from gateway.storage.revisions import Schema
from gateway.storage.rows import to_json
from gateway.storage.statistics import PACES, Statistics
from gateway.storage.tables import outbox, outbox_bodies
from tests.storage.plans import an_exchange, faults

START, END = datetime(2026, 10, 1, 6, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)
US, PEER, OTHER = "gt.minex", "gt.igm.mbmid", "gt.pgn"
HOUR = 3_600_000
SEED = 20261126


def ms(moment):
    return int(moment.timestamp() * 1000)


def message(moment, number):
    return str(uuid7(ms(moment), number.to_bytes(10)))


class Books:
    """Rows as a node's own steps leave them."""

    def __init__(self):
        self.rows = {table: [] for table in (exchanges, exchange_messages, work_items, outbox, outbox_bodies, disclosures)}
        self.number = 0

    def asked(
        self, at, *, ours=True, took=None, due=None, office="houston", peer=PEER, machine="search", delivered=1, over=True
    ):
        """One request of a moment; hours until it was delivered, answered, due."""
        self.number += 1
        opening, opener = message(at, self.number), US if ours else peer
        side, state = ("opener" if ours else "addressee"), "open" if took is None else "closed"
        base = {"opener": opener, "opening_id": opening, "machine": machine, "side": side, "peer": peer, "thread_id": opening}
        self.rows[exchanges].append(
            base
            | {"case_ref": f"caso-{self.number}", "state": state, "outcome": None, "opened_ms": ms(at), "changed_ms": ms(at)}
        )
        self.rows[work_items].append(
            base | {
                "kind": f"{machine}.request", "purpose": "locate-missing", "basis": "b", "office": office, "opened_ms": ms(at),
                "due_ms": None if due is None else ms(at) + int(due * HOUR), "over_ms": ms(at) if over and took else None,
            }
        )  # fmt: skip
        said = [(opening, f"{machine}.request", "opener", ms(at))]
        if took is not None:
            said.append((message(at, 10_000 + self.number), "search.response", "addressee", ms(at) + int(took * HOUR)))
        for message_id, kind, by, at_ms in said:
            self.rows[exchange_messages].append(
                {"opener": opener, "opening_id": opening, "message_id": message_id, "kind": kind, "said_by": by,
                 "in_reply_to": None, "carries": False, "logged_ms": at_ms}
            )  # fmt: skip
        if ours:
            self.sent(opening, at, peer, opening, delivered=delivered)
        return opening

    def sent(self, message_id, at, peer, thread, *, delivered=1, withheld=()):
        state, ended = ("waiting", None) if delivered is None else ("delivered", ms(at) + int(delivered * HOUR))
        self.rows[outbox].append(
            {"lane": peer, "message_id": message_id, "kind": "search.response", "thread_id": thread, "state": state, "attempts": 0,
             "due_ms": 0, "expires_ms": 0, "created_ms": ms(at), "ended_ms": ended}
        )  # fmt: skip
        held = ",".join(f'["{field}","{rule}"]' for field, rule in withheld)
        manifest = f'{{"records":[{{"disclosed":[],"withheld":[{held}]}}]}}'
        self.rows[outbox_bodies].append(
            {"lane": peer, "message_id": message_id, "digest": b"d", "envelope": b"e", "recipient_key": "k", "body": b"b", "manifest": manifest}
        )  # fmt: skip

    def left(
        self, at, opening, fields=("sex", "age_range"), *, recall="held", withheld=(), peer=PEER, record="unidentified-person"
    ):
        self.number += 1
        message_id = message(at, 20_000 + self.number)
        self.sent(message_id, at, peer, opening, withheld=withheld)
        self.rows[disclosures].append(
            {"record_id": message(at, 30_000 + self.number), "message_id": message_id, "peer": peer, "case_ref": "c", "kind": "search.response",
             "record_type": record, "fields": "\n".join(f"{name} exact rule:{name}" for name in fields), "purpose": "locate-missing",
             "basis": "b", "sent_ms": ms(at), "retain_until_ms": 0, "recall": recall}
        )  # fmt: skip
        return message_id

    async def write(self, node):
        async with node.engines[0].begin() as connection:
            for table, rows in self.rows.items():
                if rows:
                    await connection.execute(table.insert(), rows)


@pytest.fixture
def books():
    return Books()


@pytest.fixture
async def shelves(node):
    return node, AuditModels(node.engines[1]), Statistics(node.engines[1])


async def test_a_funnel_counts_each_stage_and_its_median_is_that_of_the_numbers(shelves, books):
    node, _, figures = shelves
    chance = random.Random(SEED)
    took = [chance.uniform(2, 200) for _ in range(41)]
    for number, hours in enumerate(took):
        books.asked(START + timedelta(hours=number), took=hours, delivered=hours / 4)
    for number in range(7):
        books.asked(START + timedelta(days=3, hours=number), delivered=None if number < 3 else 2)
    books.asked(START - timedelta(hours=1), took=1)
    books.asked(END, took=1)
    books.asked(START, took=1, ours=False)
    await books.write(node)
    found = {stage.name: stage for stage in await figures.funnel(START, END)}
    assert [stage.count for stage in found.values()] == [48, 45, 41, 41]
    assert abs(found["answered"].median_ms - statistics.median(took) * HOUR) <= 2, SEED
    assert abs(found["delivered"].median_ms - statistics.median([*(hours / 4 for hours in took), *[2] * 4]) * HOUR) <= 2
    assert [
        (stage.count, stage.median_ms) for stage in await figures.funnel(END + timedelta(days=9), END + timedelta(days=10))
    ] == [(0, None)] * 4


async def test_how_soon_is_told_in_parts_of_the_term_by_office(shelves, books):
    node, _, figures = shelves
    for took in (1, 2.4, 4, 7, 9.9, 10.1, 30):
        books.asked(START, ours=False, took=took, due=10)
    books.asked(START, ours=False, due=10)
    books.asked(START, ours=False, due=10, office="madrid")
    books.asked(START, ours=False, took=3)  # no term, no pace
    await books.write(node)
    soon = START + timedelta(hours=5)
    paces = {(office, pace): many for office, pace, many in await figures.paces(START, END, END)}
    assert [paces.get(("houston", pace), 0) for pace in PACES] == [2, 1, 1, 1, 2, 1]
    assert paces["madrid", "open-late"] == 1
    assert ("madrid", "open-late") not in {(office, pace) for office, pace, _ in await figures.paces(START, END, soon)}


async def test_who_asks_whom_and_what_left_by_month(shelves, books):
    node, _, figures = shelves
    opening = books.asked(START)
    books.asked(START, peer=OTHER, machine="referral")
    books.asked(START, ours=False)
    books.asked(START, ours=False, machine="report")  # nobody waits for what was passed on
    books.left(START, opening)
    books.left(END - timedelta(hours=1), opening)
    books.left(END, opening, ("marks",))
    books.left(END, opening, recall="withdrawn")
    await books.write(node)
    assert sorted(await figures.asked(START, END)) == [(PEER, False, 1), (PEER, True, 1), (OTHER, True, 1)]
    months = [START, END, END + timedelta(days=30)]
    assert sorted(await figures.left(months)) == [
        (0, "unidentified-person", ("sex", "age_range"), 2), (1, "unidentified-person", ("marks",), 1),
    ]  # fmt: skip


async def test_what_left_is_of_its_month_and_its_office_and_what_was_kept_back_says_by_which_rule(shelves, books):
    node, audit, _ = shelves
    houston, madrid = books.asked(START, ours=False), books.asked(START, ours=False, office="madrid")
    kept = books.left(START + timedelta(days=1), houston, withheld=(("cui", "none"), ("marks", "not-asked")))
    books.left(START + timedelta(days=2), madrid)
    books.left(END, houston)
    await books.write(node)
    rows, total = await audit.left(Span(START, END, None))
    assert ([row.office for row in rows], total) == (["madrid", "houston"], 2)
    rows, total = await audit.left(Span(START, END, ["houston"]))
    assert [(row.office, row.fields, row.message_id) for row in rows] == [
        ("houston", (("sex", "exact", "rule:sex"), ("age_range", "exact", "rule:age_range")), kept)
    ]
    assert (await audit.left(Span(START, END, None, skip=1)))[0][0].office == "houston"
    held, total = await audit.kept_back(Span(START, END, None))
    assert [(row.message_id, row.withheld) for row in held] == [(kept, (("cui", "none"), ("marks", "not-asked")))]
    assert await audit.kept_back(Span(START, END, ["madrid"])) == ([], 0)
    assert await audit.left(Span(START, END, [])) == ([], 0)
    assert (await audit.left(Span(START, END, ["madrid"], unclaimed=True)))[1] == 1


async def test_late_is_what_came_after_its_term_or_has_not_come(shelves, books):
    node, audit, _ = shelves
    in_time = books.asked(START, ours=False, took=5, due=10)
    late = books.asked(START, ours=False, took=11, due=10)
    missing = books.asked(START + timedelta(hours=1), due=10, office="madrid")
    books.asked(START, ours=False)
    await books.write(node)
    rows, total = await audit.late(Span(START, END, None), END)
    assert ([(row.message_id, row.ours, row.answered is None) for row in rows], total) == (
        [(missing, False, True), (late, True, False)],
        2,
    )
    assert in_time not in {row.message_id for row in rows}
    rows, _ = await audit.late(Span(START, END, ["houston"]), END)
    assert [row.message_id for row in rows] == [late]
    assert (await audit.late(Span(START, END, None), START + timedelta(hours=2)))[1] == 1


async def test_acts_are_found_by_what_they_were_about(shelves, books):
    node, audit, _ = shelves
    opening = books.asked(START, ours=False)
    await books.write(node)
    made = [(None, "x"), (opening, "y"), (opening, "z"), (message(START, 99), "other")]
    async with node.begin() as work:
        leaf = [StagedLeaf(name.encode(), name.encode(), (), "admin.action", None, None, subject) for subject, name in made]
        await work.audit.stage(leaf)
    await node.log.sequence()
    threads = await audit.threads(opening)
    assert threads == {opening}
    assert await audit.threads(message(START, 12345)) == frozenset()
    ids = await audit.ids_of(threads)
    found, total = await audit.acts(ids, skip=0, most=25)
    assert ([leaf.data for leaf in found], total) == ([b"z", b"y"], 2)
    assert (await audit.about(ids))[opening].office == "houston"


async def asked_everything(node, audit, figures, ids):
    await audit.threads("MBMID-2026-000001")
    await audit.ids_of(await audit.threads(ids[0]))
    await audit.acts(ids, skip=0, most=25)
    await audit.about(ids)
    await audit.entries_of(ids)
    for offices in (None, ["houston"]):
        span = Span(START, END, offices)
        await audit.left(span)
        await audit.kept_back(span)
        await audit.late(span, END)
    await audit.refused(skip=0, most=25)
    await figures.funnel(START, END)
    await figures.paces(START, END, END)
    await figures.asked(START, END)
    await figures.left([START, END, END + timedelta(days=30)])


async def test_no_question_reads_through_a_large_table(shelves, books):
    node, audit, figures = shelves
    await an_exchange(node, 0)
    ids = [books.asked(START, ours=False, took=5, due=1) for _ in range(2)]
    books.left(START, ids[0], withheld=(("cui", "none"),))
    await books.write(node)
    node.noted.clear()
    await asked_everything(node, audit, figures, ids)
    assert len({statement for _, statement, _ in node.noted}) > 20, "control: the statements were noted"
    assert await faults(node) == []


async def test_control_a_month_read_by_no_index_is_seen(shelves, monkeypatch):
    node, audit, _ = shelves
    monkeypatch.setattr("gateway.storage.audit_models._of_time", lambda _id, span: disclosures.c.sent_ms >= ms(span.start))
    await audit.left(Span(START, END, None))
    assert await faults(node) != []


async def test_the_upgrade_writes_down_what_old_entries_were_about(database_url):
    engine, about = create_engine(database_url), message(START, 7)
    await upgrade_engine(engine, Schema.MAIN, "r0014_attachments")
    said = [
        Leaves().leaf(LeafFields(at=1, event=LeafEvent.ADMIN, detail=detail))
        for detail in (f"request.open {about}", "user.add")
    ]
    rows = [
        {"hash": leaf.leaf_hash, "data": leaf.data, "said": to_json(leaf.disclosures), "place": place}
        for place, leaf in enumerate(said)
    ]
    rows.append(rows[0] | {"said": "not what it was", "place": 2})
    columns = "(epoch, leaf_index, leaf_hash, data, disclosures, event) VALUES (1, :place, :hash, :data, :said, 'admin.action')"
    async with engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO leaves {columns}"), rows)
    await upgrade_engine(engine, Schema.MAIN)
    async with engine.connect() as connection:
        found = (await connection.execute(text("SELECT subject FROM leaves ORDER BY leaf_index"))).scalars().all()
    await engine.dispose()
    assert found == [about, None, None]
