"""Terms of work on whole nodes: counted, kept, told of once, whatever the clock or the process does. SQLite and PostgreSQL."""

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from contracts.calendars import Holidays, OfficeCalendar, Opening, week
from contracts.ids import Code, Folio, NodeId
from contracts.messages import Urgency
from contracts.policy import Counting, load_template, parse_policy
from gateway.exchange import deadlines
from gateway.exchange.deadlines import deadline_turn, moment_after
from gateway.exchange.departing import Held
from gateway.exchange.identities import Check, check_identity
from gateway.exchange.oversight import ask_window
from gateway.exchange.searching import FieldsWanted, ask_fields, ask_search
from gateway.exchange.work import WorkTakenError, end_work, take_work
from tests.gateway import test_exchange, test_referrals
from tests.gateway.story import sent
from tests.gateway.test_answers import question
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_leaving import by
from tests.gateway.test_referrals import CONAMIGUA, MBMID, change, worker
from tests.simulator.federation import simulated_federation

federation = test_exchange.federation
sides = test_referrals.sides

RENAP, PDH = "gt.renap", "gt.pdh"
LAW = Code("gt:codigo-migracion:198-207")
ZONE = ZoneInfo("America/Guatemala")
OPEN = Opening(8 * 60, 16 * 60)
HOURS = week([[OPEN]] * 5 + [[], []])
CALENDAR = OfficeCalendar(ZONE, HOURS, Holidays(frozenset({2026, 2027}), frozenset({date(2026, 12, 25)})))
TOLD = "SELECT code FROM alarms WHERE code LIKE 'deadline-%' ORDER BY code"


async def always(_office):
    return None


async def told(federation, name):
    return [code for (code,) in await table(federation.nodes[name], TOLD)]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("start", "hours", "urgency", "due"),
    [
        ("2026-11-24T09:00", 4, None, "2026-11-24T13:00"),  # a Tuesday, open then
        ("2026-11-27T15:00", 24, None, "2026-11-30T08:00"),  # over on a Saturday: on Monday
        ("2026-11-24T15:00", 4, None, "2026-11-25T08:00"),  # over in the evening
        ("2026-12-24T09:00", 24, None, "2026-12-28T08:00"),  # over on Christmas, a Friday
        ("2026-11-27T15:00", 24, Urgency.LIFE_AT_RISK, "2026-11-28T15:00"),  # a life does not wait for Monday
        ("2028-11-24T09:00", 4, None, "2028-11-24T13:00"),  # nobody knows that year's holidays
    ],
)
def test_hours_end_when_the_office_can_answer(start, hours, urgency, due):
    assert moment_after(at(start), hours, CALENDAR, urgency=urgency) == at(due)


@pytest.mark.parametrize(
    ("start", "hours", "counting", "due"),
    [
        ("2026-11-27T15:00", 24, Counting.ELAPSED, "2026-11-28T15:00"),  # a child is missing on Saturday too
        ("2026-11-27T15:00", 24, Counting.OPENING, "2026-11-30T08:00"),
        ("2026-11-27T15:00", 9, Counting.WORKING, "2026-11-30T16:00"),  # one hour on Friday, eight on Monday
        ("2026-12-24T12:00", 5, Counting.WORKING, "2026-12-28T09:00"),  # not at Christmas
    ],
)
def test_hours_run_as_the_policy_says(start, hours, counting, due):
    assert moment_after(at(start), hours, CALENDAR, counting=counting) == at(due)


def test_a_duty_for_a_child_runs_day_and_night_and_a_search_does_not():
    policy = parse_policy(load_template("first-policy"))
    assert policy.counting("flow:duty-notice") is Counting.ELAPSED
    assert policy.counting("flow:search-national") is Counting.OPENING


async def test_who_is_told_goes_up_while_nobody_answers(sides, federation):
    await sides.offer()
    await federation.settle()
    await deadline_turn(sides.addressee, always)
    federation.clock.forward(hours=73)
    for _ in range(2):
        await deadline_turn(sides.addressee, always)
    assert await told(federation, CONAMIGUA) == ["deadline-passed"]
    federation.clock.forward(hours=25)
    for _ in range(2):
        await deadline_turn(sides.addressee, always)
    assert await told(federation, CONAMIGUA) == ["deadline-ignored", "deadline-passed"]
    shown = (await federation.nodes[CONAMIGUA].operations.alarms())["alarms"]
    assert {item["code"]: item["for"] for item in shown if item["code"].startswith("deadline-")} == {
        "deadline-passed": ["office-head"],
        "deadline-ignored": ["data-protection", "node-admin"],
    }


