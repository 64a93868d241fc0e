"""Exchanges, ledger, consents and holds on SQLite and PostgreSQL."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from contracts.consents import ConsentEvent, ConsentForm, Limits, RelativeId, Scope, Wish, WishEvent, in_force, wish_at
from contracts.errors import MessageConflictError, StorageError
from contracts.ids import ActorPseudonym, Code, NodeId, RecordId, ThreadId
from contracts.messages import ConsentAct, DisclosedField
from contracts.threads import MACHINES, Pending, Side, begin, say, step
from gateway.exchange.case_ports import ExchangeEntry, ExchangeKey, HeldText, HoldState
from gateway.exchange.holdings import LedgerEntry, RecallState, who_has
from gateway.exchange.ports.drafts import TakenReport
from gateway.storage.engine import create_engine
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.unit_of_work import unit_of_work_factory
from tests.contracts.races import make, message_id

NOW = datetime(2026, 11, 26, 15, tzinfo=UTC)
US, PEER = NodeId("gt.igm.mbmid"), NodeId("gt.conamigua")
REFERRAL = MACHINES["referral"]
OFFICER, SECOND = ActorPseudonym("a:oficial-1"), ActorPseudonym("a:oficial-2")


@asynccontextmanager
async def opened(url):
    await upgrade_async(url, Schema.MAIN)
    engine = create_engine(url)
    try:
        yield unit_of_work_factory(engine), engine
    finally:
        await engine.dispose()


# -- exchanges -----------------------------------------------------------------------------------------------------


def said(opening, *kinds):
    """A reading after these messages, as the opener has it."""
    exchange = begin("referral", opening)
    for number, (kind, as_opener) in enumerate(kinds):
        message = make(REFERRAL, kind, 1000 + number, opening, None)
        result = say(exchange, message, as_opener=True) if as_opener else step(exchange, message, from_opener=False)
        exchange = result.exchange
    return exchange


def entry(number=0, *more, case="caso-1", side=Side.OPENER, peer=PEER):
    opening = message_id(number)
    exchange = said(opening, ("referral.offer", True), *more)
    opener = US if side is Side.OPENER else peer
    return ExchangeEntry(
        key=ExchangeKey(opener, opening),
        exchange=exchange,
        side=side,
        peer=peer,
        thread_id=ThreadId(str(message_id(500))),
        case_ref=case,
        deadline=NOW + timedelta(days=2),
        opened_at=NOW,
    )


async def test_an_exchange_comes_back_as_it_was_written_and_grows(database_url):
    async with opened(database_url) as (begin_work, _):
        first = entry()
        async with begin_work() as work:
            await work.exchanges.store([first], now=NOW)
        async with begin_work() as work:
            assert await work.exchanges.lock([first.key, ExchangeKey(US, message_id(9))], now=NOW) == {first.key: first}
            assert await work.exchanges.lock([], now=NOW) == {}
        later = entry(0, ("referral.accept", False), ("referral.update", True))
        assert later.exchange.state == "accepted"
        async with begin_work() as work:
            await work.exchanges.store([later], now=NOW)
            await work.exchanges.store([later], now=NOW)  # again changes nothing
        async with begin_work() as work:
            assert (await work.exchanges.lock([first.key], now=NOW))[first.key] == later


async def test_the_database_refuses_a_second_pending_exchange_for_one_case_and_peer(database_url):
    async with opened(database_url) as (begin_work, _):
        async with begin_work() as work:
            await work.exchanges.store([entry(0)], now=NOW)
            wanted = [Pending("referral", "caso-1", str(PEER)), Pending("search", "caso-1", str(PEER))]
            assert await work.exchanges.pending(wanted) == {wanted[0]}
        with pytest.raises(StorageError):
            async with begin_work() as work:
                await work.exchanges.store([entry(1)], now=NOW)
        async with begin_work() as work:  # other cases and other peers are none of its business, nor is what a peer opens
            others = [entry(2, case="caso-2"), entry(3, peer=NodeId("gt.pgn")), entry(4, side=Side.ADDRESSEE)]
            await work.exchanges.store([*others, entry(5, side=Side.ADDRESSEE)], now=NOW)
            assert len(await work.exchanges.lock([item.key for item in others], now=NOW)) == 3
        async with begin_work() as work:  # one ends and the next begins in one transaction, in whatever order they are named
            await work.exchanges.store([entry(6), entry(0, ("referral.decline", False))], now=NOW)
        async with begin_work() as work:
            found = await work.exchanges.lock([entry(0).key, entry(6).key], now=NOW)
            assert [item.exchange.state for item in found.values()] == ["closed", "offered"]


async def test_what_is_late_is_listed_until_it_is_said(database_url):
    async with opened(database_url) as (begin_work, _):
        async with begin_work() as work:
            await work.exchanges.store([entry(0)], now=NOW)
        due = NOW + timedelta(days=2)
        async with begin_work() as work:
            assert await work.exchanges.overdue(now=due, limit=5) == []
            late = await work.exchanges.overdue(now=due + timedelta(seconds=1), limit=5)
            assert [item.key for item in late] == [entry(0).key]
            await work.exchanges.store([entry(0, ("referral.decline", False))], now=NOW)
            assert await work.exchanges.overdue(now=due + timedelta(days=9), limit=5) == []


async def test_a_place_that_was_given_free_is_not_taken_again_by_a_late_answer(database_url):
    async with opened(database_url) as (begin_work, _):
        async with begin_work() as work:
            await work.exchanges.store([entry(0)], now=NOW)
            await work.exchanges.release(NodeId("gt.pgn"), [entry(0).key.opening])  # another peer's word frees nothing
        with pytest.raises(StorageError):
            async with begin_work() as work:
                await work.exchanges.store([entry(1)], now=NOW)
        async with begin_work() as work:
            await work.exchanges.release(PEER, [entry(0).key.opening])
            assert await work.exchanges.overdue(now=NOW + timedelta(days=9), limit=5) == []
            await work.exchanges.store([entry(1)], now=NOW)
            late = entry(0, ("referral.accept", False))
            await work.exchanges.store([late], now=NOW)
        async with begin_work() as work:
            assert (await work.exchanges.lock([late.key], now=NOW))[late.key] == late
            wanted = Pending("referral", "caso-1", str(PEER))
            assert await work.exchanges.pending([wanted]) == {wanted}


# -- ledger --------------------------------------------------------------------------------------------------------


def disclosed(field, form):
    return DisclosedField(field=Code(field), form=Code(form), rule=Code("report-01"))


def line(number, **more):
    values = {
        "record_id": RecordId(str(message_id(number))),
        "message_id": message_id(number + 100),
        "peer": PEER,
        "case_ref": "caso-1",
        "kind": "report.transfer",
        "record_type": "missing-person",
        "fields": (disclosed("surname_1", "exact"), disclosed("birth_date", "year")),
        "purpose": Code("locate-missing"),
        "basis": Code("gt:mbmid:traslado-inmediato"),
        "sent_at": NOW + timedelta(minutes=number),
        "retain_until": NOW + timedelta(days=365),
    }
    return LedgerEntry(**values | more)


async def test_the_ledger_tells_who_has_what_of_a_case(database_url):
    async with opened(database_url) as (begin_work, _):
        lines = [line(1), line(2, peer=NodeId("gt.pgn")), line(3, case_ref="caso-2")]
        async with begin_work() as work:
            await work.ledger.add(lines)
            await work.ledger.add([])
        async with begin_work() as work:
            found = await work.ledger.of_case("caso-1")
        assert list(found) == lines[:2]
        told = [(item.node, item.field, item.form, item.recall, item.overdue) for item in who_has(found, NOW)]
        assert told == [
            ("gt.conamigua", "birth_date", "year", RecallState.HELD, False),
            ("gt.conamigua", "surname_1", "exact", RecallState.HELD, False),
            ("gt.pgn", "birth_date", "year", RecallState.HELD, False),
            ("gt.pgn", "surname_1", "exact", RecallState.HELD, False),
        ]
        assert all(item.overdue for item in who_has(found, NOW + timedelta(days=365)))


async def test_a_recall_moves_only_where_it_may(database_url):
    async with opened(database_url) as (begin_work, _):
        one, other = line(1), line(2)
        ids = [one.record_id, other.record_id]
        async with begin_work() as work:
            await work.ledger.add([one, other])
            assert await work.ledger.recall(ids, RecallState.ERASED, now=NOW) == frozenset()  # nobody ordered it
            assert await work.ledger.recall(ids, RecallState.ORDERED, now=NOW, order=message_id(900)) == frozenset(ids)
            assert await work.ledger.recall([one.record_id], RecallState.ERASED, now=NOW) == {one.record_id}
            basis = Code("gt:archive-duty")
            assert await work.ledger.recall(ids, RecallState.REFUSED, now=NOW, basis=basis) == {other.record_id}
            assert await work.ledger.recall(ids, RecallState.ORDERED, now=NOW) == {other.record_id}
        async with begin_work() as work:
            await work.ledger.recall(ids, RecallState.REFUSED, now=NOW, basis=basis)
            found = await work.ledger.of_case("caso-1")
        assert [(item.recall, item.recall_basis) for item in found] == [
            (RecallState.ERASED, None),
            (RecallState.REFUSED, basis),
        ]
        assert not who_has(found[:1], NOW + timedelta(days=999))[0].overdue


async def test_what_was_not_taken_or_may_not_have_come_is_said_so_and_can_be_recalled(database_url):
    async with opened(database_url) as (begin_work, _):
        refused, unknown = line(1), line(2)
        async with begin_work() as work:
            await work.ledger.add([refused, unknown])
            await work.ledger.not_delivered([refused.message_id], RecallState.NOT_TAKEN, now=NOW)
            await work.ledger.not_delivered([unknown.message_id, refused.message_id], RecallState.UNKNOWN, now=NOW)
            found = await work.ledger.of_case("caso-1")
            assert [item.recall for item in found] == [RecallState.NOT_TAKEN, RecallState.UNKNOWN]
            ids = [refused.record_id, unknown.record_id]
            assert await work.ledger.recall(ids, RecallState.ORDERED, now=NOW) == frozenset(ids)


# -- consents ------------------------------------------------------------------------------------------------------


def decision(number, act, **more):
    values = {
        "relative": RelativeId("r:madre-1"),
        "scopes": frozenset({Scope.CONSULAR, Scope.MEXICO_RESTRICTED}),
        "effective_at": int(NOW.timestamp()) + number,
        "form": ConsentForm.WRITTEN,
        "language": "cac",
    }
    return ConsentEvent(id=message_id(number), act=act, **values | more)


async def test_decisions_come_back_and_none_is_ever_changed(database_url):
    limits = Limits(frozenset({PEER}), frozenset({Code("locate-missing")}), frozenset({Code("surname_1")}), 1_900_000_000)
    inherited = {"relative": None, "form": ConsentForm.INHERITED, "imported": True}
    events = [
        decision(1, ConsentAct.GIVEN, limits=limits, form=ConsentForm.ORAL_WITNESSED, witness=SECOND),
        decision(2, ConsentAct.WITHDRAWN, reason=Code("threat"), scopes=frozenset({Scope.CONSULAR})),
        decision(3, ConsentAct.GIVEN, **inherited),
    ]
    async with opened(database_url) as (begin_work, _):
        async with begin_work() as work:
            await work.consents.add("caso-1", events, now=NOW)
            await work.consents.add("caso-1", events[:1], now=NOW + timedelta(days=1))
            await work.consents.add("caso-1", [], now=NOW)
            await work.consents.add("caso-2", [decision(4, ConsentAct.GIVEN)], now=NOW)
        async with begin_work() as work:
            found = await work.consents.of_case("caso-1")
        assert list(found) == events
        standing = in_force(found, int(NOW.timestamp()) + 10)
        assert {scope for _, scope in standing.scopes} == {Scope.MEXICO_RESTRICTED}
        for other in (replace(events[0], limits=Limits()), decision(2, ConsentAct.GIVEN)):
            with pytest.raises(MessageConflictError):
                async with begin_work() as work:
                    await work.consents.add("caso-1", [other], now=NOW)
        with pytest.raises(MessageConflictError):
            async with begin_work() as work:
                await work.consents.add("caso-2", events[:1], now=NOW)
        async with begin_work() as work:
            assert list(await work.consents.of_case("caso-1")) == events


async def test_wishes_come_back(database_url):
    at = int(NOW.timestamp())
    wishes = [WishEvent(message_id(n), wish, at + n, Code("interview")) for n, wish in enumerate((Wish.SILENCE, Wish.CONTACT))]
    async with opened(database_url) as (begin_work, _):
        async with begin_work() as work:
            await work.consents.add_wishes("caso-1", wishes, now=NOW)
            await work.consents.add_wishes("caso-1", wishes, now=NOW)
            found = await work.consents.wishes_of("caso-1")
        assert list(found) == wishes
        assert wish_at(found, at) is Wish.SILENCE


# -- holds ---------------------------------------------------------------------------------------------------------


async def test_a_held_text_waits_for_one_person_and_the_first_decision_counts(database_url):
    thread = ThreadId(str(message_id(500)))
    texts = [HeldText(message_id(1), place, thread, b"sealed", NOW) for place in ("body.text", "records.0.narrative")]
    async with opened(database_url) as (begin_work, _), begin_work() as work:
        await work.holds.hold(texts)
        await work.holds.hold([replace(texts[0], sealed=b"other")])
        assert sorted(await work.holds.held(limit=9), key=lambda item: item.place) == texts
        assert not await work.holds.decide(message_id(1), "body.text", HoldState.HELD, by=OFFICER, now=NOW)
        assert await work.holds.decide(message_id(1), "body.text", HoldState.RELEASED, by=OFFICER, now=NOW)
        assert not await work.holds.decide(message_id(1), "body.text", HoldState.DISCARDED, by=SECOND, now=NOW)
        assert not await work.holds.decide(message_id(2), "body.text", HoldState.RELEASED, by=SECOND, now=NOW)
        assert await work.holds.held(limit=9) == [texts[1]]


async def test_a_rule_holds_until_it_is_lifted_and_that_there_was_one_stays(database_url):
    asylum = Code("asylum")
    async with opened(database_url) as (begin_work, engine):
        async with begin_work() as work:
            for target in ("country:ve", "foreign-search", "country:ve"):
                await work.holds.forbid("caso-1", target, reason=asylum, by=OFFICER, now=NOW)
            await work.holds.forbid("caso-2", "gt.pgn", reason=asylum, by=OFFICER, now=NOW)
            assert await work.holds.never_to(["caso-1", "caso-3"]) == {"caso-1": {"country:ve", "foreign-search"}}
            assert await work.holds.never_to([]) == {}
            assert await work.holds.lift("caso-1", "country:ve", by=SECOND, now=NOW)
            assert not await work.holds.lift("caso-1", "country:ve", by=SECOND, now=NOW)
            assert await work.holds.never_to(["caso-1"]) == {"caso-1": {"foreign-search"}}
            await work.holds.forbid("caso-1", "country:ve", reason=asylum, by=OFFICER, now=NOW)  # in the same millisecond
            assert await work.holds.never_to(["caso-1"]) == {"caso-1": {"country:ve", "foreign-search"}}
            await work.holds.lift("caso-1", "country:ve", by=SECOND, now=NOW + timedelta(days=1))
            await work.holds.forbid("caso-1", "country:ve", reason=asylum, by=OFFICER, now=NOW + timedelta(days=2))
        async with engine.connect() as connection:
            rows = (await connection.execute(text("SELECT count(*) FROM never_to WHERE target = 'country:ve'"))).scalar_one()
        assert rows == 2


# -- reports taken here --------------------------------------------------------------------------------------------


async def test_reports_that_a_law_keeps_hold_up_none_behind_them(database_url):
    """The oldest may be kept for years: those behind them go when it is their time all the same."""
    threads = [ThreadId(str(message_id(number))) for number in range(5)]
    async with opened(database_url) as (begin_work, _), begin_work() as work:
        for number, thread in enumerate(threads):
            taken = NOW + timedelta(minutes=number)
            await work.taken_reports.add(TakenReport(thread, message_id(number), Code("central"), OFFICER, b"sealed", taken))
        later = NOW + timedelta(days=1)
        assert await work.taken_reports.outlived(before=later, now=later, limit=2) == threads[:2]
        for thread in threads[:3]:
            assert await work.erasures.hold(thread, Code("judge"), by=OFFICER, now=NOW)
        assert await work.taken_reports.outlived(before=later, now=later, limit=2) == threads[3:]
        assert await work.taken_reports.outlived(before=NOW + timedelta(minutes=4), now=later, limit=2) == threads[3:4]
