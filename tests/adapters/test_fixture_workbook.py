"""The desk's workbook: every row accounted for, with the outcome and the reasons the trap table names."""

from collections import Counter
from datetime import date

import pytest

from adapters.tabular.adapter import read_source
from adapters.tabular.mapping import load_mapping
from contracts.fields import FIELDS, RecordType, check_value
from contracts.minors import minority
from tests.adapters.make_fixtures import FOLDER, files
from tests.adapters.traps import FIRST_ROW, TRAPS

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def reading():
    mapping = load_mapping(FOLDER / "reportes_conamigua.toml")
    return read_source(mapping, (FOLDER / "reportes_conamigua.xlsx").read_bytes(), today=TODAY)


def test_there_are_at_least_fifty_traps():
    assert len(TRAPS) >= 50
    assert len({name for name, _ in TRAPS}) == len(TRAPS)


def test_every_row_is_accounted_for(reading):
    assert [report.row for report in reading.rows] == list(range(FIRST_ROW, FIRST_ROW + len(TRAPS)))
    assert sum(Counter(report.outcome for report in reading.rows).values()) == len(TRAPS)


@pytest.mark.parametrize("number", range(len(TRAPS)), ids=[name for name, _ in TRAPS])
def test_a_trap(reading, number):
    _, trap = TRAPS[number]
    report = reading.rows[number]
    assert report.outcome == trap["outcome"], report.reasons
    assert trap["reasons"] <= set(report.reasons)


@pytest.mark.parametrize("number", [n for n, (_, trap) in enumerate(TRAPS) if trap["outcome"] == "imported"])
def test_minority_errs_towards_the_child(reading, number):
    assert minority(reading.rows[number].records[0].values, TODAY) == TRAPS[number][1]["minor"]


def test_every_value_has_the_shape_of_the_dictionary(reading):
    for report in reading.rows:
        for record in report.records:
            for name, value in record.values.items():
                assert check_value(FIELDS[record.type][name].kind, value), (report.row, name)


def test_reasons_hold_no_value_of_a_person(reading):
    for (_, trap), report in zip(TRAPS, reading.rows, strict=True):
        words = {
            word for cell in trap["cells"].values() for word in str(cell).split() if len(word) > 5 and "ficti" in word.lower()
        }
        assert not any(word in reason for word in words for reason in report.reasons)


def test_hidden_sheets_and_comments_are_said_and_not_read(reading):
    assert set(reading.notes) == {"hidden-sheets-not-read", "comments-not-read"}


def test_the_committed_workbooks_are_what_the_generator_writes():
    for name, data in files().items():
        assert (FOLDER / name).read_bytes() == data, name


def test_remains_in_the_column_layout_of_arizona_ogis():
    mapping = load_mapping(FOLDER / "restos_ogis.toml")
    reading = read_source(mapping, (FOLDER / "restos_ogis.csv").read_bytes(), today=TODAY)
    outcomes = [report.outcome.value for report in reading.rows]
    assert outcomes == [
        "imported", "imported", "imported", "imported", "imported", "imported", "duplicate", "imported", "to-complete", "to-complete", "to-complete",
    ]  # fmt: skip
    first = reading.rows[0].records[0]
    assert first.type is RecordType.UNIDENTIFIED_REMAINS
    assert first.values["found_coordinates"] == {"lat": 2703110, "lon": -9821450}
    assert first.values["found_date"] == {"date": "2026-06-14", "precision": "day"}
    assert "found_date:impossible-date" in reading.rows[1].reasons
    assert "found_coordinates:coordinate-out-of-range" in reading.rows[7].reasons
