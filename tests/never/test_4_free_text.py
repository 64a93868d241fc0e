"""Never 4: free text that leaves before a person released it; that is where addresses hide."""

from dataclasses import replace

import pytest

from contracts import walls as module
from contracts.fields import FIELDS, RecordType
from contracts.register import Role
from contracts.walls import WALL_HELD, walls, without_held
from tests.never.leavings import carried, leaving, message

TYPED = [
    (record, name)
    for record, fields in FIELDS.items()
    for name, field in fields.items()
    if field.kind in {"text", "long_text", "items", "place"}
]


@pytest.mark.parametrize(("record", "name"), TYPED, ids=str)
def test_free_text_waits_for_a_person_wherever_it_stands(record, name):
    about = leaving(message("report.transfer"), Role.SEARCH_MECHANISM, carried(record, name))
    assert WALL_HELD in walls(about)
    texts = module.free_texts(about)
    assert WALL_HELD not in walls(replace(about, released=texts))
    assert WALL_HELD in walls(
        replace(about, released=frozenset({f"{text} " for text in texts}))
    )  # one letter more is another text
    rest, held = without_held(about.carried[0], frozenset())
    assert (dict(rest.claims), held) == ({}, {name})


def test_a_note_waits_too():
    assert WALL_HELD in walls(leaving(message("note")))


def test_control_with_kinds_nobody_listed_it_slips_through(monkeypatch):
    monkeypatch.setattr(module, "_FREE_KINDS", frozenset())
    about = replace(leaving(message("report.transfer")), carried=(carried(RecordType.MISSING_PERSON, "narrative"),))
    assert WALL_HELD not in walls(about)
