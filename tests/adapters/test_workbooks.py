"""Workbooks like those of desks nobody here has seen: headings, cell types, hidden and merged parts, other date systems."""

import re
from datetime import date, datetime, time
from pathlib import Path
from typing import get_args

import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from adapters.tabular.adapter import read_source
from adapters.tabular.mapping import Column, Parser, Record, TabularMapping, load_mapping
from contracts.adapter import SourceRefusedError
from contracts.values.documents import fictitious_cui
from tests.adapters.builders import MAPPING, archive, headings_row, inline, mapping, parts, plain, table
from tests.adapters.test_fixture_workbook import TODAY
from tests.adapters.traps import HEADINGS


def read(data: bytes, used: TabularMapping = MAPPING):
    return read_source(used, data, today=TODAY)


def only(data: bytes, used: TabularMapping = MAPPING):
    rows = read(data, used).rows
    assert len(rows) == 1
    return rows[0]


def values(**cells):
    row = only(table([plain(**cells)]))
    return row.records[0].values, row.reasons


# -- headings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        str.upper,
        str.lower,
        lambda text: f"  {text} ",
        lambda text: f"{text}:",
        lambda text: f"{text} *",
        lambda text: text.replace(" ", "\n"),
        lambda text: text.replace(" ", "\u00a0"),
        lambda text: text.replace(" ", "_"),
        lambda text: text.replace("é", "e").replace("Ú", "U").replace("ñ", "n\u0303").replace("ó", "o"),
        lambda text: f"\ufeff{text}\u200b",
        lambda text: f"{text} (obligatorio)",
    ],
)
def test_headings_however_they_are_spelt(spelling):
    told = {spelling(name): value for name, value in plain().items()}
    data = table([told], headings=[spelling(name) for name in HEADINGS])
    assert only(data).records == only(table([plain()])).records


def test_columns_in_another_order_and_columns_nobody_mapped():
    data = table([plain() | {"Observaciones internas": "no sale"}], headings=[*reversed(HEADINGS), "Observaciones internas"])
    row = only(data)
    assert row.records == only(table([plain()])).records
    assert "no sale" not in str(row.records)


@pytest.mark.parametrize("above", [0, 1, 4, 9])
def test_headings_are_found_where_they_stand(above):
    def arrange(_book, sheet):
        sheet.delete_rows(1)
        if above:
            sheet.insert_rows(1, above)
            sheet["A1"] = "Institución Ficticia"

    reading = read(table([plain()], arrange=arrange))
    assert [(row.row, row.outcome.value) for row in reading.rows] == [(above + 2, "imported")]
    assert (f"headings-in-row-{above + 1}" in reading.notes) == (above != 1)


def test_a_missing_optional_column_is_no_reason_to_stop():
    headings = [name for name in HEADINGS if name not in {"Apodo", "Peso", "Reportante", "Destino"}]
    assert only(table([plain()], headings=headings)).outcome.value == "imported"


def test_a_missing_mandatory_column_is_named():
    with pytest.raises(SourceRefusedError) as caught:
        read(table([plain()], headings=[name for name in HEADINGS if name != "Apellidos"]))
    assert caught.value.code == "column-missing"
    assert "«Apellidos»" in caught.value.what


def test_a_heading_that_stands_twice_is_not_chosen_for_anybody():
    with pytest.raises(SourceRefusedError) as caught:
        read(table([plain()], headings=[*HEADINGS, "teléfono"]))
    assert (caught.value.code, "«Teléfono»" in caught.value.what) == ("column-twice", True)


def test_a_mapping_can_name_the_second_of_two():
    told = mapping().model_dump()
    for column in told["records"][1]["columns"]:
        if column["field"] == "phones":
            column["headings"] = ("Teléfono#2",)
    headings = ["Teléfono", *(name for name in HEADINGS if name != "Teléfono"), "TELEFONO"]
    data = table([plain(Teléfono="2222-0000") | {"TELEFONO": "5555-0199"}], headings=headings)
    assert only(data, TabularMapping.model_validate(told)).records[1].values["phones"] == ["+50255550199"]


