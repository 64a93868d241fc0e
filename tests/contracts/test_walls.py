"""Walls around whole messages (SPEC 16): each stands where it must, falls where it may, and is looked at for every message."""

from dataclasses import replace
from datetime import date

import pytest

from contracts import walls as module
from contracts.alike import REFUSED, release_slot, says_nothing, told_result
from contracts.consents import Scope, Wish
from contracts.disclosure import Recipient, SourceRecord
from contracts.errors import SchemaError
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from contracts.messages import DisclosureGrantBody, DisclosureResult, SearchResponseBody, SearchResult
from contracts.register import Role
from contracts.walls import (
    WALL_BULLETIN,
    WALL_CONSULATE,
    WALL_ENFORCEMENT,
    WALL_FINDER_FIRST,
    WALL_HELD,
    WALL_NAMES,
    WALL_NATIONALITY,
    WALL_NEVER_TO,
    WALL_OFFER,
    WALL_PUBLICATION,
    WALL_RELATIVES,
    WALL_REPORTER,
    WALL_TWO_PERSONS,
    WALL_WISH,
    CaseMarks,
    free_texts,
    marks_of,
    must_stay_unknown,
    persons,
    walls,
    without_held,
)
from tests.never.leavings import (
    OFFICER,
    PATIENT,
    PERSON,
    REMAINS,
    REPORTER,
    SECOND,
    alive,
    carried,
    found,
    leaving,
    message,
)

MINOR = CaseMarks(minor="yes")
NOTED = message("note")
TWO = frozenset({SECOND})
COUNTY = Recipient(NodeId("us.tx.kenedy"), Role.FOREIGN_MEDICOLEGAL)


def offered(department):
    offer = message("referral.offer")
    return offer.model_copy(update={"body": offer.body.model_copy(update={"department": Code(department)})})


# What a wall stops, and the one change after which it does not.
STOPPED = {
    WALL_ENFORCEMENT: (
        leaving(message("bulletin"), Role.FOREIGN_ENFORCEMENT, carried(RecordType.MISSING_PERSON, "phones")),
        {"carried": (carried(RecordType.MISSING_PERSON, "sex"),)},
    ),
    WALL_NATIONALITY: (leaving(found(), Role.MIGRATION_CONTROL), {"to": leaving(found()).to}),
    WALL_REPORTER: (leaving(message("search.request"), Role.HEALTH, REPORTER), {"carried": (PERSON,)}),
    WALL_NEVER_TO: (leaving(message("ping"), never_to=frozenset({"gt.igm.mbmid"})), {"never_to": frozenset({"gt.pgn"})}),
    WALL_HELD: (leaving(NOTED), {"released": frozenset({NOTED.body.text})}),
    WALL_TWO_PERSONS: (leaving(message("disclosure.grant"), Role.HEALTH, PERSON, marks=MINOR), {"approved_by": TWO}),
    WALL_PUBLICATION: (
        leaving(message("search.request"), Role.FOREIGN_SEARCH, PERSON),
        {"scopes": frozenset({Code(Scope.MEXICO_REGISTER.value)})},
    ),
    WALL_BULLETIN: (leaving(message("bulletin")), {"scopes": frozenset({Code(Scope.PUBLIC_BULLETIN.value)})}),
    WALL_FINDER_FIRST: (
        leaving(found(), marks=CaseMarks(finder_first=True), approved_by=TWO),
        {"marks": CaseMarks(finder_first=True, finder_released=True)},
    ),
    WALL_WISH: (leaving(alive()), {"wish": Wish.ALIVE_ONLY}),
    WALL_OFFER: (leaving(offered("ficticia-caal")), {"message": offered("gt-13")}),
    WALL_CONSULATE: (
        leaving(message("search.request"), Role.FOREIGN_CONSULATE, PERSON, marks=CaseMarks(flees=True), approved_by=TWO),
        {"marks": CaseMarks()},
    ),
    WALL_RELATIVES: (
        replace(leaving(message("disclosure.grant"), Role.FOREIGN_MEDICOLEGAL, REPORTER), to=COUNTY),
        {"carried": (PERSON,)},
    ),
}