async def test_who_answered_after_the_head_was_told_is_not_told_of_further_up(sides, federation):
    await sides.offer()
    await federation.settle()
    await deadline_turn(sides.addressee, always)
    federation.clock.forward(hours=73)
    await deadline_turn(sides.addressee, always)
    await sides.decline()
    federation.clock.forward(hours=25)
    await deadline_turn(sides.addressee, always)
    assert await told(federation, CONAMIGUA) == ["deadline-passed"]


async def test_a_question_nobody_answers_is_overdue_at_both_ends(federation):
    asker, holder = (federation.nodes[name] for name in (MBMID, CONAMIGUA))
    await ask_search(question(), asker.capabilities, by=by(asker.capabilities))
    await federation.settle()
    for node in (asker, holder):
        assert [item["overdue"] for item in await node.operations.models.questions(federation.clock.now())] == [False]
        await deadline_turn(node.capabilities, always)
    federation.clock.forward(days=30)
    for node in (asker, holder):
        assert [item["overdue"] for item in await node.operations.models.questions(federation.clock.now())] == [True]
        await deadline_turn(node.capabilities, always)
    assert [await told(federation, name) for name in (MBMID, CONAMIGUA)] == [["deadline-passed"]] * 2


DUE = {
    "search.request": lambda node, calendar: ask_search(question(calendar=calendar), node, by=by(node)),
    "disclosure.request": lambda node, calendar: ask_fields(
        FieldsWanted(
            to=NodeId(CONAMIGUA),
            record_type=Code("unidentified-person"),
            fields=(Code("sex"),),
            reason=Code("compare"),
            purpose=Code("locate-missing"),
            basis=LAW,
            case_ref="caso-1",
            calendar=calendar,
        ),
        node,
        by=by(node),
    ),
    "identity.check": lambda node, calendar: check_identity(
        Check(
            doubt="data-matches",
            purpose=Code("locate-missing"),
            basis=LAW,
            case_ref="caso-1",
            record=question().records[0],
            calendar=calendar,
        ),
        node,
        by=by(node),
    ),
    "audit.request": lambda node, calendar: ask_window(
        Folio("MBMID-2026-000001"), "EXP-2026-1", NodeId(MBMID), node, by=by(node), calendar=calendar
    ),
}


@pytest.mark.parametrize("kind", DUE)
async def test_every_question_is_due_when_the_office_that_asks_works(tmp_path, kind):
    async with simulated_federation(tmp_path, MBMID, CONAMIGUA, RENAP, PDH) as federation:
        federation.clock.forward(hours=10)  # seven in the evening there: whole days later nobody works either
        asker = federation.nodes[PDH if kind == "audit.request" else MBMID]
        assert not isinstance(await DUE[kind](asker.capabilities, CALENDAR), Held)
        [message] = await sent(asker, kind)
        assert datetime.fromtimestamp(message.deadline, ZONE).time() == time(8)
        await federation.settle()
        kept = [await table(node, f"SELECT due_ms FROM work_items WHERE kind = '{kind}'") for node in federation.nodes.values()]
        both = [] if kind == "audit.request" else [(message.deadline * 1000,)] * 2  # a window is nobody's work
        assert [term for terms in kept for term in terms] == both


def test_an_answer_that_must_have_a_term_gets_the_usual_hours_run_as_the_flow_says(monkeypatch):
    clock = SimpleNamespace(now=lambda: at("2026-11-27T15:00"))
    for counting, due in ((Counting.ELAPSED, "2026-11-30T15:00"), (Counting.WORKING, "2026-12-10T15:00")):
        monkeypatch.setattr(deadlines, "_allowed", lambda *_, how=counting: (None, how))
        asked = (SimpleNamespace(clock=clock), "referral.offer", CONAMIGUA, (), Urgency.NORMAL, CALENDAR)
        assert deadlines.due_by_policy(*asked) is None
        assert deadlines.answer_due(*asked) == at(due)