def test_no_headings_at_all():
    with pytest.raises(SourceRefusedError) as caught:
        read(archive(parts("")))
    assert caught.value.code == "no-header-row"


def test_the_unit_in_a_heading_counts():
    headings = ["Peso (lb)" if name == "Peso" else "Estatura (cm)" if name == "Estatura" else name for name in HEADINGS]
    row = only(table([plain() | {"Peso (lb)": 150, "Estatura (cm)": 162}], headings=headings))
    assert row.records[0].values["weight_kg"] == {"min": 68, "max": 68}
    assert row.records[0].values["height_cm"] == {"min": 162, "max": 162}


def test_the_order_of_dates_in_a_heading_counts():
    name = "Fecha de nacimiento (mm/dd/aaaa)"
    headings = [name if heading == "Fecha de nacimiento" else heading for heading in HEADINGS]
    row = only(table([plain(**{"Fecha de nacimiento": None}) | {name: "03/12/1999"}], headings=headings))
    assert row.records[0].values["birth_date"]["date"] == "1999-03-12"


# -- cells -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "15/06/1999",
        date(1999, 6, 15),
        datetime(1999, 6, 15),
        datetime(1999, 6, 15, 23, 59),
        36326,
        "36326",
        36326.75,
        "1999-06-15T00:00:00",
    ],
)
def test_one_birth_date_in_every_type_a_cell_can_have(cell):
    assert values(**{"Fecha de nacimiento": cell})[0]["birth_date"] == {"date": "1999-06-15", "precision": "day"}


@pytest.mark.parametrize("cell", ["1999-06-15", date(1999, 6, 15), 34864, "34864"])
def test_a_workbook_that_counts_days_from_1904(cell):
    def arrange(book, sheet):
        book.epoch = CALENDAR_MAC_1904
        sheet.cell(3, HEADINGS.index("Fecha de nacimiento") + 1).value = cell

    reading = read(table([plain()], arrange=arrange))
    assert reading.rows[0].records[0].values["birth_date"]["date"] == "1999-06-15"
    assert "dates-from-1904" in reading.notes


@pytest.mark.parametrize(
    "cell",
    [
        fictitious_cui(3),
        int(fictitious_cui(3)),
        float(fictitious_cui(3)),
        f"{fictitious_cui(3)}.0",
        f" {fictitious_cui(3)}\u00a0",
    ],
)
def test_one_cui_in_every_type(cell):
    assert values(CUI=cell)[0]["cui"] == fictitious_cui(3)


@pytest.mark.parametrize("cell", [50255550100, 50255550100.0, "5.0255550100E+10", 55550100, "5555-0100"])
def test_one_phone_in_every_type(cell):
    assert only(table([plain(Teléfono=cell)])).records[1].values["phones"] == ["+50255550100"]


@pytest.mark.parametrize("cell", [1.62, "1.62", "1,62", 162, 1.620000001, 64 * 2.54 / 100 - 0.0056])
def test_one_stature_in_every_type(cell):
    assert values(Estatura=cell)[0]["height_cm"] == {"min": 162, "max": 162}


@pytest.mark.parametrize("cell", ["#N/A", "#REF!", "#VALUE!", "#DIV/0!"])
def test_a_formula_that_failed_is_told_and_not_taken_for_nothing(cell):
    def arrange(_book, sheet):
        place = sheet.cell(3, HEADINGS.index("Fecha de nacimiento") + 1)
        place.value, place.data_type = cell, "e"

    reading = read(table([plain()], arrange=arrange))
    assert "error-cells" in reading.notes
    assert "birth_date:cell-error" in reading.rows[0].reasons
    assert reading.rows[0].outcome.value == "to-complete"