@pytest.mark.parametrize("name", WALL_NAMES)
def test_a_wall_stands_and_its_control_passes(name) -> None:
    stopped, change = STOPPED[name]
    assert name in walls(stopped)
    assert name not in walls(replace(stopped, **change))


@pytest.mark.parametrize("name", WALL_NAMES)
def test_control_a_wall_that_is_taken_out_lets_it_through(name, monkeypatch) -> None:
    monkeypatch.setattr(module, "_WALLS", tuple(wall for wall in module._WALLS if wall[0] != name))
    assert name not in walls(STOPPED[name][0])


def test_an_ordinary_message_meets_no_wall() -> None:
    assert walls(leaving(message("report.transfer"), Role.SEARCH_MECHANISM, PERSON)) == ()
    assert walls(leaving(message("search.request"), Role.HEALTH, PERSON)) == ()
    assert walls(leaving(found(SearchResult.NO_MATCH))) == ()


@pytest.mark.parametrize("role", list(Role))
def test_nothing_protected_and_no_relative_goes_to_a_node_of_the_united_states_whatever_its_role(role) -> None:
    there = Recipient(NodeId("us.ejemplo"), role)
    for record in (
        REPORTER,
        carried(RecordType.MISSING_PERSON, "intended_destination"),
        carried(RecordType.CUSTODY, "facility"),
    ):
        assert WALL_RELATIVES in walls(replace(leaving(message("disclosure.grant"), role, record), to=there))
    assert WALL_RELATIVES not in walls(replace(leaving(message("disclosure.grant"), role, PERSON), to=there))
    assert WALL_RELATIVES not in walls(leaving(message("disclosure.grant"), Role.CHILD_PROTECTION, REPORTER))


# -- two persons ---------------------------------------------------------------------------------------------------


def test_the_second_person_is_not_the_first() -> None:
    assert persons(OFFICER, {OFFICER}) == 1
    assert persons(OFFICER, {SECOND}) == 2
    assert persons(None, {SECOND}) == 1  # software is nobody
    stopped = leaving(message("disclosure.grant"), Role.HEALTH, PERSON, marks=MINOR, approved_by=frozenset({OFFICER}))
    assert WALL_TWO_PERSONS in walls(stopped)
    assert WALL_TWO_PERSONS in walls(replace(stopped, drafted_by=None, approved_by=TWO))
    assert WALL_TWO_PERSONS not in walls(replace(stopped, drafted_by=None, approved_by=frozenset({OFFICER, SECOND})))


@pytest.mark.parametrize(
    "marks", [CaseMarks(minor="yes"), CaseMarks(minor="possible"), CaseMarks(death=True), CaseMarks(protection=True)]
)
def test_two_persons_for_minors_deaths_and_protection_and_the_immediate_duty_waits_for_nobody(marks) -> None:
    assert WALL_TWO_PERSONS in walls(leaving(found(), marks=marks))
    assert WALL_TWO_PERSONS in walls(leaving(message("search.request"), Role.HEALTH, PERSON, marks=marks))
    assert WALL_TWO_PERSONS not in walls(leaving(found(SearchResult.NO_MATCH), marks=marks))
    for immediate in ("report.transfer", "duty.notice", "duty.cancel", "bulletin.cancel"):
        assert WALL_TWO_PERSONS not in walls(leaving(message(immediate), Role.CHILD_PROTECTION, PERSON, marks=marks))


def test_remains_need_two_whatever_the_marks_say() -> None:
    assert WALL_TWO_PERSONS in walls(leaving(message("finding.notice"), Role.SEARCH_MECHANISM, REMAINS))


