"""No statement of what people work on, or see, reads through what the node has kept."""

from dataclasses import replace
from datetime import timedelta

from contracts.ids import Code, NodeId, RecordId, ThreadId
from contracts.notices import NoticeType
from contracts.threads import Pending, Said, Side, replay
from gateway.exchange.attachment_ports import AttachmentEntry, AttachmentState
from gateway.exchange.case_ports import ExchangeEntry, ExchangeKey, HoldState
from gateway.exchange.holdings import RecallState
from gateway.exchange.notice_ports import Hook, HookState, MailWish, PostState
from gateway.exchange.notice_ports import Notice as Told
from gateway.exchange.ports.departures import DepartureState
from gateway.exchange.ports.drafts import FormDraft, TakenReport
from gateway.exchange.sheet_ports import Sheet, SheetState
from gateway.storage.backups import checked_backups
from gateway.storage.held_models import HeldModels
from gateway.storage.seeing import Seen
from gateway.storage.worklists import Mark, Narrowed, Today, WorkLists
from tests.storage.plans import an_exchange, faults, message_at
from tests.storage.test_empty_claim import LEASE, NOW, PEER


async def test_no_page_of_a_case_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    node.noted.clear()
    ids, eyes = [str(message_at(number)) for number in (0, 1)], Seen({"a"}, {"a", "b"}, unclaimed=True)
    for everything in (True, False):
        await node.case_models.page(eyes, everything=everything, after=None, limit=25)
        await node.case_models.page(eyes, everything=everything, after=ids[1], limit=25)
    await node.case_models.one(ids[0])
    await node.case_models._held(ids)
    await node.case_models.exchanges(ids)
    await node.case_models.said(ids)
    await node.case_models.work(ids)
    await node.case_models.waiting(ids)
    await node.case_models.rules(ids)
    await node.case_models.wishes(ids)
    await node.log.acts_about(ids, limit=50)
    assert len({statement for _, statement, _ in node.noted}) > 10, "control: the statements were noted"
    assert await faults(node) == []


async def test_no_statement_of_attachments_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    node.noted.clear()
    ids, thread = [message_at(number) for number in (0, 1)], ThreadId(str(message_at(0)))
    name, sealed = "ab" * 32, b"s"
    entry = AttachmentEntry(
        ids[0], thread, PEER, outgoing=False, name=name, size=9, media_type="image/png", grade="mark", sealed=sealed,
        state=AttachmentState.WANTED, made_at=NOW, due_at=NOW,
    )  # fmt: skip
    async with node.begin() as work:
        await work.attachments.add([entry])
        await work.attachments.find(ids)
        await work.attachments.named(name)
        await work.attachments.listed(limit=50)
        await work.attachments.left([name], PEER, ids[0], thread)
        await work.attachments.claim(now=NOW, until=NOW, limit=4, but=())
        await work.attachments.move(entry)
        await work.attachments.kept_bytes()
        await work.attachments.kept_bytes(PEER)
        await work.attachments.on_disk()
        await work.attachments.of_threads([thread])
        await work.attachments.live_names([name])
        await work.attachments.unused(before=NOW, limit=50)
        await work.attachments.recalled([RecordId(ids[0])])
        await work.attachments.outstanding()
        await work.attachments.erase([thread])
        await work.attachments.erase([thread], only_from=PEER)
        await work.attachments.erase_one(ids[0])
        await work.attachments.erasing(limit=50)
        await work.attachments.erased(ids, now=NOW)
    assert len({statement for _, statement, _ in node.noted}) > 14, "control: the statements were noted"
    assert await faults(node) == []


async def test_no_statement_of_drafts_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    node.noted.clear()
    ids, thread = [message_at(number) for number in (0, 1)], ThreadId(str(message_at(0)))
    draft = FormDraft(ids[0], "p", "intake x", None, thread, True, 1, b"s", NOW, NOW)
    async with node.begin() as work:
        assert await work.form_drafts.add(draft)
        assert await work.form_drafts.change(replace(draft, version=2))
        assert await work.form_drafts.find(ids[0]) is not None
        assert await work.form_drafts.of_purpose("p", "intake x") is not None
        assert len(await work.form_drafts.of_person("p", "intake ", limit=50)) == 1
        assert await work.form_drafts.count("p") == 1
        await work.form_drafts.drop_of_thread(thread, "intake")
        await work.form_drafts.drop(ids[0])
        assert len(await work.form_drafts.outlived(before=NOW, limit=50)) == 1
        await work.form_drafts.remove(ids)
        report = TakenReport(ThreadId(str(message_at(50))), message_at(50), Code("central"), "a:oficial-1", b"s", NOW)
        for thread_id in (report.thread_id, thread):  # in the other one there are messages that stay
            await work.taken_reports.add(replace(report, thread_id=thread_id))
        assert await work.taken_reports.find(thread) is not None
        found = await work.taken_reports.outlived(before=NOW + timedelta(days=1), now=NOW, limit=50)
        assert found == [report.thread_id]
    assert len({statement for _, statement, _ in node.noted}) > 8, "control: the statements were noted"
    assert await faults(node) == []