def test_a_row_of_formulas_nobody_computed_is_still_a_row():
    def arrange(_book, sheet):
        sheet.append([f"=A{n}" for n in range(1, 9)])

    rows = read(table([plain()], arrange=arrange)).rows
    assert [row.outcome.value for row in rows] == ["imported", "rejected"]
    assert "surname_1:cell-error" in rows[1].reasons


def test_types_that_make_no_sense_are_told_and_stop_nothing_else():
    row = only(table([plain(Edad=True, Estatura=time(10, 30), Peso=date(1999, 1, 1), Idioma=7, Sexo=1)]))
    assert row.outcome.value == "imported"
    assert {reason.split(":")[0] for reason in row.reasons} >= {"age_range", "height_cm", "weight_kg", "mother_tongue", "sex"}


def test_rich_text_line_breaks_and_escapes_of_other_programs():
    row = '<row r="2">' + "".join(
        '<c t="inlineStr"><is><r><t xml:space="preserve">Ficticio </t></r><r><t>Andrés</t></r></is></c>' if name == "Nombres" else inline(str(plain().get(name, "") or ""))
        for name in HEADINGS
    ) + "</row>"  # fmt: skip
    found = only(archive(parts(headings_row() + row)))
    assert found.records[0].values["given_names"] == ["Ficticio", "Andrés"]


@pytest.mark.parametrize("word", ["N/A", "no sabe", "s/d", "-", "ninguno", "—", "Sin datos", "\u200b", "NULL"])
def test_words_for_nothing_are_nothing(word):
    row = only(table([plain(CUI=word, Apodo=word, Destino=word, Relato=word, Señas=word, Residencia=word)]))
    assert row.outcome.value == "imported"
    assert not {"cui", "aliases", "intended_destination", "narrative", "marks", "residence"} & set(row.records[0].values)
    assert only(table([plain(Apellidos=word)])).outcome.value == "to-complete"


@pytest.mark.parametrize(
    ("said", "sex"), [("M", "male"), ("m.", "male"), ("HOMBRE", "male"), ("mujer", "female"), (" F ", "female")]
)
def test_sex(said, sex):
    assert values(Sexo=said)[0]["sex"] == sex


def test_text_that_is_cut_is_told():
    found, reasons = values(Destino="Houston " * 40, Señas="; ".join(f"seña {n}" for n in range(30)))
    assert len(found["intended_destination"]) <= 200
    assert {"intended_destination:text-cut", "marks:text-cut"} <= set(reasons)


def test_nickname_and_widow_in_the_wrong_column_find_theirs():
    found, reasons = values(Nombres="Ficticia (La Chata)", Apellidos="Pop Xol viuda de Choc", Sexo="F")
    assert found["given_names"] == ["Ficticia"]
    assert found["aliases"] == ["La Chata"]
    assert (found["surname_1"], found["surname_2"], found["married_surname"]) == ("Pop", "Xol", "viuda de Choc")
    assert "given_names:nickname-in-name" in reasons


# -- sheets, rows, merged cells --------------------------------------------------------------------------------------


def test_hidden_rows_are_read_and_said_hidden_sheets_are_not():
    def arrange(book, sheet):
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["C"].hidden = True
        book.create_sheet("Otra").append(["x"])
        book.create_sheet("Oculta").sheet_state = "hidden"

    reading = read(table([plain(), plain(Nombres="Ficticia Dos")], arrange=arrange))
    assert len(reading.rows) == 2
    assert {"hidden-rows-read", "hidden-columns-read", "hidden-sheets-not-read", "other-sheets-not-read"} <= set(reading.notes)


def test_a_merged_cell_belongs_to_its_first_row_and_is_said():
    def arrange(_book, sheet):
        column = HEADINGS.index("Apellidos") + 1
        sheet.merge_cells(start_row=3, end_row=4, start_column=column, end_column=column)

    reading = read(table([plain(Nombres="Ficticio Uno"), plain(Nombres="Ficticia Dos")], arrange=arrange))
    assert "merged-cells" in reading.notes
    assert [row.outcome.value for row in reading.rows] == ["imported", "to-complete"]


