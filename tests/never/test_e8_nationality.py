"""Never (E8): an answer that serves as a confirmation of nationality for a removal."""

import pytest

from contracts.fields import FIELDS
from contracts.messages import MESSAGE_TYPES
from contracts.register import Role
from contracts.walls import NATIONALITY_FIELDS, WALL_NATIONALITY, walls
from tests.never.leavings import carried, leaving, message

REMOVES = [Role.MIGRATION_CONTROL, Role.FOREIGN_ENFORCEMENT]
ABOUT_A_PERSON = [
    kind
    for kind in sorted(MESSAGE_TYPES)
    if kind.startswith(("search.", "identity.", "disclosure.", "finding.", "record.", "case.", "expert.", "correction"))
]


@pytest.mark.parametrize("role", REMOVES)
@pytest.mark.parametrize("kind", ABOUT_A_PERSON)
def test_no_message_confirms_a_nationality_to_those_who_remove(role, kind):
    assert WALL_NATIONALITY in walls(leaving(message(kind), role))


@pytest.mark.parametrize("role", REMOVES)
@pytest.mark.parametrize("kind", sorted(MESSAGE_TYPES))
def test_no_field_that_proves_one_goes_there_in_any_message(role, kind):
    for record, fields in FIELDS.items():
        for name in NATIONALITY_FIELDS & set(fields):
            assert WALL_NATIONALITY in walls(leaving(message(kind), role, carried(record, name)))


def test_every_field_that_speaks_of_a_nationality_is_listed():
    speaking = {name for fields in FIELDS.values() for name in fields if "nationalit" in name or name in {"cui", "birth_place"}}
    assert speaking <= NATIONALITY_FIELDS


def test_control_to_those_who_search_it_goes():
    for kind in ABOUT_A_PERSON:
        assert WALL_NATIONALITY not in walls(leaving(message(kind), Role.HEALTH))
