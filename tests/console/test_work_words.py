"""Work in words: every state an exchange can reach has one, and no side is told more than it may say."""

from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from contracts.threads import CLOSED, MACHINES, START, Side
from gateway.console.work_words import LATE, OTHERS, OVER, SECTIONS, TODAY, UNDELIVERED, due_words, headline, shown, state_words

ZONE = ZoneInfo("America/Guatemala")
NOW = datetime(2026, 11, 26, 18, tzinfo=UTC)  # noon in Guatemala


def item(**changed):
    return {
        "id": "x", "machine": "referral", "kind": "referral.offer", "side": "addressee", "peer": "gt.x", "office": None,
        "has_it": None, "state": "offered", "outcome": None, "awaited": "addressee", "delivery": None, "service": "shelter",
        "urgency": "normal", "minor": "no", "due": None, "escalated": None, "overseen": None, "ended": None, "prepared": False,
    } | changed  # fmt: skip


def reached():
    for machine in MACHINES.values():
        for state, side in product(sorted(machine.states - {CLOSED}), Side):
            if (state, side) != (START, Side.OPENER):
                yield machine.name, side.value, state, None
        for outcome, side in product(sorted({move.outcome for move in machine.moves if move.outcome}), Side):
            yield machine.name, side.value, CLOSED, outcome


@pytest.mark.parametrize(("machine", "side", "state", "outcome"), list(reached()))
@pytest.mark.parametrize("has_it", [None, "o.ficticia"])
def test_every_state_there_is_has_words_and_a_section(machine, side, state, outcome, has_it):
    found = item(
        machine=machine, side=side, state=state, outcome=outcome, has_it=has_it, awaited=None if outcome else "addressee"
    )
    told = shown(found, NOW, ZONE)
    assert told["section"] in SECTIONS
    assert told["state_es"]
    assert told["kind_es"]


def test_whoever_withdrew_is_told_that_it_is_withdrawn_only_when_it_is():
    withdrawing = state_words(item(side="opener", state="withdrawing", delivery="delivered"))
    assert "Retirada" not in withdrawing.split()
    assert state_words(item(side="opener", state=CLOSED, outcome="withdrawn", awaited=None)) == "Retirada"


def test_an_alert_that_ended_says_so_until_somebody_ends_the_work():
    alert = item(machine="duty", side="addressee", state="told", awaited=None)
    assert state_words(alert) == "Nueva"
    for has_it in (None, "o.ficticia"):
        over = alert | {"state": CLOSED, "outcome": "cancelled", "has_it": has_it}
        assert state_words(over) == "Quien avisó dijo que terminó"
    assert state_words(over | {"ended": NOW.isoformat()}) == "Terminada"
    report = item(machine="report", side="addressee", state=CLOSED, outcome="acknowledged", awaited=None)
    assert state_words(report) == "Nueva"  # its exchange ends at once, and the work goes on


def test_a_peer_out_of_reach_is_said_so():
    assert state_words(item(side="opener", delivery="waiting")) == "En espera de enlace"
    for delivery, words in (("rejected", "No la recibieron"), ("dead", "Venció sin recibo: no se sabe si llegó")):
        found = shown(item(side="opener", delivery=delivery, awaited=None), NOW, ZONE)  # nobody is waited for any more
        assert (found["section"], found["state_es"]) == (UNDELIVERED, words)
    answered = shown(item(side="opener", delivery="dead", state="accepted"), NOW, ZONE)  # it had arrived after all
    assert (answered["section"], answered["state_es"]) == (OTHERS, "Aceptada, en curso")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(minutes=30), "vence hoy 12:30, en 30 min"),
        (timedelta(hours=5), "vence hoy 17:00, en 5 h"),
        (timedelta(hours=20), "vence mañana 08:00"),
        (timedelta(days=4), "vence el lunes, 30 de noviembre de 2026, 12:00, en 4 días"),
        (-timedelta(hours=3), "vencida hace 3 h; aún puede responderse"),
        (-timedelta(days=3), "vencida hace 3 días; aún puede responderse"),
    ],
)
def test_a_term_is_said_by_the_offices_own_clock(left, words):
    assert due_words(NOW + left, NOW, ZONE) == words


@pytest.mark.parametrize(
    ("changed", "section"),
    [
        ({"due": "2026-11-26T17:00:00+00:00"}, LATE),
        ({"due": "2026-11-26T17:00:00+00:00", "side": "opener", "delivery": "delivered"}, LATE),
        ({"due": "2026-11-26T21:00:00+00:00"}, TODAY),
        ({"due": "2026-11-26T21:00:00+00:00", "side": "opener", "delivery": "delivered"}, OTHERS),
        ({"due": "2026-11-26T17:00:00+00:00", "state": CLOSED, "outcome": "declined", "awaited": None}, OVER),
    ],
)
def test_what_is_late_stands_first_and_what_was_answered_is_never_late(changed, section):
    assert shown(item(**changed), NOW, ZONE)["section"] == section


def test_the_headline_counts_what_one_can_do_something_about():
    items = [shown(item(**changed), NOW, ZONE) for changed in ({}, {"due": "2026-11-26T17:00:00+00:00"}, {"side": "opener"})]
    assert headline(items) == "2 por atender. 1 vencida."
    assert headline([]).startswith("No hay nada")
