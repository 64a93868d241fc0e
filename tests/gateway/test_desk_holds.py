"""What an import may say at once, and what waits for a person: stories in somebody's own words, and remains. SQLite and PostgreSQL."""

import itertools

import pytest

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import Channel
from contracts.walls import WALL_HELD, WALL_TWO_PERSONS
from gateway.exchange import desk
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.departing import Held
from gateway.exchange.desk import DeskRow, send_rows
from gateway.exchange.filing import file_correction
from gateway.exchange.releasing import approve, open_parcel, release_text
from gateway.exchange.work import Worker, end_work
from tests.gateway import test_exchange
from tests.gateway.story import in_clear, opened
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.gateway.test_leaving import SECOND, by

federation = test_exchange.federation

DESK, MBMID = "gt.conamigua", "gt.igm.mbmid"
STORY = f"{CANARY} salió a pie"
_NUMBER = itertools.count(9_000)


def fields(message):
    return {item.field for record in message.records for item in record.disclosed}


async def waiting(federation):
    node = federation.nodes[DESK].capabilities
    async with node.begin() as work:
        return node, await work.departures.waiting(limit=9)


async def test_a_story_is_not_in_the_transfer_and_follows_once_a_person_has_read_it(federation):
    [result] = await send(federation, row())
    assert (result.outcome, result.kinds, result.reasons) == ("imported", ("report.transfer",), ("text-held",))
    await federation.settle()
    [transfer] = await opened_messages(federation.nodes[MBMID], "report.transfer")
    assert "narrative" not in fields(transfer)
    assert {"given_names", "surname_1", "last_contact_date"} <= fields(transfer)
    node, [held] = await waiting(federation)
    assert held.waits == (WALL_HELD,)
    _, _, [text] = await open_parcel(held.id, node)
    [prepared] = await release_text(held.id, [text.place], node, by=by(node))
    assert prepared.message.type == "correction"
    assert "narrative" in fields(prepared.message)
    assert prepared.message.thread_id == transfer.thread_id


async def corrected(federation, *, office=None):
    """A report whose story was read and followed; what the MBMID has of it."""
    await send(federation, row())
    await federation.settle()
    mbmid = federation.nodes[MBMID]
    if office is not None:
        [(opening,)] = await table(mbmid, "SELECT opening_id FROM work_items WHERE machine = 'report'")
        async with mbmid.capabilities.begin() as work:
            await work.work_items.move(ExchangeKey(NodeId(DESK), MessageId(opening)), Code(office))
    node, [held] = await waiting(federation)
    _, _, [text] = await open_parcel(held.id, node)
    await release_text(held.id, [text.place], node, by=by(node))
    await federation.settle()
    return mbmid


async def test_a_released_story_is_the_work_of_the_office_that_has_the_report(federation):
    mbmid = await corrected(federation, office="quetzaltenango")
    assert await table(mbmid, "SELECT state FROM inbox WHERE kind = 'correction'") == [("done",)]
    found = "SELECT kind, office, side FROM work_items WHERE kind = 'correction'"
    assert await table(mbmid, found) == [("correction", "quetzaltenango", "addressee")]
    assert await table(mbmid, "SELECT count(*) FROM outbox WHERE kind = 'case.status'") == [(0,)]
    assert await table(federation.nodes[DESK], "SELECT code FROM alarms WHERE code = 'not-handled-by-peer'") == []
    [message] = await opened_messages(mbmid, "correction")
    worker = Worker("p-1", mbmid.capabilities.pseudonyms.actor("p"), frozenset({Code("quetzaltenango")}))
    await end_work(message.message_id, mbmid.capabilities, by=worker)  # taken over: no word is owed for it
    assert await table(mbmid, "SELECT count(*) FROM work_items WHERE kind = 'correction' AND ended_ms IS NULL") == [(0,)]


async def test_a_correction_of_what_the_peer_never_sent_is_not_filed(federation):
    mbmid = await corrected(federation)
    [message] = await opened_messages(mbmid, "correction")
    for changed in (
        {"body": message.body.model_copy(update={"replaces": mbmid.capabilities.new_record_id(federation.clock.now())})},
        {"sender": NodeId("gt.pgn")},
        {"thread_id": mbmid.capabilities.new_thread_id(federation.clock.now())},
    ):
        with pytest.raises(NotPermittedError):
            await file_correction(message.model_copy(update=changed), mbmid.capabilities)


