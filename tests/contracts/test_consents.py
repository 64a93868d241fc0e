"""Consents (SPEC 15): relative by relative, in any order, and never back from the dead."""

import random
import secrets

import pytest

from contracts.consents import (
    GROUND_OF,
    LOCATED,
    NEEDS_NO_CONSENT,
    NO_LIMITS,
    SCOPES,
    ConsentEvent,
    ConsentForm,
    Ground,
    InForce,
    Limits,
    Occasion,
    RelativeId,
    Scope,
    Wish,
    WishEvent,
    grant_of,
    ground_of,
    in_force,
    may_search_internally,
    may_tell_alive,
    may_tell_more,
    wish_at,
)
from contracts.errors import MessageConflictError, SchemaError
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, uuid7
from contracts.messages import ConsentAct

MOTHER, FATHER = RelativeId("r:madre-1"), RelativeId("r:padre-1")
CNB, MINEX = NodeId("mx.cnb"), NodeId("gt.minex")
LOCATE, IDENTIFY = Code("locate-missing"), Code("identify-remains")
CONSENT_BASIS, DUTY_BASIS = Code("gt:codigo-migracion:198-207"), Code("gt:alba-keneth:8")
VITAL = Code("vital-interest")
WITNESS = ActorPseudonym("a:testigo-1")
GIVEN, NARROWED, WITHDRAWN = ConsentAct


def event(number, who, act, *scopes, at=100, **more):
    values = {"form": ConsentForm.WRITTEN, "language": "cac", **more}
    return ConsentEvent(
        id=MessageId(uuid7(1_795_000_000_000, number.to_bytes(10))),
        relative=who,
        act=act,
        scopes=frozenset(scopes or {Scope.CONSULAR}),
        effective_at=at,
        **values,
    )


def grant(events, *, at=1000, to=MINEX, fields=(), relative=None, basis=CONSENT_BASIS, purpose=LOCATE):
    occasion = Occasion(basis, to, purpose, frozenset(Code(name) for name in fields))
    return grant_of(in_force(events, at), occasion, approvals=1, relative=relative)


def scopes(events, **more):
    return grant(events, **more).scopes


def test_every_scope_has_its_number_and_labels() -> None:
    assert [scope.value for scope in Scope] == [f"c{n}" for n in range(1, 14)]
    assert all(SCOPES[scope].es and SCOPES[scope].en for scope in Scope)


def test_a_consent_given_is_a_scope_and_one_withdrawn_is_none() -> None:
    events = [event(1, MOTHER, GIVEN), event(2, MOTHER, WITHDRAWN, at=500)]
    assert scopes(events, at=499) == {"c2"}
    assert scopes(events, at=500) == frozenset()
    assert scopes([*events, event(3, MOTHER, GIVEN, at=600)]) == {"c2"}  # asked again, and yes again


def test_one_relatives_withdrawal_never_cancels_anothers() -> None:
    events = [event(1, MOTHER, GIVEN), event(2, FATHER, GIVEN), event(3, FATHER, WITHDRAWN, at=200)]
    assert scopes(events) == {"c2"}
    assert scopes(events, relative=MOTHER) == {"c2"}
    assert scopes(events, relative=FATHER) == frozenset()  # nothing about the father leaves on the mother's yes


def test_what_was_withdrawn_is_one_scope_and_not_all() -> None:
    events = [
        event(1, MOTHER, GIVEN, Scope.MEXICO_RESTRICTED, Scope.MEXICO_REGISTER, Scope.PUBLIC_BULLETIN),
        event(2, MOTHER, WITHDRAWN, Scope.MEXICO_REGISTER, Scope.PUBLIC_BULLETIN, at=200, reason=Code("threat")),
    ]
    assert scopes(events) == {"c3"}


def test_narrowing_leaves_what_both_decisions_allow() -> None:
    events = [
        event(1, MOTHER, GIVEN, limits=Limits(recipients=frozenset({MINEX, CNB}), until=900)),
        event(2, MOTHER, NARROWED, at=200, limits=Limits(recipients=frozenset({MINEX}), fields=frozenset({Code("surname_1")}))),
    ]
    assert scopes(events, at=300, fields=["surname_1"]) == {"c2"}
    assert scopes(events, at=300, fields=["surname_1"], to=CNB) == frozenset()
    assert scopes(events, at=300, fields=["surname_1", "phones"]) == frozenset()
    assert scopes(events, at=900, fields=["surname_1"]) == frozenset()
    assert scopes([event(2, MOTHER, NARROWED)], at=300) == frozenset()  # narrowing nothing gives nothing
    purposes = [event(1, MOTHER, GIVEN, limits=Limits(purposes=frozenset({IDENTIFY})))]
    assert scopes(purposes) == frozenset()
    assert scopes(purposes, purpose=IDENTIFY) == {"c2"}


