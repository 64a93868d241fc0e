"""Referrals between whole nodes: what each side may say when, and that both end with the same truth. SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError, StorageError, ThreadErasedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import (
    DeclineReason,
    ErasureOrder,
    ErasureOrderBody,
    ErasureReason,
    ReferralOutcome,
    ReferralProgress,
    Urgency,
    WithdrawReason,
)
from contracts.services import Service
from contracts.walls import WALL_TWO_PERSONS
from gateway.exchange import gate, receive, referrals
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.erasing import erase_turn
from gateway.exchange.gate import By
from gateway.exchange.referrals import Ending, News, Offer
from gateway.exchange.releasing import approve
from gateway.exchange.submit import Draft, submit
from gateway.exchange.work import NoSuchWorkError, Worker
from gateway.storage.erasures import SqlErasures
from gateway.storage.exchanges import SqlExchanges
from tests.gateway import test_exchange
from tests.gateway.test_exchange import row, send, table

federation = test_exchange.federation

MBMID, CONAMIGUA, PGN = "gt.igm.mbmid", "gt.conamigua", "gt.pgn"
OFFICE = Code("central")
READING = "SELECT state, outcome FROM exchanges WHERE machine = 'referral'"


def worker(node, person="p-1", office=OFFICE):
    return Worker(
        person, node.pseudonyms.actor(f"person:{person}"), frozenset({office}), unclaimed=True, known=frozenset({office})
    )


class Sides:
    """The MBMID, which offers, and CONAMIGUA, which is asked."""

    def __init__(self, federation):
        self.federation = federation
        self.opener, self.addressee = (federation.nodes[name].capabilities for name in (MBMID, CONAMIGUA))
        self.opening = None

    async def offer(self, case="caso-1", by=None, **changed):
        now = self.federation.clock.now()
        wanted = {
            "to": NodeId(CONAMIGUA), "case_ref": case, "office": OFFICE, "service": Service.TRANSPORT, "urgency": Urgency.NORMAL,
            "minor": "no", "purpose": Code("support-family"), "basis": Code("consent"), "deadline": now + timedelta(hours=72),
        } | changed  # fmt: skip
        acted = await referrals.offer(Offer(**wanted), self.opener, by=by or worker(self.opener))
        self.opening = acted.opening
        return acted

    async def accept(self, person="p-1"):
        by = worker(self.addressee, person)
        return await referrals.accept(self.opening, OFFICE, self.addressee, starts_by=None, by=by)

    async def decline(self):
        return await referrals.decline(self.opening, DeclineReason.NO_CAPACITY, None, self.addressee, by=worker(self.addressee))

    async def withdraw(self):
        return await referrals.withdraw(self.opening, WithdrawReason.NO_LONGER_NEEDED, self.opener, by=worker(self.opener))

    async def update(self, node, progress=ReferralProgress.IN_PROGRESS, *records, **changed):
        return await referrals.update(self.opening, News(progress, records=records, **changed), node, by=worker(node))

    async def done(self):
        ending = Ending(ReferralOutcome.DONE, self.federation.clock.now())
        return await referrals.done(self.opening, ending, self.addressee, by=worker(self.addressee))

    async def readings(self):
        return [await table(self.federation.nodes[name], READING) for name in (MBMID, CONAMIGUA)]


@pytest.fixture
def sides(federation):
    return Sides(federation)


PERSON = SourceRecord(
    RecordType.MISSING_PERSON,
    {"given_names": ["Ficticia"], "surname_1": "Caal", "sex": "female", "age_range": {"min": 30, "max": 35}},
)


async def test_offer_accept_records_done(sides, federation):
    await sides.offer()
    await federation.settle()
    assert await sides.readings() == [[("offered", None)]] * 2
    await sides.accept()
    await federation.settle()
    assert await sides.readings() == [[("accepted", None)]] * 2
    await sides.update(sides.opener, ReferralProgress.RECORDS_SENT, PERSON)
    await federation.settle()
    await sides.done()
    await federation.settle()
    assert await sides.readings() == [[("closed", "done")]] * 2
    carried = "SELECT kind, carries FROM exchange_messages WHERE carries ORDER BY kind"
    assert [(kind, bool(carries)) for kind, carries in await table(federation.nodes[CONAMIGUA], carried)] == [
        ("referral.update", True)
    ]
    alarms = [await table(federation.nodes[name], "SELECT code FROM alarms") for name in (MBMID, CONAMIGUA)]
    assert alarms == [[], []]


async def test_no_record_leaves_before_the_acceptance(sides, federation):
    await sides.offer()
    await federation.settle()
    before = await table(federation.nodes[MBMID], "SELECT count(*) FROM outbox")
    with pytest.raises(OutOfTurnError):
        await sides.update(sides.opener, ReferralProgress.RECORDS_SENT, PERSON)
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM outbox") == before
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM disclosures") == [(0,)]


async def test_declined_is_over_at_both_ends_and_asking_again_is_allowed(sides, federation):
    await sides.offer()
    with pytest.raises(OutOfTurnError, match="second-pending"):
        await sides.offer()
    await federation.settle()
    await sides.decline()
    with pytest.raises(OutOfTurnError):
        await sides.accept()
    await federation.settle()
    assert await sides.readings() == [[("closed", "declined")]] * 2
    await sides.offer()


async def test_another_service_of_the_same_case_is_asked_for_at_the_same_time_and_no_service_twice(sides, federation):
    await sides.offer()
    await sides.offer(service=Service.SHELTER)
    for service in (Service.SHELTER, Service.TRANSPORT):
        with pytest.raises(OutOfTurnError, match="second-pending"):
            await sides.offer(service=service)
    await federation.settle()
    await sides.decline()  # the shelter; the passage goes on
    await federation.settle()
    assert sorted(await table(federation.nodes[MBMID], READING)) == [("closed", "declined"), ("offered", None)]
    await sides.offer(service=Service.SHELTER)
    with pytest.raises(OutOfTurnError, match="second-pending"):
        await sides.offer()


async def test_of_two_offers_of_one_service_at_once_one_is_made(sides, federation):
    """Both look before either writes: the database itself decides."""

    async def tries(service):
        try:
            return await sides.offer(service=service)
        except (OutOfTurnError, StorageError):
            return None

    for number in range(5):
        service = list(Service)[number]
        made = await asyncio.gather(*(tries(service) for _ in range(4)))
        assert len([item for item in made if item is not None]) == 1
    opened = "SELECT count(*), count(DISTINCT pending_slot) FROM exchanges WHERE machine = 'referral'"
    assert await table(federation.nodes[MBMID], opened) == [(5, 5)]


async def test_an_offer_that_waited_for_a_second_person_is_the_work_of_whoever_made_it(sides, federation, monkeypatch):
    """No offer needs two persons under the first policy; under another one it may."""
    monkeypatch.setattr(gate, "walls", lambda leaving: () if leaving.approved_by else (WALL_TWO_PERSONS,))
    first, second = "0198aaaa-0000-7000-8000-000000000001", "0198aaaa-0000-7000-8000-000000000002"
    node = sides.opener
    held = (await sides.offer(by=worker(node, first))).held
    assert held is not None
    await approve(held.id, held.content, node, by=By(second, node.pseudonyms.actor(f"person:{second}")))
    taken = "SELECT office, person_id FROM work_items WHERE machine = 'referral'"
    assert await table(federation.nodes[MBMID], taken) == [(OFFICE, first)]


async def test_a_withdrawal_is_confirmed_by_the_other_node_itself(sides, federation):
    await sides.offer()
    await federation.settle()
    await sides.withdraw()
    assert (await sides.readings())[0] == [("withdrawing", None)]  # not "withdrawn" before the other side says so
    await federation.settle()
    assert await sides.readings() == [[("closed", "withdrawn")]] * 2
    with pytest.raises(OutOfTurnError):
        await sides.accept()


async def test_control_without_the_confirmation_a_withdrawal_stays_open(sides, federation, monkeypatch):
    monkeypatch.setattr("gateway.exchange.dispatch.say_owed", says_nothing)
    monkeypatch.setattr("tests.simulator.federation.say_owed", says_nothing)
    await sides.offer()
    await federation.settle()
    await sides.withdraw()
    await federation.settle()
    assert await sides.readings() == [[("withdrawing", None)]] * 2


async def test_a_process_that_dies_before_it_confirms_confirms_in_its_next_life(sides, federation, monkeypatch):
    async def dies(_node):
        return 0

    await sides.offer()
    await federation.settle()
    await sides.withdraw()
    with monkeypatch.context() as patch:
        patch.setattr("gateway.exchange.dispatch.say_owed", dies)
        patch.setattr("tests.simulator.federation.say_owed", dies)
        await federation.settle()
    await federation.reopen(CONAMIGUA)
    await federation.settle()
    assert await sides.readings() == [[("closed", "withdrawn")]] * 2
    said = "SELECT count(*) FROM exchange_messages WHERE kind = 'referral.done'"
    assert await table(federation.nodes[CONAMIGUA], said) == [(1,)]


async def refused_withdrawal(sides, federation, monkeypatch, error=NotPermittedError):
    """An offer whose withdrawal the other node refuses, signed."""
    await sides.offer()
    await federation.settle()
    look = receive._not_a_question

    def refuses(verdict, node):
        found = look(verdict, node)
        is_one = getattr(getattr(found, "message", None), "type", "") == "referral.withdraw"
        return replace(found, error=error("not taken")) if is_one else found

    with monkeypatch.context() as patch:
        patch.setattr(receive, "_not_a_question", refuses)
        await sides.withdraw()
        await federation.settle()
    ends = "SELECT state FROM outbox WHERE kind = 'referral.withdraw'"
    assert await table(federation.nodes[MBMID], ends) == [("rejected",)]


async def test_an_offer_whose_withdrawal_was_refused_stands_as_before_at_both_ends(sides, federation, monkeypatch):
    await refused_withdrawal(sides, federation, monkeypatch)
    assert await sides.readings() == [[("offered", None)]] * 2
    waits = "SELECT awaited, pending_slot FROM exchanges WHERE machine = 'referral'"
    assert await table(federation.nodes[MBMID], waits) == [("addressee", "referral:transport")]
    with pytest.raises(OutOfTurnError, match="second-pending"):
        await sides.offer()
    told = await table(federation.nodes[MBMID], "SELECT code FROM alarms")
    assert told == [("message-rejected",)]


async def test_it_can_be_withdrawn_again_after_that(sides, federation, monkeypatch):
    await refused_withdrawal(sides, federation, monkeypatch)
    await sides.withdraw()
    await federation.settle()
    assert await sides.readings() == [[("closed", "withdrawn")]] * 2


async def test_a_withdrawal_refused_because_its_thread_is_gone_there_frees_the_place(sides, federation, monkeypatch):
    await refused_withdrawal(sides, federation, monkeypatch, ThreadErasedError)
    waits = "SELECT state, awaited, pending_slot FROM exchanges WHERE machine = 'referral'"
    assert await table(federation.nodes[MBMID], waits) == [("withdrawing", None, None)]
    await sides.offer()


async def test_control_a_refused_withdrawal_that_is_left_in_the_books_waits_for_ever(sides, federation, monkeypatch):
    async def keeps_it(_self, _peer, _messages, *, now):
        return None

    monkeypatch.setattr(SqlExchanges, "unsay", keeps_it)
    await refused_withdrawal(sides, federation, monkeypatch)
    assert await sides.readings() == [[("withdrawing", None)], [("offered", None)]]


async def erased_at_the_addressee(sides, federation, monkeypatch, *, hours):
    """An offer that is withdrawn and not yet confirmed, in a thread whose erasure the opener ordered; hours pass."""
    complaints = []
    await sides.offer()
    await federation.settle()
    with monkeypatch.context() as patch:
        patch.setattr("gateway.exchange.dispatch.say_owed", says_nothing)
        patch.setattr("tests.simulator.federation.say_owed", says_nothing)
        await sides.withdraw()
        await federation.settle()
        opener = sides.opener
        body = ErasureOrderBody(messages=(sides.opening,), reason=ErasureReason.SENT_IN_ERROR)
        order = Draft(
            kind=ErasureOrder,
            to=NodeId(CONAMIGUA),
            body=body,
            purpose=Code("exercise-rights"),
            basis=Code("consent"),
            actor=opener.pseudonyms.actor("officer"),
            thread_id=opener.new_thread_id(federation.clock.now()),
            case_key="caso-1",
            deadline=federation.clock.now() + timedelta(hours=72),
        )
        await submit([order], opener)
        await federation.settle()
    addressee = federation.nodes[CONAMIGUA]
    asked = replace(addressee.capabilities, complain=lambda where, error: complaints.append((where, type(error).__name__)))
    for _ in range(0, hours + 1, 6):
        await referrals.say_owed(asked)
        while await erase_turn(addressee.capabilities, addressee.operations.scrub):
            pass
        federation.clock.forward(hours=6)
        await federation.poll()
    return asked, complaints


async def says_nothing(_node):
    return 0


async def test_a_withdrawal_in_a_thread_that_was_erased_is_over_and_nobody_complains(sides, federation, monkeypatch):
    asked, complaints = await erased_at_the_addressee(sides, federation, monkeypatch, hours=30)
    assert await referrals.say_owed(asked) == 0
    assert complaints == []
    addressee = federation.nodes[CONAMIGUA]
    reading = "SELECT state, awaited FROM exchanges WHERE machine = 'referral'"
    assert await table(addressee, reading) == [("erased", None)]
    assert await table(addressee, "SELECT count(*) FROM work_items WHERE machine = 'referral' AND ended_ms IS NULL") == [(0,)]
    async with asked.begin() as work:
        assert await work.exchanges.unconfirmed(limit=10) == []


async def test_control_an_eraser_that_leaves_the_exchange_open_is_complained_about(sides, federation, monkeypatch):
    async def leaves_it(_self, _threads, _now):
        return None

    monkeypatch.setattr(SqlErasures, "_end_exchanges", leaves_it)
    asked, complaints = await erased_at_the_addressee(sides, federation, monkeypatch, hours=30)
    for _ in range(3):
        await referrals.say_owed(asked)
    assert len(complaints) >= 3


async def test_a_withdrawal_that_comes_before_its_offer_is_confirmed_once_the_offer_is_there(sides, federation):
    await sides.offer()
    offer = await parked(federation)
    await sides.withdraw()
    await federation.settle()
    assert (await sides.readings())[1] == [("start", None)]
    await released(federation, offer)
    await federation.settle()
    assert await sides.readings() == [[("closed", "withdrawn")]] * 2


async def parked(federation):
    """Take what waits at the MBMID off its lane for a while."""
    ids = await table(federation.nodes[MBMID], "SELECT message_id FROM outbox WHERE state = 'waiting'")
    await change(federation.nodes[MBMID], "UPDATE outbox SET state = 'parked' WHERE state = 'waiting'")
    return ids


async def released(federation, _ids):
    await change(federation.nodes[MBMID], "UPDATE outbox SET state = 'waiting' WHERE state = 'parked'")


async def change(node, statement):
    from sqlalchemy import text

    from gateway.storage.engine import create_engine

    engine = create_engine(node.config.main_database)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def test_an_acceptance_that_was_said_first_counts_and_the_opener_learns_that_its_withdrawal_crossed(sides, federation):
    await sides.offer()
    await federation.settle()
    await sides.accept()
    await sides.withdraw()
    await federation.settle()
    assert await sides.readings() == [[("accepted", None)]] * 2
    crossed = [await table(federation.nodes[name], "SELECT code FROM alarms") for name in (MBMID, CONAMIGUA)]
    assert crossed == [[("message-crossed",)]] * 2
    await sides.done()
    await federation.settle()
    assert await sides.readings() == [[("closed", "done")]] * 2


async def test_another_peer_has_no_word_in_it(sides, federation):
    await sides.offer()
    await federation.settle()
    pgn = federation.nodes[PGN].capabilities
    from contracts.messages import ReferralAccept, ReferralAcceptBody
    from gateway.exchange.submit import Draft, submit

    draft = Draft(
        kind=ReferralAccept, to=NodeId(MBMID), body=ReferralAcceptBody(office=OFFICE), purpose=Code("support-family"),
        basis=Code("consent"), actor=pgn.pseudonyms.actor("x"), thread_id=pgn.new_thread_id(federation.clock.now()),
        case_key="x", in_reply_to=sides.opening,
    )  # fmt: skip
    await submit([draft], pgn)
    for _ in range(60):
        await federation.turn()
        federation.clock.forward(seconds=400)
    assert await sides.readings() == [[("offered", None)]] * 2
    assert ("message-quarantined",) in await table(federation.nodes[MBMID], "SELECT code FROM alarms")


async def test_two_persons_who_accept_at_once_are_told_who_was_first(sides, federation):
    await sides.offer()
    await federation.settle()
    await sides.accept("p-1")
    with pytest.raises(OutOfTurnError, match=r"already-decided|out-of-turn"):
        await sides.accept("p-2")
    assert await table(federation.nodes[CONAMIGUA], "SELECT person_id FROM work_items") == [("p-1",)]


async def test_work_of_another_office_is_nobody_elses(sides, federation):
    await sides.offer()
    await federation.settle()
    stranger = Worker(
        "p-9", sides.addressee.pseudonyms.actor("x"), frozenset({Code("otra")}), known=frozenset({OFFICE, Code("otra")})
    )
    with pytest.raises(NoSuchWorkError):
        await referrals.accept(sides.opening, Code("otra"), sides.addressee, starts_by=None, by=stranger)
    with pytest.raises(NoSuchWorkError):
        await referrals.accept(
            MessageId("01990000-0000-7000-8000-000000000001"), OFFICE, sides.addressee, starts_by=None, by=stranger
        )


async def test_who_is_suggested_is_a_member_and_no_text(sides, federation):
    await sides.offer()
    await federation.settle()
    by = worker(sides.addressee)
    with pytest.raises(NotPermittedError):
        await referrals.decline(sides.opening, DeclineReason.OTHER, NodeId("gt.juan.perez"), sides.addressee, by=by)
    assert (await sides.readings())[1] == [("offered", None)]


async def test_a_case_is_found_by_its_folio_or_its_thread(federation):
    await send(federation, row())
    await federation.settle()
    mbmid = federation.nodes[MBMID].capabilities
    [(thread, folio)] = await table(federation.nodes[MBMID], "SELECT thread_id, folio FROM cases")
    async with mbmid.begin() as work:
        assert await referrals.case_of(folio, work) == await referrals.case_of(thread, work)
        for wrong in ("", "x", "MBMID-2026-999999", "01990000-0000-7000-8000-000000000001"):
            with pytest.raises(NoSuchWorkError):
                await referrals.case_of(wrong, work)
