"""CSV files as programs and desks save them: separators, encodings, line ends, shifted rows."""

import pytest

from adapters.tabular.adapter import read_source
from contracts.adapter import SourceRefusedError
from tests.adapters.builders import csv_text, mapping, plain
from tests.adapters.test_fixture_workbook import TODAY

MAPPING = mapping(header_row=1, sheet=None)
ROWS = [
    plain(Nombres="Ficticia Begoña", Apellidos="Muñoz Q’anil", Relato="una coma, y otra; y más"),
    plain(Nombres="Ficticio Ángel", Apellidos="Ordóñez Xol", Relato="dos\nlíneas"),
    plain(Nombres="Ficticio Otto", Apellidos="De León Ba'", Relato='dijo "adiós"'),
]
EXPECTED = [("Muñoz", "Q’anil"), ("Ordóñez", "Xol"), ("De León", "Ba'")]


def people(data: bytes, **changes):
    reading = read_source(mapping(header_row=1, sheet=None, **changes), data, today=TODAY)
    return [(row.records[0].values["surname_1"], row.records[0].values["surname_2"]) for row in reading.rows], reading


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_usual_way_to_save_a_csv(delimiter, end, encoding):
    found, reading = people(csv_text(ROWS, delimiter=delimiter, end=end).encode(encoding))
    assert found == EXPECTED
    assert [row.outcome.value for row in reading.rows] == ["imported"] * 3
    assert [row.row for row in reading.rows] == [2, 3, 4], "an embedded line break is no new row"
    assert reading.rows[1].records[0].values["narrative"] == "dos\nlíneas"
    assert ("encoding-assumed-cp1252" in reading.notes) == (encoding == "cp1252")


@pytest.mark.parametrize("encoding", ["cp850", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_an_encoding_the_mapping_says(encoding):
    rows = [plain(Nombres="Ficticia Begoña", Apellidos="Muñoz Xol")]
    assert people(csv_text(rows).encode(encoding), encoding=encoding)[0] == [("Muñoz", "Xol")]


def test_a_file_that_is_not_in_the_encoding_the_mapping_says():
    with pytest.raises(SourceRefusedError) as caught:
        people(csv_text(ROWS).encode("cp1252"), encoding="utf-8")
    assert caught.value.code == "not-utf-8"


def test_the_line_a_spreadsheet_puts_first_to_name_its_separator():
    assert people(b"sep=;\r\n" + csv_text(ROWS, delimiter=";").encode())[0] == EXPECTED


def test_letters_destroyed_before_stop_the_row():
    data = csv_text([plain(Apellidos="Muñoz Xol".encode().decode("cp1252"))]).encode()
    row = read_source(MAPPING, data, today=TODAY).rows[0]
    assert (row.outcome.value, "text-garbled" in row.reasons) == ("to-complete", True)


def test_a_row_that_a_loose_comma_shifted_waits_for_a_person():
    text = "Nombres,Apellidos,Fecha de nacimiento,Último contacto,Dirección\nFicticio,Caal Choc,1999-06-15,2026-10-15,zona 1, barrio X\n"
    row = read_source(MAPPING, text.encode(), today=TODAY).rows[0]
    assert (row.outcome.value, "more-cells-than-headings" in row.reasons) == ("to-complete", True)


def test_a_row_that_is_short_is_missing_what_it_lacks():
    text = "Nombres,Apellidos,Fecha de nacimiento,Último contacto\nFicticio,Caal Choc\n\n,,,\nFicticia\n"
    rows = read_source(MAPPING, text.encode(), today=TODAY).rows
    assert [(row.row, row.outcome.value) for row in rows] == [(2, "to-complete"), (5, "to-complete")]
    assert "missing:surname_1" in rows[1].reasons


def test_headings_alone_are_an_empty_table():
    assert read_source(MAPPING, csv_text([]).encode(), today=TODAY).rows == []


def test_a_csv_that_a_spreadsheet_would_run_is_text_and_told():
    rows = read_source(
        MAPPING, csv_text([plain(Relato="=HYPERLINK(1)", Teléfono="+502 5555-0100 / +1 713 555 0100")]).encode(), today=TODAY
    ).rows
    assert "narrative:formula-as-text" in rows[0].reasons
    assert "phones:formula-as-text" not in rows[0].reasons
    assert rows[0].records[0].values["narrative"] == "=HYPERLINK(1)"


def test_an_apostrophe_that_kept_a_text_from_running_is_taken_off():
    rows = read_source(MAPPING, csv_text([plain(Relato="'=1+1")]).encode(), today=TODAY).rows
    assert rows[0].records[0].values["narrative"] == "=1+1"