def test_at_one_moment_the_more_careful_decision_counts() -> None:
    yes, no = event(9, MOTHER, GIVEN), event(1, MOTHER, WITHDRAWN)
    assert scopes([yes, no]) == frozenset()
    narrow = event(1, MOTHER, GIVEN, limits=Limits(recipients=frozenset({CNB})))
    assert scopes([yes, narrow]) == frozenset()
    assert scopes([yes, narrow], to=CNB) == {"c2"}


@pytest.mark.parametrize("date", [1, 100, 250, 400, 9999])
@pytest.mark.parametrize("act", [WITHDRAWN, NARROWED])
def test_a_re_import_never_resurrects(date, act) -> None:
    nobody = Limits(recipients=frozenset())
    limits = nobody if act is NARROWED else NO_LIMITS
    events = [event(1, MOTHER, GIVEN, imported=True), event(2, MOTHER, act, at=250, limits=limits)]
    again = event(3, MOTHER, GIVEN, at=date, imported=True)
    assert scopes([*events, again], at=10_000) == frozenset()
    fresh = event(3, MOTHER, GIVEN, at=9999)  # control: the person's own new yes does count
    assert scopes([*events, fresh], at=10_000) == {"c2"}


def test_an_import_never_widens_what_a_person_decided() -> None:
    own = event(1, MOTHER, GIVEN, limits=Limits(recipients=frozenset({CNB})))
    assert scopes([own, event(2, MOTHER, GIVEN, at=300, imported=True)]) == frozenset()
    assert scopes([event(2, MOTHER, GIVEN, at=300, imported=True)]) == {"c2"}  # control: alone it counts


def test_an_inherited_consent_without_proof_lets_us_look_in_our_own_books_and_lets_nothing_leave() -> None:
    inherited = event(1, None, GIVEN, *Scope, form=ConsentForm.INHERITED, imported=True)
    found = in_force([inherited], 1000)
    assert found.internal_search
    assert may_search_internally(found, CONSENT_BASIS)
    assert scopes([inherited]) == frozenset()
    named = event(2, MOTHER, GIVEN, *Scope, form=ConsentForm.INHERITED, imported=True)
    assert scopes([named]) == frozenset()
    assert in_force([named], 1000).internal_search
    withdrawn = event(3, MOTHER, WITHDRAWN, Scope.NATIONAL_SEARCH, at=200)
    assert not in_force([inherited, withdrawn], 1000).internal_search
    assert may_search_internally(in_force([inherited, withdrawn], 1000), Code("gt:mbmid:traslado-inmediato"))
    assert not may_search_internally(in_force([], 1000), CONSENT_BASIS)


def test_a_word_passed_on_by_another_institution_gives_nothing_and_takes_back() -> None:
    relayed = event(1, MOTHER, GIVEN, *Scope, form=ConsentForm.RELAYED, imported=True)
    found = in_force([relayed], 1000)
    assert scopes([relayed]) == frozenset()
    assert not found.internal_search
    own = event(2, MOTHER, GIVEN, at=200)
    assert scopes([relayed, own]) == {"c2"}  # control: written down here it counts
    back = event(3, MOTHER, WITHDRAWN, at=300, form=ConsentForm.RELAYED, imported=True)
    assert scopes([relayed, own, back]) == frozenset()
    assert scopes([relayed, own, back, event(4, MOTHER, GIVEN, at=400)]) == {"c2"}
    with pytest.raises(SchemaError):
        event(5, MOTHER, GIVEN, form=ConsentForm.RELAYED)
    with pytest.raises(SchemaError):
        event(6, None, WITHDRAWN, form=ConsentForm.RELAYED, imported=True)


def test_a_duty_needs_no_consent_and_no_withdrawal_stops_it() -> None:
    events = [event(1, MOTHER, WITHDRAWN, *Scope)]
    assert grant(events, basis=DUTY_BASIS).duty
    assert grant(events, basis=DUTY_BASIS).scopes == frozenset()
    assert not grant(events).duty
    for basis, ground in GROUND_OF.items():
        assert ground in NEEDS_NO_CONSENT
        assert grant([], basis=basis).duty
    assert ground_of(Code("gt:nobody-knows")) is Ground.CONSENT


def test_a_consent_that_is_none_is_refused() -> None:
    with pytest.raises(SchemaError):
        event(1, MOTHER, GIVEN, form=ConsentForm.ORAL_WITNESSED)
    assert event(1, MOTHER, GIVEN, form=ConsentForm.ORAL_WITNESSED, witness=WITNESS).witness == WITNESS
    for values in (
        {"form": ConsentForm.FINGERPRINT},
        {"form": ConsentForm.INHERITED},
        {"language": ""},
    ):
        with pytest.raises(SchemaError):
            event(1, MOTHER, GIVEN, **values)
    with pytest.raises(SchemaError):
        event(1, None, GIVEN)
    with pytest.raises(ValueError, match="not a RelativeId"):
        RelativeId("Ficticia Caal")
    with pytest.raises(MessageConflictError):
        in_force([event(1, MOTHER, GIVEN), event(1, FATHER, GIVEN)], 1000)


