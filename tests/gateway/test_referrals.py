"""Referrals between whole nodes: what each side may say when, and that both end with the same truth. SQLite and PostgreSQL."""

from datetime import timedelta

import pytest

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import DeclineReason, ReferralOutcome, ReferralProgress, Urgency, WithdrawReason
from contracts.services import Service
from gateway.exchange import referrals
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.referrals import Ending, News, Offer
from gateway.exchange.work import NoSuchWorkError, Worker
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

    async def offer(self, case="caso-1", **changed):
        now = self.federation.clock.now()
        wanted = {
            "to": NodeId(CONAMIGUA), "case_ref": case, "office": OFFICE, "service": Service.TRANSPORT, "urgency": Urgency.NORMAL,
            "minor": "no", "purpose": Code("support-family"), "basis": Code("consent"), "deadline": now + timedelta(hours=72),
        } | changed  # fmt: skip
        acted = await referrals.offer(Offer(**wanted), self.opener, by=worker(self.opener))
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
    async def says_nothing(_node):
        return 0

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