async def test_no_statement_of_sheets_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    node.noted.clear()
    ids, thread = [message_at(number) for number in (0, 1)], ThreadId(str(message_at(0)))
    async with node.begin() as work:
        for number, item in enumerate(ids):
            sheet = Sheet(
                item, thread, "caso-1", bytes([number]) * 32, "c", b"s", SheetState.WAITING, "p", "a:oficial-1", NOW, NOW
            )
            await work.sheets.add(sheet)
        assert await work.sheets.find(ids[0]) is not None
        assert await work.sheets.by_code(bytes(32)) is not None
        assert await work.sheets.by_code(b"none") is None
        assert await work.sheets.approve(ids[0], "q")
        assert not await work.sheets.approve(ids[0], "q")
        assert len(await work.sheets.of_cases(["caso-1", str(thread)])) == 2
        assert len(await work.sheets.listed(limit=50)) == 2
        assert len(await work.sheets.end(ids, SheetState.WITHDRAWN, reason="consent", now=NOW)) == 2
        assert await work.sheets.end(ids, SheetState.WITHDRAWN, reason="consent", now=NOW) == []
        await work.erasures._empty_sheets([thread, ThreadId(ids[1])], NOW)
    assert len({statement for _, statement, _ in node.noted}) > 8, "control: the statements were noted"
    assert await faults(node) == []


async def test_no_statement_of_notices_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    node.noted.clear()
    some = [Told(NoticeType.REQUEST_RECEIVED, str(message_at(number)), "S-0000-0000", "/api/v1/held", NOW) for number in (0, 1)]
    hook = Hook("h", "n", "h.example", b"a", b"s", frozenset(), HookState.ENABLED, NOW)
    wish, ids = MailWish("p", b"a", "es", NOW), [item.id for item in some]
    async with node.begin() as work:
        await work.hooks.put(hook)
        await work.mails.wish(wish)
        await work.notices.add(some)
        assert len(await work.notices.fresh(limit=200)) == 2
        await work.notices.work_of([message_at(0), message_at(1)])
        await work.notices.spread(ids, now=NOW)
        await work.notices.asked_in([ThreadId(str(message_at(0))), ThreadId(str(message_at(1)))])
        await work.notices.down(since=NOW)
        await work.notices.back()
        await work.hooks.queue([("h", item) for item in some], now=NOW)
        [first, _] = await work.hooks.claim(now=NOW, lease=LEASE, limit=50)
        await work.hooks.finish(replace(first, state=PostState.DEAD, ended_at=NOW))
        assert len(await work.hooks.log("h", limit=100)) == 2
        assert await work.hooks.dead() == {"h": 1}
        assert await work.hooks.again("h", None, now=NOW) == 1
        await work.hooks.again("h", ids[0], now=NOW)
        await work.mails.queue([("p", item) for item in some], now=NOW, urgent=True)
        assert await work.mails.wishing(["p", "q"]) == {"p"}
        [(_, told)] = await work.mails.claim(now=NOW, lease=LEASE, limit=10)
        assert {item.id for item in told} == set(ids)
        await work.mails.sent("p", ids, now=NOW, next_at=NOW)
        await work.mails.failed(wish)
        await work.mails.give_up(wish, ids, now=NOW)
        await work.mails.wish_of("p")
        await work.mails.no_more("p")
        assert await work.notices.forget(before=NOW + LEASE, limit=500) == 2
        await work.hooks.remove("h")
    assert len({statement for _, statement, _ in node.noted}) > 20, "control: the statements were noted"
    assert await faults(node) == []


