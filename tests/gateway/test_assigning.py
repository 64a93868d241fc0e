"""Which office work goes to: the first rule that fits, whatever the order of the message's own parts. And what is filed of it."""

import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import StorageError
from contracts.ids import Code, NodeId
from gateway.config import NodeConfig
from gateway.exchange.assigning import Assignments, OfficeRule, record_types, term_of
from gateway.exchange.work import NoSuchWorkError, Worker, end_work, move_work, take_work
from gateway.main.node import _assignments
from gateway.storage.work_items import SqlWorkItems
from tests.contracts.samples import EXAMPLES
from tests.gateway import test_exchange
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_referrals import MBMID, worker
from tests.storage.test_case_stores import NOW

federation = test_exchange.federation

OFFER, REPORT = EXAMPLES["referral.offer"], EXAMPLES["report.transfer"]


def rule(office="a", **wanted):
    return OfficeRule(Code(office), **{name: frozenset(values) for name, values in wanted.items()})


@pytest.mark.parametrize(
    ("message", "wanted", "fits"),
    [
        (OFFER, {}, True),
        (OFFER, {"types": ["referral.offer"]}, True),
        (OFFER, {"types": ["search.request"]}, False),
        (OFFER, {"services": [OFFER.body.service.value]}, True),
        (OFFER, {"services": ["no-such-service"]}, False),
        (OFFER, {"senders": [OFFER.sender]}, True),
        (OFFER, {"senders": [NodeId("gt.otro")]}, False),
        (OFFER, {"records": ["missing-person"]}, False),
        (OFFER, {"offices": ["huehuetenango"]}, False),
        (REPORT, {"offices": [REPORT.body.office]}, True),
        (REPORT, {"records": list(record_types(REPORT))}, bool(record_types(REPORT))),
        (OFFER, {"types": ["referral.offer"], "senders": [NodeId("gt.otro")]}, False),
    ],
)
def test_a_rule_fits_when_the_message_has_one_of_each(message, wanted, fits):
    assert rule(**wanted).fits(message) is fits


def test_the_first_rule_counts_then_the_default_then_nobody():
    rules = (rule("a", types=["search.request"]), rule("b", types=["referral.offer"]), rule("c"))
    assert Assignments(rules, Code("z")).office_for(OFFER) == "b"
    assert Assignments(rules[:1], Code("z")).office_for(OFFER) == "z"
    assert Assignments(rules[:1]).office_for(OFFER) is None


@given(st.permutations([rule("a", types=["referral.offer"]), rule("b", senders=[OFFER.sender]), rule("c", types=["ping"])]))
def test_in_any_order_it_is_the_first_that_fits(rules):
    expected = next(item.office for item in rules if item.office != "c")
    assert Assignments(tuple(rules)).office_for(OFFER) == expected


def test_the_configuration_makes_the_rules(tmp_path):
    written = {
        "node": "gt.prueba",
        "data": tmp_path,
        "inbox": {"default_office": "central", "rules": [{"office": "restos", "types": ["finding.notice"]}]},
    }
    made = _assignments(NodeConfig.model_validate(written))
    assert made.office_for(EXAMPLES["finding.notice"]) == "restos"
    assert made.office_for(OFFER) == "central"
    assert _assignments(NodeConfig.model_validate({"node": "gt.prueba", "data": tmp_path})).office_for(OFFER) is None


@pytest.mark.parametrize(
    "wrong", [{"types": ["referal.offer"]}, {"services": ["shelters"]}, {"senders": ["GT"]}, {"office": ""}]
)
def test_a_word_written_wrong_in_a_rule_does_not_pass_unnoticed(tmp_path, wrong):
    rules = [{"office": "central"} | wrong]
    with pytest.raises(ValueError, match="inbox"):
        NodeConfig.model_validate({"node": "gt.prueba", "data": tmp_path, "inbox": {"rules": rules}})


@given(st.timedeltas(min_value=NOW - NOW), st.timedeltas(min_value=NOW - NOW))
def test_the_reminder_is_never_after_the_term_and_the_head_is_never_told_before_it(length, more):
    try:
        due, escalate = NOW + length, NOW + more
    except OverflowError:
        return
    term = term_of(NOW, due, escalate)
    assert NOW <= term.remind_at <= term.due <= term.escalate_at


def test_whoever_takes_what_is_nobodys_sees_also_what_stands_at_an_office_that_is_gone():
    sees = Worker("p", "a", frozenset({Code("x")}), unclaimed=True, known=frozenset({Code("x"), Code("y")}))
    others = Worker("p", "a", frozenset({Code("x")}), unclaimed=False, known=frozenset({Code("x"), Code("y")}))
    offices = [Code("x"), Code("y"), Code("gone"), None]
    assert [sees.sees(office) for office in offices] == [True, False, True, True]
    assert [others.sees(office) for office in offices] == [True, False, False, False]


async def test_each_report_is_work_once_however_often_it_comes(federation):
    await send(federation, row(), row(age=(9, 11)))
    federation.network.fail_next("duplicate", "lose-reply", "duplicate")
    await federation.settle()
    filed = await table(federation.nodes[MBMID], "SELECT machine, side, office FROM work_items")
    assert filed == [("report", "addressee", None)] * 2
    duty = await table(federation.nodes["gt.pgn"], "SELECT machine, side FROM work_items")
    assert duty == [("duty", "addressee")]


async def test_work_is_filed_in_the_transaction_of_its_message_or_the_message_waits(federation, monkeypatch):
    """Control of the promise: when the inbox of work cannot be written, the report is not done either, and comes again."""
    broken = itertools.chain([True, True], itertools.repeat(False))
    file = SqlWorkItems.file

    async def fails(self, items):
        if items and next(broken):
            raise StorageError("no")
        await file(self, items)

    await send(federation, row())
    monkeypatch.setattr(SqlWorkItems, "file", fails)
    for _ in range(30):
        with suppress(StorageError):  # a loop would note it and go on
            await federation.turn()
        federation.clock.forward(seconds=400)
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM work_items") == [(1,)]
    assert await table(federation.nodes[MBMID], "SELECT state FROM inbox") == [("done",)]


async def test_taking_passing_on_and_ending_are_in_the_log_and_not_anybodys(federation):
    await send(federation, row())
    await federation.settle()
    mbmid = federation.nodes[MBMID].capabilities
    [(opening,)] = await table(federation.nodes[MBMID], "SELECT opening_id FROM work_items")
    stranger = Worker("p-9", mbmid.pseudonyms.actor("x"), frozenset({Code("otra")}), known=frozenset({Code("otra")}))
    for act in (take_work, end_work):
        with pytest.raises(NoSuchWorkError):
            await act(opening, mbmid, by=stranger)
    by = worker(mbmid)
    await take_work(opening, mbmid, by=by)
    await take_work(opening, mbmid, by=by)  # again: nothing changes
    with pytest.raises(NoSuchWorkError):
        await move_work(opening, Code("nowhere"), mbmid, by=by)
    await move_work(opening, Code("central"), mbmid, by=by)
    assert await table(federation.nodes[MBMID], "SELECT office, person_id FROM work_items") == [("central", None)]
    await end_work(opening, mbmid, by=by)
    staged = "SELECT count(*) FROM leaf_staging WHERE event = 'admin.action'"
    assert await table(federation.nodes[MBMID], staged) == [(3,)]