# -- the person found ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", list(Wish))
def test_the_wish_of_the_person_found_gates_every_answer_that_they_are_alive(wish) -> None:
    about = CaseMarks(found=frozenset({"unidentified-person"}))
    fact = [leaving(found(), marks=about, wish=wish), leaving(alive(), wish=wish)]
    more = [
        leaving(found(), Role.SEARCH_MECHANISM, PATIENT, wish=wish),
        leaving(message("disclosure.grant"), Role.SEARCH_MECHANISM, PATIENT, wish=wish),
    ]
    fact_may = wish in {Wish.CONTACT, Wish.SEALED_MESSAGES_ONLY, Wish.ALIVE_ONLY}
    assert [WALL_WISH not in walls(item) for item in fact] == [fact_may] * 2
    assert [WALL_WISH not in walls(item) for item in more] == [wish is Wish.CONTACT] * 2


def test_an_unconscious_patient_is_told_of_for_their_life_and_a_child_to_those_who_protect_it() -> None:
    vital = found().model_copy(update={"basis": Code("vital-interest")})
    assert WALL_WISH not in walls(leaving(vital, Role.SEARCH_MECHANISM, PATIENT, wish=Wish.CANNOT_SAY))
    assert WALL_WISH in walls(leaving(found(), Role.SEARCH_MECHANISM, PATIENT, wish=Wish.CANNOT_SAY))
    assert WALL_WISH not in walls(leaving(alive(), Role.CHILD_PROTECTION, marks=MINOR))
    assert WALL_WISH in walls(leaving(alive(), Role.CONSULATE, marks=MINOR))


def test_an_answer_about_the_dead_or_about_a_report_says_of_nobody_that_they_are_alive() -> None:
    assert WALL_WISH not in walls(leaving(found(), Role.SEARCH_MECHANISM, REMAINS))
    assert WALL_WISH not in walls(leaving(found(), marks=CaseMarks(found=frozenset({"missing-person"}))))


# -- enforcement, never-to, publication ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.MIGRATION_CONTROL, Role.FOREIGN_ENFORCEMENT])
@pytest.mark.parametrize("kind", ["search.request", "search.response", "identity.check", "identity.answer", "disclosure.grant", "finding.notice", "case.status", "expert.conclusion", "record.request"])  # fmt: skip
def test_nothing_that_confirms_a_nationality_for_a_removal(role, kind) -> None:
    assert WALL_NATIONALITY in walls(leaving(message(kind), role))
    assert WALL_NATIONALITY not in walls(leaving(message(kind), Role.HEALTH))


def test_no_field_that_tells_a_nationality_reaches_enforcement_in_any_message() -> None:
    for name in ("nationalities", "birth_place", "cui", "documents"):
        record = carried(RecordType.MISSING_PERSON, name)
        assert WALL_NATIONALITY in walls(leaving(message("bulletin"), Role.FOREIGN_ENFORCEMENT, record)), name


def test_never_to_a_node_a_role_or_a_country() -> None:
    for target in ("us.ejemplo", "foreign-enforcement", "country:us"):
        assert WALL_NEVER_TO in walls(leaving(message("ping"), Role.FOREIGN_ENFORCEMENT, never_to=frozenset({target})))
    for target in ("us", "country:gt", "us.ejemplo.2"):
        assert WALL_NEVER_TO not in walls(leaving(message("ping"), Role.FOREIGN_ENFORCEMENT, never_to=frozenset({target})))


def test_the_answer_of_who_holds_nothing_is_about_nobody() -> None:
    refused = DisclosureGrantBody(result=DisclosureResult.REFUSED, basis=REFUSED)
    cannot = SearchResponseBody(result=SearchResult.CANNOT_ANSWER, searched_at=1_795_953_600, basis=REFUSED)
    assert all(map(says_nothing, (found(SearchResult.NO_MATCH).body, cannot, refused)))
    something = (found(), found(SearchResult.POSSIBLE), alive(), message("disclosure.grant"), message("ping"), message("note"))
    assert not any(says_nothing(item.body) for item in something)


def test_a_description_without_a_name_needs_no_scope_to_go_to_a_register_that_publishes() -> None:
    described = carried(RecordType.MISSING_PERSON, "sex", "marks")
    assert WALL_PUBLICATION not in walls(leaving(message("search.request"), Role.FOREIGN_SEARCH, described))