async def test_no_statement_of_casework_reads_through_a_large_table(node):
    """Departures, exchanges, the inbox of work, consents, wishes, rules, held texts, and the lists people look at."""
    await an_exchange(node, 0)
    node.noted.clear()
    ids, thread = [message_at(number) for number in (0, 1)], ThreadId(str(message_at(0)))
    records = [RecordId(item) for item in ids]
    async with node.begin() as work:
        await work.departures.serialise(["caso-1"])
        await work.departures.find(ids[0])
        await work.departures.waiting(limit=50)
        await work.departures.due(now=NOW, limit=50)
        await work.departures.drop_shown(before=NOW, now=NOW)
        await work.departures.end(ids[0], DepartureState.DROPPED, now=NOW)
        await work.departures.approvers(ids[0], "c")
        await work.departures.sent_body(PEER, ids[0])
        await work.departures.received_body(ids[0], ["search.request"])
        await work.departures.taken_answer(thread, ids[0], ["search.response"])
        await work.departures.answers_to(ids[0])
        await work.departures.waiting_beside(ids[0], "case.status")
        await work.departures.sent_beside(ids[0], "case.status")
        await work.departures.prepared("caso-1", "finding.notice")
        await work.departures.said(thread, "case.status")
        keys = [ExchangeKey(PEER, item) for item in ids]
        await work.exchanges.lock(keys, now=NOW)
        await work.exchanges.pending([Pending("referral", "caso-1", str(PEER), "shelter")] * 2)
        await work.exchanges.release(PEER, ids)
        await work.exchanges.unsay(PEER, ids, now=NOW)
        await work.exchanges.set_deadline(keys[0], PEER, NOW)
        await work.exchanges.unconfirmed(limit=50)
        await work.exchanges.overdue(now=NOW, limit=50)
        await work.exchanges.store([closed_exchange()], now=NOW)
        await work.work_items.offices_of([thread, ThreadId(ids[1])])
        await work.work_items.move(keys[0], Code("central"))
        await work.ledger.of_case("caso-1", ["alias-1", "alias-2"])
        await work.ledger.of_order(ids[0])
        await work.ledger.was_ordered(ids[0], PEER)
        await work.ledger.order_lost(ids, now=NOW)
        await work.ledger.not_delivered(ids, RecallState.UNKNOWN, now=NOW)
        await work.ledger.recall(records, RecallState.ORDERED, now=NOW, order=ids[0])
        await work.consents.of_case("caso-1")
        await work.consents.wishes_of("caso-1")
        await work.holds.held(limit=50)
        await work.holds.of_message(ids[0])
        await work.holds.decide(ids[0], "0.0", HoldState.RELEASED, by="a:x", now=NOW)
        await work.holds.never_to(["caso-1", "caso-2"])
        await work.erasures.undated(limit=50)
        await work.erasures.holds([thread])
    await node.models.questions(NOW)
    eyes = Seen(frozenset({"central"}), frozenset({"central"}), unclaimed=True)
    await node.models.questions(NOW, eyes)
    await node.models.departures(eyes, actor="a:x")
    await node.models.departure(ids[0])
    await node.models.departure_hidden(ids[0], eyes, actor="a:x")
    await node.work_models.hidden(ids[0], eyes)
    await node.work_models.case_hidden("caso-1", eyes)
    for everything in (False, True):
        await node.work_models.work(eyes, everything=everything)
    await worklists_read(node, eyes, ids)
    await node.work_models.reports(eyes)
    await node.work_models.reports(eyes, thread=thread)
    assert len({statement for _, statement, _ in node.noted}) > 38, "control: the statements were noted"
    assert await faults(node) == []


async def worklists_read(node, eyes, ids):
    lists, mark, today = WorkLists(node.models.engine), Mark(1, 1, 1, ids[0], PEER), Today(NOW, {"central": NOW}, NOW)
    only = Narrowed(machine="search", office="central", person=ids[0])
    await lists.counts(eyes, today, only)
    for where in ({}, {"after": mark}, {"before": mark}):
        await lists.page(eyes, today, only, rows=25, **where)
    for where in ({}, {"after": mark}):
        await lists.over(eyes, only, rows=25, **where)
    await lists.undelivered(eyes, only, since=NOW, rows=25)
    await lists.terms(eyes, start=NOW, end=NOW, rows=500)
    await lists.answer_waiting(ids[0], ["search.response"])
    held = HeldModels(node.models.engine)
    for after in (None, Mark(0, 0, int(NOW.timestamp() * 1000) + 1, ids[1], "gt.x")):
        await held.newest(eyes, most=300, after=after)
    await held.one(PEER, ids[0], eyes)
    await held.taken(ids[0], eyes)
    await held.of(ids, eyes)
    await held.verdicts(ids[0])
    async with node.begin() as work:
        await work.candidates.say(ids[0], ExchangeKey(PEER, ids[1]), "no", "a:x", now=NOW)


def closed_exchange():
    said = [Said(message_at(0), "referral.offer", Side.OPENER, None, carries=False)]
    said.append(Said(message_at(1), "referral.decline", Side.ADDRESSEE, message_at(0), carries=False))
    return ExchangeEntry(
        key=ExchangeKey(PEER, message_at(0)), exchange=replay("referral", message_at(0), said), side=Side.OPENER, peer=PEER,
        thread_id=ThreadId(str(message_at(0))), case_ref="caso-1", deadline=NOW, opened_at=NOW,
    )  # fmt: skip


async def test_no_statement_about_links_reads_through_a_large_table(node):
    """What went over each link: a peer's month by its index, never everything there ever was."""
    await node.links.contacts([PEER, NodeId("gt.minex")])
    await node.links.carried([PEER, NodeId("gt.minex")], NOW - timedelta(days=30))
    await node.links.days(PEER, NOW - timedelta(days=30), timedelta(hours=-6))
    await node.links.sources(["reportes", "restos"])
    await checked_backups(node.engines[1])
    assert len(node.noted) >= 7, "control: the statements were noted"
    assert await faults(node) == []
