"""Never (E4): a message that reaches the country, the office or the role the person is fleeing from."""

from dataclasses import replace

import pytest

from contracts.disclosure import Recipient
from contracts.ids import NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.register import Role
from contracts.walls import WALL_NEVER_TO, walls
from tests.never.leavings import leaving, message

NEVER = frozenset({"country:ve", "gt.ejemplo", "foreign-search"})
THERE = [
    Recipient(NodeId("ve.ejemplo.consulado"), Role.CONSULATE),
    Recipient(NodeId("gt.ejemplo"), Role.SOCIAL_SERVICES),
    Recipient(NodeId("mx.ejemplo"), Role.FOREIGN_SEARCH),
]


@pytest.mark.parametrize("kind", sorted(MESSAGE_TYPES))
def test_nothing_goes_to_the_country_of_persecution(kind):
    for to in THERE:
        assert WALL_NEVER_TO in walls(replace(leaving(message(kind), never_to=NEVER), to=to))


def test_control_elsewhere_and_without_the_rule_it_goes():
    elsewhere = Recipient(NodeId("co.ejemplo"), Role.CONSULATE)
    assert WALL_NEVER_TO not in walls(replace(leaving(message("ping"), never_to=NEVER), to=elsewhere))
    assert WALL_NEVER_TO not in walls(replace(leaving(message("ping")), to=THERE[0]))