async def test_a_question_on_which_a_life_hangs_waits_for_no_office(federation):
    node = federation.nodes[MBMID].capabilities
    federation.clock.forward(hours=10)
    asked = await ask_search(question(urgency=Urgency.LIFE_AT_RISK, calendar=CALENDAR), node, by=by(node))
    assert datetime.fromtimestamp(asked.message.deadline, UTC) == federation.clock.now() + timedelta(hours=4)


def test_without_an_office_hours_just_pass():
    assert moment_after(at("2026-11-27T15:00"), 24, None) == at("2026-11-28T15:00")


async def test_an_offer_is_reminded_of_then_escalated_at_both_ends_once_each(sides, federation):
    await sides.offer()
    await federation.settle()
    nodes = [sides.opener, sides.addressee]
    for _ in range(3):
        for node in nodes:
            await deadline_turn(node, always)
    assert [await told(federation, name) for name in (MBMID, CONAMIGUA)] == [[], []]
    federation.clock.forward(hours=60)
    for _ in range(3):
        for node in nodes:
            await deadline_turn(node, always)
    assert [await told(federation, name) for name in (MBMID, CONAMIGUA)] == [["deadline-near"]] * 2
    federation.clock.forward(hours=13)
    for _ in range(3):
        for node in nodes:
            await deadline_turn(node, always)
    assert [await told(federation, name) for name in (MBMID, CONAMIGUA)] == [["deadline-near", "deadline-passed"]] * 2


async def test_after_a_long_sleep_only_what_is_worse_is_told_and_a_restart_tells_nothing_again(sides, federation):
    await sides.offer()
    await federation.settle()
    federation.clock.forward(hours=80)
    await deadline_turn(sides.addressee, always)
    assert await told(federation, CONAMIGUA) == ["deadline-passed"]
    node = await federation.reopen(CONAMIGUA)
    await deadline_turn(node.capabilities, always)
    assert await told(federation, CONAMIGUA) == ["deadline-passed"]
    [(leaves,)] = await table(federation.nodes[CONAMIGUA], "SELECT count(*) FROM leaf_staging WHERE event = 'admin.action'")
    assert leaves == 1


async def test_nothing_is_told_twice_when_somebody_reads_the_alarm_and_the_clock_goes_back(sides, federation):
    await sides.offer()
    await federation.settle()
    federation.clock.forward(hours=73)
    await deadline_turn(sides.addressee, always)
    await change(federation.nodes[CONAMIGUA], "DELETE FROM alarms")
    federation.clock.forward(hours=-20)
    await deadline_turn(sides.addressee, always)
    federation.clock.forward(hours=20)
    await deadline_turn(sides.addressee, always)
    assert await told(federation, CONAMIGUA) == []


async def test_control_a_turn_that_does_not_write_down_what_it_told_tells_again(sides, federation, monkeypatch):
    async def forgets(self, _key, _notice, _term, *, now):
        return True

    monkeypatch.setattr("gateway.storage.work_items.SqlWorkItems.told", forgets)
    await sides.offer()
    await federation.settle()
    federation.clock.forward(hours=73)
    await deadline_turn(sides.addressee, always)
    await change(federation.nodes[CONAMIGUA], "DELETE FROM alarms")
    await deadline_turn(sides.addressee, always)
    assert await told(federation, CONAMIGUA) == ["deadline-near", "deadline-passed"]


async def test_a_clock_that_jumped_tells_nobody_anything(sides, federation, monkeypatch):
    await sides.offer()
    await federation.settle()
    federation.clock.forward(hours=80)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.exchange.timekeeping.Timekeeper.skew", lambda _self: timedelta(hours=80))
        await deadline_turn(sides.addressee, always)
        assert await told(federation, CONAMIGUA) == []
    await deadline_turn(sides.addressee, always)  # control: it was the clock
    assert await told(federation, CONAMIGUA) == ["deadline-passed"]