async def test_a_second_import_of_the_same_row_holds_nothing_twice(federation):
    again = row()
    await send(federation, again)
    [result] = await send(federation, again)
    assert result.outcome == "duplicate"
    assert len((await waiting(federation))[1]) == 1


async def test_no_copy_of_a_held_story_lies_open_in_the_database(federation):
    await send(federation, row())
    for name in ("departures", "held_texts", "outbox_bodies"):
        for found in await table(federation.nodes[DESK], f"SELECT * FROM {name}"):
            assert CANARY not in repr(found)


async def test_control_an_import_that_forwards_stories_is_seen(federation, monkeypatch):
    monkeypatch.setattr(desk, "narratives", lambda _: frozenset())
    await send(federation, row())
    await federation.settle()
    [transfer] = await opened_messages(federation.nodes[MBMID], "report.transfer")
    assert "narrative" in fields(transfer)


SHORT = {
    "marks": [{"type": "tattoo", "region": "forearm-left", "text": "Zanatukmarca"}],
    "residence": {"country": "GT", "department": "13", "municipality": "1325", "text": "Zanatukaldea"},
    "last_contact_place": {"country": "MX", "text": "Zanatukcalle"},
}


async def read_at(federation, name):
    node = federation.nodes[name]
    return "\n".join(map(in_clear, await opened(node, "%"))).casefold()


async def test_a_short_text_of_a_column_goes_to_those_whom_the_report_is_owed_and_to_nobody_else(federation):
    """Unread, as the transfer waits for nobody: to the MBMID; of a child to child protection too, but for where it lives."""

    async def told(word):
        return {name for name in federation.nodes if name != DESK and word in await read_at(federation, name)}

    await send(federation, row(**SHORT))
    await federation.settle()
    assert await told("zanatuk") == {MBMID}
    await send(federation, row(age=(9, 11), **SHORT))
    await federation.settle()
    assert await told("zanatuk") == await told("caal") == {MBMID, "gt.pgn"}
    assert await told("zanatukaldea") == {MBMID}


def remains(number):
    values = {"sex": "male", "age_range": {"min": 20, "max": 30}, "found_county": "Brooks"}
    return DeskRow(
        source="restos",
        row=number,
        key=number.to_bytes(32),
        records=(SourceRecord(RecordType.UNIDENTIFIED_REMAINS, values),),
        office=Code("huehuetenango"),
        channel=Channel.DESK,
        language="es",
        authority=Code("us.tx.brooks"),
        country="US",
    )


async def read(held, node):
    """Somebody reads the county, and lets it go."""
    _, _, texts = await open_parcel(held.id, node)
    await release_text(held.id, [text.place for text in texts], node, by=by(node, SECOND))


async def import_remains(federation, monkeypatch, person):
    from contracts.policy import Permit
    from gateway.exchange import submit

    # The first policy lets this desk send no finding.
    monkeypatch.setattr(submit, "_permit", lambda *_: Permit(Code("flow:finding-notice")))
    node = federation.nodes[DESK].capabilities
    return await send_rows([remains(next(_NUMBER))], node, actor=by(node).actor, person=person)


async def test_remains_wait_for_a_second_person_who_did_not_import_them(federation, monkeypatch):
    node = federation.nodes[DESK].capabilities
    [result] = await import_remains(federation, monkeypatch, by(node).person)
    assert (result.outcome, result.reasons, result.message_ids) == ("held", ("needs-second-person",), ())
    assert await table(federation.nodes[DESK], "SELECT kind FROM outbox") == []
    assert await table(federation.nodes[DESK], "SELECT kind, state FROM cases") == [("finding-sent", "held")]
    _, [held] = await waiting(federation)
    assert held.waits == (WALL_HELD, WALL_TWO_PERSONS)
    await read(held, node)
    assert isinstance(await approve(held.id, held.content, node, by=by(node)), Held)
    [prepared] = await approve(held.id, held.content, node, by=by(node, SECOND))
    assert prepared.message.type == "finding.notice"
    rows = "SELECT opened_by, state FROM cases WHERE kind = 'finding-sent'"
    assert await table(federation.nodes[DESK], rows) == [(str(prepared.message.message_id), "sent")]


async def test_control_remains_nobody_is_known_to_have_imported_need_two_persons_more(federation, monkeypatch):
    node = federation.nodes[DESK].capabilities
    await import_remains(federation, monkeypatch, "")
    _, [held] = await waiting(federation)
    await read(held, node)
    assert isinstance(await approve(held.id, held.content, node, by=by(node)), Held)
    assert not isinstance(await approve(held.id, held.content, node, by=by(node, SECOND)), Held)