# -- any order -----------------------------------------------------------------------------------------------------


def heap(chance):
    made = []
    for number in range(chance.randint(1, 12)):
        imported = chance.random() < 0.4
        form = chance.choice([ConsentForm.WRITTEN, ConsentForm.AUDIO, *([ConsentForm.INHERITED] if imported else [])])
        made.append(
            event(
                number,
                chance.choice([MOTHER, FATHER]),
                chance.choice(list(ConsentAct)),
                *chance.sample(list(Scope), chance.randint(1, 3)),
                at=chance.randint(1, 6),
                form=form,
                imported=imported,
                limits=chance.choice([NO_LIMITS, Limits(recipients=frozenset({MINEX})), Limits(until=5)]),
            )
        )
    return made


def in_force_as_it_came(events, at):
    """The planted bug: what became known last is believed."""
    found = {}
    for item in (event for event in events if event.effective_at <= at):
        for scope in item.scopes:
            found.pop((item.relative, scope), None)
            if item.act is GIVEN:
                found[item.relative, scope] = item.id
    return InForce(at, found, internal_search=True)


def disagreements(fold, seed, rounds=300):
    chance, found = random.Random(seed), 0
    for _ in range(rounds):
        events = heap(chance)
        first = fold(events, 5)
        chance.shuffle(events)
        repeated = [*events, *chance.sample(events, len(events) // 2)]
        found += fold(repeated, 5) != first
    return found


def test_the_order_in_which_events_become_known_does_not_matter() -> None:
    seed = secrets.randbits(32)
    print("seed", seed)
    assert disagreements(in_force, seed) == 0


def test_control_a_fold_that_believes_what_came_last_is_seen() -> None:
    assert disagreements(in_force_as_it_came, 1) > 20


def test_no_scope_is_in_force_that_its_relative_did_not_give_and_keep() -> None:
    seed = secrets.randbits(32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(300):
        events = heap(chance)
        for (who, scope), standing in in_force(events, 5).scopes.items():
            own = [item for item in events if item.relative == who and scope in item.scopes and item.effective_at <= 5]
            given = next(item for item in own if item.id == standing.given_by)
            assert given.act is GIVEN
            assert given.form is not ConsentForm.INHERITED
            after = [item for item in own if item.act is WITHDRAWN and item.effective_at >= given.effective_at]
            assert after == []
            assert standing.limits.within(given.limits) == standing.limits


# -- the person found ----------------------------------------------------------------------------------------------


def wish(number, what, at):
    return WishEvent(MessageId(uuid7(1_795_000_000_000, number.to_bytes(10))), what, at, Code("interview"))


def test_the_person_found_decides_and_may_change_their_mind() -> None:
    assert wish_at([], 10) is Wish.UNDECIDED
    events = [wish(1, Wish.SILENCE, 1), wish(2, Wish.CONTACT, 5)]
    for known in (events, events[::-1]):
        assert wish_at(known, 4) is Wish.SILENCE
        assert wish_at(known, 5) is Wish.CONTACT
    both = [wish(1, Wish.CONTACT, 5), wish(2, Wish.ALIVE_ONLY, 5), wish(3, Wish.SEALED_MESSAGES_ONLY, 5)]
    assert wish_at(both, 9) is Wish.ALIVE_ONLY  # at one moment the most careful
    telling = {Wish.CONTACT, Wish.SEALED_MESSAGES_ONLY, Wish.ALIVE_ONLY}
    assert {each for each in Wish if may_tell_alive(each, CONSENT_BASIS)} == telling
    assert {each for each in Wish if may_tell_alive(each, VITAL)} == telling | {Wish.CANNOT_SAY}
    assert {each for each in Wish if may_tell_more(each, CONSENT_BASIS)} == {Wish.CONTACT}
    assert {each for each in Wish if may_tell_more(each, VITAL)} == {Wish.CONTACT, Wish.CANNOT_SAY}


def test_only_the_person_found_gives_the_scope_of_their_whereabouts() -> None:
    everything = in_force([event(1, MOTHER, GIVEN, *Scope)], 1000)
    occasion = Occasion(CONSENT_BASIS, MINEX, LOCATE, frozenset())
    assert LOCATED not in grant_of(everything, occasion, approvals=1).scopes
    for each in Wish:
        assert (LOCATED in grant_of(everything, occasion, approvals=1, wish=each).scopes) == (each is Wish.CONTACT)
    vital = Occasion(VITAL, MINEX, LOCATE, frozenset())
    assert LOCATED in grant_of(everything, vital, approvals=1, wish=Wish.CANNOT_SAY).scopes
