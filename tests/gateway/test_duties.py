"""Duties told by an officer, and their end told to everybody at once, whatever is repeated. SQLite and PostgreSQL."""

import pytest

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from gateway.exchange.duties import Duty, cancel, note_cancelled, notify, told_of
from gateway.exchange.referrals import case_of
from gateway.exchange.work import NoSuchWorkError
from tests.gateway import test_exchange
from tests.gateway.story import opened
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_leaving import by

federation = test_exchange.federation

DESK, PGN, MBMID = "gt.conamigua", "gt.pgn", "gt.igm.mbmid"
CHILD = {"given_names": ["Ficticia"], "sex": "female", "age_range": {"min": 15, "max": 15}}


def duty(case_ref, to=PGN, **more):
    found = {
        "to": NodeId(to), "case_ref": case_ref, "duty": Code("alba-keneth"), "purpose": Code("protect-child"),
        "basis": Code("gt:alba-keneth:8"), "age_known": True, "records": (SourceRecord(RecordType.MISSING_PERSON, CHILD),),
    }  # fmt: skip
    return Duty(**(found | more))


async def standing(node, case_ref):
    async with node.begin() as work:
        return [entry.exchange.state for entry in await told_of(case_ref, work, node)]


async def test_all_notices_of_a_case_end_together_and_once(federation):
    node = federation.nodes[DESK].capabilities
    await send(federation, row(age=(15, 15)))
    await federation.settle()
    async with node.begin() as work:
        case_ref = await case_of("MBMID-2026-000001", work)
    await notify(duty(case_ref), node, by=by(node))
    await federation.settle()
    assert await standing(node, case_ref) == ["told", "told"]
    sent = await cancel(case_ref, node, by=by(node))
    assert len(sent) == 2
    assert await standing(node, case_ref) == ["closed", "closed"]
    await federation.settle()
    pgn = federation.nodes[PGN]
    cancelled = await opened(pgn, "duty.cancel")
    assert {message.message_id for message in cancelled} == set(sent)
    for message in cancelled:  # again, as after a crash: nothing is doubled
        await note_cancelled(message, pgn.capabilities)
    assert await table(pgn, "SELECT DISTINCT state FROM cases WHERE kind = 'duty'") == [("cancelled",)]
    assert await table(pgn, "SELECT count(*) FROM alarms WHERE code = 'duty-cancelled'") == [(2,)]
    with pytest.raises(NoSuchWorkError):
        await cancel(case_ref, node, by=by(node))
    assert await table(federation.nodes[DESK], "SELECT count(*) FROM outbox WHERE kind = 'duty.cancel'") == [(2,)]


async def test_nobody_ends_what_another_told_and_no_duty_goes_where_there_is_none(federation):
    node, pgn = federation.nodes[DESK].capabilities, federation.nodes[PGN]
    with pytest.raises(NotPermittedError):
        await notify(duty("caso-1", to=MBMID), node, by=by(node))
    await notify(duty("caso-1"), node, by=by(node))
    await federation.settle()
    await cancel("caso-1", node, by=by(node))
    await federation.settle()
    [message] = await opened(pgn, "duty.cancel")
    forged = message.model_copy(update={"sender": NodeId(MBMID)})
    async with pgn.capabilities.begin() as work:
        await work.cases.set_state(message.thread_id, state="received")
    await note_cancelled(forged, pgn.capabilities)
    assert await table(pgn, "SELECT state FROM cases WHERE kind = 'duty'") == [("received",)]
