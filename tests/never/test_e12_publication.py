"""Never (E12): a named record sent to a register that shows it to the world, on less than the scope for publication."""

import pytest

from contracts.consents import Scope
from contracts.fields import FIELDS, RecordType, Sensitivity
from contracts.ids import Code
from contracts.messages import MESSAGE_TYPES
from contracts.register import Role
from contracts.walls import WALL_PUBLICATION, walls
from tests.never.leavings import carried, leaving, message

PERSON = FIELDS[RecordType.MISSING_PERSON]
NAMING = [name for name, field in PERSON.items() if field.sensitivity == Sensitivity.IDENTIFYING]
OTHERS = frozenset(Code(scope.value) for scope in Scope if scope is not Scope.MEXICO_REGISTER)


@pytest.mark.parametrize("kind", sorted(MESSAGE_TYPES))
def test_only_the_scope_for_publication_opens_it(kind):
    for name in NAMING:
        stopped = leaving(message(kind), Role.FOREIGN_SEARCH, carried(RecordType.MISSING_PERSON, name), scopes=OTHERS)
        assert WALL_PUBLICATION in walls(stopped), name


def test_control_with_the_scope_and_to_others_it_goes():
    named = carried(RecordType.MISSING_PERSON, *NAMING)
    scope = frozenset({Code(Scope.MEXICO_REGISTER.value)})
    assert len(NAMING) > 4
    assert WALL_PUBLICATION not in walls(leaving(message("search.request"), Role.FOREIGN_SEARCH, named, scopes=scope))
    assert WALL_PUBLICATION not in walls(leaving(message("search.request"), Role.HEALTH, named))