@pytest.mark.parametrize("end", ["accept", "decline", "withdraw"])
async def test_whoever_answered_in_time_hears_nothing(sides, federation, end):
    await sides.offer()
    await federation.settle()
    await getattr(sides, end)()
    await federation.settle()
    federation.clock.forward(hours=200)
    for node in (sides.opener, sides.addressee):
        await deadline_turn(node, always)
    assert [await told(federation, name) for name in (MBMID, CONAMIGUA)] == [[], []]


async def test_accepted_work_has_the_term_its_worker_named(sides, federation):
    await sides.offer()
    await federation.settle()
    await sides.accept()
    await federation.settle()
    due = federation.clock.now() + timedelta(hours=48)
    await sides.update(sides.addressee, expected_by=due)
    await federation.settle()
    for name in (MBMID, CONAMIGUA):
        [(kept,)] = await table(federation.nodes[name], "SELECT due_ms FROM work_items")
        assert kept // 1000 == int(due.timestamp())
    federation.clock.forward(hours=50)
    await deadline_turn(sides.opener, always)
    assert await told(federation, MBMID) == ["deadline-passed"]


async def test_a_report_nobody_took_is_escalated_and_one_that_was_taken_is_not(federation):
    await send(federation, row(), row())
    await federation.settle()
    mbmid = federation.nodes[MBMID]
    assert await table(mbmid, "SELECT machine, due_ms FROM work_items") == [("report", None)] * 2
    await deadline_turn(mbmid.capabilities, always)
    items = await table(mbmid, "SELECT opening_id, opened_ms, due_ms, escalate_ms FROM work_items ORDER BY opening_id")
    hours = mbmid.capabilities.trust().policy.deadline_hours("flow:report-transfer", Urgency.NORMAL)
    assert hours is not None
    assert {due - opened for _, opened, due, _ in items} == {hours * 3_600_000}
    by = worker(mbmid.capabilities)
    await take_work(items[0][0], mbmid.capabilities, by=by)
    with pytest.raises(WorkTakenError):
        await take_work(items[0][0], mbmid.capabilities, by=worker(mbmid.capabilities, "p-2"))
    federation.clock.forward(hours=2000)
    await deadline_turn(mbmid.capabilities, always)
    assert await told(federation, MBMID) == ["deadline-passed"]
    await end_work(items[0][0], mbmid.capabilities, by=by)
    with pytest.raises(WorkTakenError):
        await end_work(items[0][0], mbmid.capabilities, by=by)


async def test_the_office_of_the_work_counts_its_own_time(federation):
    await send(federation, row())
    await federation.settle()
    asked = []

    async def calendar_of(office):
        asked.append(office)
        return CALENDAR

    mbmid = federation.nodes[MBMID]
    await deadline_turn(mbmid.capabilities, calendar_of)
    await deadline_turn(mbmid.capabilities, calendar_of)
    assert asked == [None]  # counted once, and kept
    [(due,)] = await table(mbmid, "SELECT due_ms FROM work_items")
    moment = datetime.fromtimestamp(due / 1000, UTC)
    assert CALENDAR.next_working_moment(moment) == moment


async def test_what_was_answered_in_time_is_not_looked_at_again(sides, federation):
    await sides.offer()
    await federation.settle()
    await sides.decline()
    await federation.settle()
    waiting = "SELECT count(*) FROM work_items WHERE escalate_ms IS NOT NULL"
    assert await table(federation.nodes[MBMID], waiting) == [(1,)]
    federation.clock.forward(hours=100)
    await deadline_turn(sides.opener, always)
    assert await table(federation.nodes[MBMID], waiting) == [(0,)]


async def test_a_later_deadline_of_the_exchange_moves_the_term(federation):
    await send(federation, row())
    await federation.settle()
    mbmid = federation.nodes[MBMID]
    await deadline_turn(mbmid.capabilities, always)
    [(due,)] = await table(mbmid, "SELECT due_ms FROM work_items")
    await change(mbmid, f"UPDATE exchanges SET deadline_ms = {due + 3_600_000}")
    await deadline_turn(mbmid.capabilities, always)
    assert await table(mbmid, "SELECT due_ms FROM work_items") == [(due + 3_600_000,)]


def test_every_notice_has_its_own_name():
    assert deadlines.NEAR != deadlines.PASSED
    assert Code(deadlines.NEAR)
