"""Every row accounted for, whatever stands in it; nothing counted twice, in one file or over several."""

import random
from collections import Counter
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.exceptions import IllegalCharacterError

from adapters.tabular.adapter import read_source
from contracts.adapter import RowOutcome
from contracts.fields import FIELDS, check_value
from contracts.values.documents import fictitious_cui
from contracts.values.text import visible
from tests.adapters.builders import MAPPING, csv_text, mapping, plain, table
from tests.adapters.test_fixture_workbook import TODAY
from tests.adapters.traps import HEADINGS, TRAPS

AS_CSV = mapping(header_row=1, sheet=None)
TYPED = st.one_of(
    st.none(), st.text(max_size=20), st.integers(-(10**14), 10**14), st.floats(allow_nan=False, allow_infinity=False), st.booleans(),
    st.dates(date(1900, 3, 1), date(2200, 1, 1)), st.datetimes(datetime(1900, 3, 1), datetime(2200, 1, 1)),
    st.sampled_from(["-", "N/A", "=1+1", "@x", "\u200b", "Ficticio y su hermano", "12/03/1999", "como 20", "5'4\"", "5555-0100", "La Libertad"]),
)  # fmt: skip
LINES = st.lists(st.dictionaries(st.sampled_from(HEADINGS[1:]), TYPED, max_size=8), max_size=6)


def accounted(reading, filled: int) -> None:
    counts = Counter(row.outcome for row in reading.rows)
    assert sum(counts.values()) == len(reading.rows) == filled
    assert set(counts) <= set(RowOutcome)
    assert len({row.row for row in reading.rows}) == len(reading.rows)
    for row in reading.rows:
        assert (row.outcome is RowOutcome.REJECTED) == (not row.records)
        assert row.outcome is RowOutcome.IMPORTED or row.reasons, "a row that does not leave says why"
        for record in row.records:
            for name, value in record.values.items():
                assert check_value(FIELDS[record.type][name].kind, value)


@settings(max_examples=40, deadline=None)
@given(LINES)
def test_any_workbook_has_all_its_rows_accounted_for(rows):
    cells = [plain(Nombres="Ficticio Primero"), *({**row, "Apodo": "Ficticio"} for row in rows)]
    try:
        data = table(cells)
    except IllegalCharacterError:
        return  # no program can write that cell
    accounted(read_source(MAPPING, data, today=TODAY), len(cells))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(HEADINGS), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=8
        ),
        max_size=6,
    )
)
def test_any_csv_has_all_its_rows_accounted_for(rows):
    data = csv_text(rows).encode()
    filled = sum(any(visible(str(cell)).strip() for cell in row.values()) for row in rows)
    accounted(read_source(AS_CSV, data, today=TODAY), filled)


def test_the_count_sees_a_row_that_is_lost():
    reading = read_source(MAPPING, table([plain(), plain(Nombres="Ficticia Dos")]), today=TODAY)
    accounted(reading, 2)
    with pytest.raises(AssertionError):
        accounted(type(reading)(reading.rows[:1], reading.notes), 2)


# -- again -----------------------------------------------------------------------------------------------------------


def keys(data: bytes, used=MAPPING) -> list[bytes]:
    return [row.content for row in read_source(used, data, today=TODAY).rows if row.outcome is RowOutcome.IMPORTED]


def test_the_same_rows_have_the_same_keys_in_any_order():
    rows = [trap["cells"] for _, trap in TRAPS]
    shuffled = rows[:]
    random.Random(4711).shuffle(shuffled)
    turned = [{name: cell for name, cell in row.items() if not str(cell).startswith("@date")} for row in shuffled]
    straight = [{name: cell for name, cell in row.items() if not str(cell).startswith("@date")} for row in rows]
    assert len(keys(table(straight))) == len(keys(table(turned)))
    unique = [row for row in straight if "Begoña" not in row.get("Nombres", "") and "Ixchel" not in row.get("Nombres", "")]
    assert set(keys(table(unique))) == set(keys(table(list(reversed(unique)))))


def test_the_same_rows_saved_by_another_program_have_the_same_keys():
    rows = [
        plain(
            Nombres=f"Ficticio {name}",
            CUI=fictitious_cui(number),
            Estatura=162,
            **{"Fecha de nacimiento": "1999-06-15", "Último contacto": "2026-10-15"},
        )
        for number, name in enumerate(["Uno", "Dos", "Tres"])
    ]
    typed = [
        row
        | {
            "CUI": int(row["CUI"]),
            "Estatura": 162.0,
            "Fecha de nacimiento": date(1999, 6, 15),
            "Último contacto": datetime(2026, 10, 15, 9, 30),
        }
        for row in rows
    ]
    assert (
        keys(table(rows))
        == keys(table(typed))
        == keys(csv_text(rows).encode("utf-16"), AS_CSV)
        == keys(csv_text(rows, delimiter=";").encode("cp1252"), AS_CSV)
    )
    moved = table(rows, headings=list(reversed(HEADINGS)), title=False)
    assert keys(moved) == keys(table(rows))


def test_one_changed_cell_is_another_row_of_the_same_person():
    first, second = plain(Nombres="Ficticio Cambio"), plain(Nombres="Ficticio Cambio", Teléfono="5555-0199", Destino="Houston")
    rows = read_source(MAPPING, table([first, second]), today=TODAY).rows
    assert [row.outcome.value for row in rows] == ["imported", "duplicate"]
    assert {"same-as-row-3", "differs:phones", "differs:intended_destination"} <= set(rows[1].reasons)
    assert rows[0].content != rows[1].content


def outcomes(*rows):
    return [row.outcome.value for row in read_source(MAPPING, table(list(rows)), today=TODAY).rows]


def test_homonyms_are_not_merged_by_guess():
    assert outcomes(plain(CUI=fictitious_cui(1)), plain(CUI=fictitious_cui(2), Destino="Houston")) == ["imported", "imported"]
    assert outcomes(plain(CUI=fictitious_cui(1)), plain(Destino="Houston")) == ["imported", "duplicate"]
    year = {"Fecha de nacimiento": "1999"}
    assert outcomes(plain(**year), plain(**year, Destino="Houston")) == ["imported", "imported"], "a year tells nobody apart"


def test_the_very_same_row_is_one_report_even_of_a_person_hardly_known():
    row = plain(Apellidos="Tzoc", Edad="20", **{"Fecha de nacimiento": None})
    assert outcomes(row, dict(row)) == ["imported", "duplicate"]


def test_a_row_that_waits_for_a_person_does_not_make_the_next_a_duplicate():
    assert outcomes(plain(**{"Último contacto": None}), plain()) == ["to-complete", "imported"]
