"""Never (E7): closings that tell how a case ended; a person found alive told of against their wish."""

import pytest

from contracts import alike as module
from contracts.alike import Closing, closing_notice
from contracts.consents import Wish
from contracts.ids import Code
from contracts.messages import CaseState, CaseStatusBody, Located
from contracts.register import Role
from contracts.walls import WALL_WISH, Leaving, walls
from tests.never.leavings import PATIENT, alive, found, leaving, message
from tests.never.signing import signed


def notices():
    return {signed(message("case.status", body=closing_notice(closing, sequence=7))) for closing in Closing}


def test_closings_of_every_kind_are_the_same_bytes_but_for_ids_and_times():
    assert len(notices()) == 1


def test_control_one_kind_that_is_told_otherwise_is_seen(monkeypatch):
    monkeypatch.setattr(module, "_TOLD", {**module._TOLD, Closing.FOUND_DEAD: CaseState.CONFIRMING})
    assert len(notices()) == 2
    located = CaseStatusBody(
        state=CaseState.LOCATED_ALIVE, sequence=7, located=Located(will="no-contact", evidence=Code("interview"))
    )
    assert signed(message("case.status", body=located)) not in notices()


@pytest.mark.parametrize("wish", [Wish.SILENCE, Wish.UNDECIDED])
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.CHILD_PROTECTION])
def test_nobody_is_told_against_the_wish_of_the_person_found(role, wish):
    to = leaving(message("ping")).to
    for about, records in ((alive(), ()), (found(), (PATIENT,)), (message("disclosure.grant"), (PATIENT,))):
        stopped = Leaving(message=about, to=type(to)(to.node, role), carried=records, wish=wish)
        assert WALL_WISH in walls(stopped)


def test_control_who_wants_contact_is_told_of():
    assert WALL_WISH not in walls(leaving(found(), Role.SEARCH_MECHANISM, PATIENT, wish=Wish.CONTACT))