def test_a_sheet_by_name_whatever_its_case_and_the_first_when_none_is_named():
    assert only(table([plain()]), mapping(sheet=" reportes "))
    assert only(table([plain()]), mapping(sheet=None))
    with pytest.raises(SourceRefusedError) as caught:
        read(table([plain()]), mapping(sheet="Otra"))
    assert caught.value.code == "no-such-sheet"


def test_notes_beside_the_table_do_not_stop_a_row():
    def arrange(_book, sheet):
        sheet.cell(3, len(HEADINGS) + 3).value = "llamar el lunes"

    row = only(table([plain()], arrange=arrange))
    assert (row.outcome.value, "cells-without-heading" in row.reasons) == ("imported", True)


# -- mappings --------------------------------------------------------------------------------------------------------

WHOLE = """
name = "uno"
title = "Uno"
office = "oficina"
same_person = ["given_names", "surname_1", "birth_date"]
[[records]]
type = "missing-person"
columns = [
    { headings = ["Nombre completo"], parser = "full_name", field = "given_names", required = true },
    { headings = ["Nacimiento"], parser = "date", field = "birth_date" },
    { headings = ["Municipio"], parser = "place", field = "residence" },
    { headings = ["Departamento"], parser = "department", field = "residence" },
    { headings = ["Tel 1"], parser = "phones", field = "phones" },
    { headings = ["Tel 2"], parser = "phones", field = "phones" },
]
"""


def whole(tmp_path, text=WHOLE):
    path = tmp_path / "uno.toml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def test_whole_names_two_phones_and_a_place_in_two_columns(tmp_path):
    text = "Nombre completo;Nacimiento;Municipio;Departamento;Tel 1;Tel 2\nCaal Choc, Ficticio Andrés;15/06/1999;La Libertad;Petén;5555-0100;5555-0101\n"
    found = only(text.encode(), whole(tmp_path)).records[0].values
    assert (found["given_names"], found["surname_1"], found["surname_2"]) == (["Ficticio", "Andrés"], "Caal", "Choc")
    assert found["residence"] == {"country": "GT", "department": "17", "municipality": "1705"}
    assert found["phones"] == ["+50255550100", "+50255550101"]


def test_two_columns_that_contradict_each_other_are_told(tmp_path):
    text = "Nombre completo;Nacimiento;Municipio;Departamento\nFicticio Caal;15/06/1999;Nebaj;Petén\n"
    assert "residence:two-places" in only(text.encode(), whole(tmp_path)).reasons


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"birth_date" }', '"birthday" }', "birthday"),
        ('parser = "date"', 'parser = "fecha"', "parser"),
        ('office = "oficina"', 'office = "oficina"\nofice = "x"', "ofice"),
        ('"surname_1", "birth_date"]', '"apellido"]', "apellido"),
        (
            '[[records]]\ntype = "missing-person"',
            '[[records]]\ntype = "missing-person"\nconstants = { sex = 7 }',
            "constants.sex",
        ),
        ('parser = "phones", field = "phones" },\n]', 'parser = "choice", field = "sex" },\n]', "choices of sex"),
    ],
)
def test_a_mapping_that_is_wrong_says_where(tmp_path, before, after, told):
    assert before in WHOLE
    with pytest.raises(SourceRefusedError) as caught:
        whole(tmp_path, WHOLE.replace(before, after))
    assert caught.value.code == "mapping-wrong"
    assert told in caught.value.what


def test_the_handbook_names_every_key_parser_and_reason_to_refuse():
    page = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z0-9_-]+", page))
    keys = {*TabularMapping.model_fields, *Record.model_fields, *Column.model_fields, *get_args(Parser)}
    assert keys - words == set()
    assert words & {"no_such_key"} == set()