def test_the_bulletin_of_a_missing_child_needs_no_consent() -> None:
    assert WALL_BULLETIN not in walls(leaving(message("bulletin", basis="gt:alba-keneth:8")))


# -- free text -----------------------------------------------------------------------------------------------------


def test_free_text_is_found_wherever_it_hides_and_the_rest_need_not_wait_for_it() -> None:
    record = carried(
        RecordType.MISSING_PERSON,
        "given_names",
        "narrative",
        "marks",
        "residence",
        intended_destination={"is": "albañil", "source": "family"},
    )
    about = leaving(message("report.transfer"), Role.SEARCH_MECHANISM, record)
    assert free_texts(about) == {"varias palabras", "nombre de una persona", "Aldea Ficticia", "albañil"}
    rest, held = without_held(record, frozenset({"albañil"}))
    assert held == {"narrative", "marks", "residence"}
    assert set(rest.claims) == {"given_names", "intended_destination"}
    assert WALL_HELD not in walls(replace(about, carried=(rest,), released=frozenset({"albañil"})))
    assert without_held(record, free_texts(about)) == (record, frozenset())
    with pytest.raises(SchemaError):
        carried(RecordType.MISSING_PERSON, nobody_knows="texto")


# -- marks ---------------------------------------------------------------------------------------------------------

TODAY = date(2026, 11, 26)


def marks(record_type, **values):
    return marks_of([SourceRecord(record_type, values)], TODAY)


def test_what_records_say_about_the_walls_around_them() -> None:
    person = RecordType.MISSING_PERSON
    adult = {"age_range": {"min": 30, "max": 35}}
    assert marks(person, **adult) == CaseMarks(found=frozenset({"missing-person"}))
    assert marks(person).minor == "possible"
    assert marks(person, age_range={"min": 12, "max": 14}).minor == "yes"
    assert marks(person, **adult, protection_need=True).finder_first
    assert not marks(person, **adult, protection_need=False).needs_two
    assert marks(RecordType.UNIDENTIFIED_PERSON, **adult, aggressor_risk={"is": True, "source": "officer"}).finder_first
    assert marks(RecordType.REPORTER, family_conflict="violence").finder_first
    assert not marks(RecordType.REPORTER, family_conflict="none").needs_two
    assert (marks(RecordType.REPORTER, threats=True).protection, marks(RecordType.REPORTER, threats=True).finder_first) == (
        True,
        False,
    )
    assert marks(RecordType.UNIDENTIFIED_REMAINS).death
    both = marks_of([SourceRecord(person, adult), SourceRecord(person, {"age_range": {"min": 9, "max": 9}})], TODAY)
    assert both.minor == "yes"


# -- two worlds ----------------------------------------------------------------------------------------------------


def test_a_find_that_must_stay_unknown_is_told_as_if_the_record_were_not_here() -> None:
    hidden = leaving(found(), marks=CaseMarks(finder_first=True), approved_by=TWO)
    assert must_stay_unknown(hidden)
    assert not must_stay_unknown(leaving(found(), marks=MINOR))  # it waits for a second person, nobody is deceived
    for absent in (SearchResult.NO_MATCH, SearchResult.CANNOT_ANSWER):
        for found_here in SearchResult:
            assert told_result(found_here, silent=True, without_record=absent) is absent
            assert told_result(found_here, silent=False, without_record=absent) is found_here


def test_the_time_an_answer_leaves_says_nothing_of_who_made_it() -> None:
    patience, period = 3600, 600
    for asked_at in range(0, 5000, 7):
        slots = {
            release_slot(asked_at=asked_at, ready_at=asked_at + took, patience=patience, period=period)
            for took in range(0, 3601, 60)
        }
        assert len(slots) == 1
        [slot] = slots
        assert slot % period == 0
        assert asked_at + patience <= slot < asked_at + patience + period
    late = release_slot(asked_at=0, ready_at=3601, patience=patience, period=period)
    assert late == 4200  # control: what took longer leaves at a later slot
