"""Never (E6): a withdrawal that closes the search or cancels another relative's consent; a re-import that resurrects."""

import random
import secrets

from contracts.consents import ConsentEvent, ConsentForm, RelativeId, Scope, in_force, may_search_internally
from contracts.ids import Code, MessageId, uuid7
from contracts.messages import ConsentAct

DAUGHTER, MOTHER = RelativeId("r:hija-1"), RelativeId("r:madre-1")
TRANSFER = Code("gt:mbmid:traslado-inmediato")


def event(number, who, act, at, *, imported=False, scopes=frozenset(Scope)):
    return ConsentEvent(
        id=MessageId(uuid7(1, number.to_bytes(10))),
        relative=who,
        act=act,
        scopes=scopes,
        effective_at=at,
        form=ConsentForm.WRITTEN,
        language="es",
        imported=imported,
    )


BOTH = [event(1, DAUGHTER, ConsentAct.GIVEN, 1), event(2, MOTHER, ConsentAct.GIVEN, 1)]
WITHDRAWN = event(3, DAUGHTER, ConsentAct.WITHDRAWN, 10)


def scopes_of(who, events, at=1000):
    return {scope for person, scope in in_force(events, at).scopes if person == who}


def test_a_withdrawal_never_closes_the_search():
    alone = [BOTH[0], WITHDRAWN]
    assert in_force(alone, 1000).scopes == {}
    assert may_search_internally(in_force(alone, 1000), TRANSFER)


def test_one_relatives_withdrawal_never_cancels_anothers_consent():
    assert scopes_of(DAUGHTER, [*BOTH, WITHDRAWN]) == set()
    assert scopes_of(MOTHER, [*BOTH, WITHDRAWN]) == set(Scope)


def resurrected(make):
    """How often a file that comes again brings back what was withdrawn, whatever dates it carries and whenever it comes."""
    seed = secrets.randbits(32)
    print("seed", seed)
    chance, found = random.Random(seed), 0
    for _ in range(200):
        known = [BOTH[0], WITHDRAWN, *(make(number, chance.randint(1, 500)) for number in range(10, 10 + chance.randint(1, 4)))]
        chance.shuffle(known)
        found += bool(scopes_of(DAUGHTER, known))
    return found


def test_a_re_import_never_resurrects():
    assert resurrected(lambda number, at: event(number, DAUGHTER, ConsentAct.GIVEN, at, imported=True)) == 0


def test_control_taken_for_the_persons_own_yes_it_would():
    assert resurrected(lambda number, at: event(number, DAUGHTER, ConsentAct.GIVEN, at)) > 100
