"""A report that is another's now leaves a receipt, and two about one person are one search: on SQLite and PostgreSQL."""

import pytest

from contracts.errors import MessageConflictError, NotPermittedError
from gateway.exchange.handing_over import reduce_turn
from gateway.exchange.referrals import case_of, entry_of
from gateway.exchange.same_person import join, part
from gateway.exchange.work import NoSuchWorkError
from tests.gateway import test_exchange
from tests.gateway.test_exchange import row, send, table

federation = test_exchange.federation

DESK, MBMID = "gt.conamigua", "gt.igm.mbmid"
LENGTHS = "SELECT kind, length(body) > 0 FROM outbox JOIN outbox_bodies USING (lane, message_id) ORDER BY kind"


async def test_a_childs_report_and_its_notice_are_reduced_together_and_each_once(federation):
    node = federation.nodes[DESK]
    await send(federation, row(age=(15, 15)))
    await federation.settle()
    for days, kept in ((6, [1, 1]), (2, [0, 0])):
        federation.clock.forward(days=days)
        await reduce_turn(node.capabilities)
        assert [(kind, int(there)) for kind, there in await table(node, LENGTHS)] == list(
            zip(("duty.notice", "report.transfer"), kept, strict=True)
        )
    await reduce_turn(node.capabilities)
    leaves = await table(node, "SELECT count(*) FROM leaf_staging WHERE event = 'admin.action'")
    assert leaves == [(1,)]


async def test_reports_are_joined_and_parted_and_nothing_else_is(federation):
    await send(federation, row(), row(), row())
    await federation.settle()
    node = federation.nodes[MBMID].capabilities
    actor = node.pseudonyms.actor("officer")
    folios = await test_exchange.folios(federation)
    async with node.begin() as work:
        first, second, third = [await entry_of(folio, work) for folio in folios]
        await join(second, first, work, node, actor=actor)
    async with node.begin() as work:
        first, second, third = [await entry_of(folio, work) for folio in folios]
        assert await case_of(folios[1], work) == await case_of(folios[0], work) != await case_of(folios[2], work)
        assert await work.cases.with_same_person(first.thread_id) == [second.thread_id]
        await join(second, first, work, node, actor=actor)  # again: nothing more happens
        for case, to, refusal in (
            (third, third, NotPermittedError),
            (third, second, NotPermittedError),
            (second, third, MessageConflictError),
            (first, third, MessageConflictError),
        ):
            with pytest.raises(refusal):
                await join(case, to, work, node, actor=actor)
        await part(second, work, node, actor=actor)
    async with node.begin() as work:
        second = await entry_of(folios[1], work)
        assert await case_of(folios[1], work) != await case_of(folios[0], work)
        with pytest.raises(NoSuchWorkError):
            await part(second, work, node, actor=actor)
