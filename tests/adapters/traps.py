"""The workbook of families' reports, row by row: what stands there, what must become of it, and why.

Every person is invented: given name Ficticio or Ficticia, CUI from the serial block that no real one has.
"""

from contracts.values.documents import fictitious_cui

HEADINGS = [
    "No.", "Nombres", "Apellidos", "Apellido de casada", "Apodo", "Fecha de nacimiento", "Edad", "Sexo", "CUI", "Otro documento",
    "Lugar de nacimiento", "Residencia", "Idioma", "Estatura", "Peso", "Señas", "Ropa", "Fecha de salida", "Último contacto",
    "Lugar del último contacto", "Destino", "Relato", "Reportante", "Parentesco", "Teléfono", "Dirección", "Idioma del reportante",
]  # fmt: skip

PLAIN = {
    "Nombres": "Ficticio Andrés",
    "Apellidos": "Caal Choc",
    "Fecha de nacimiento": "12/03/1999",
    "Sexo": "M",
    "Último contacto": "2026-10-15",
    "Lugar del último contacto": "Reynosa, México",
    "Reportante": "Ficticia Caal",
    "Parentesco": "Madre",
    "Teléfono": "5555-0100",
}


def row(outcome, *reasons, minor="no", **cells):
    """One row: the plain one with `cells` changed (None removes), its outcome, reasons that must be told, minority."""
    changed = {name: value for name, value in (PLAIN | cells).items() if value is not None}
    return {"cells": changed, "outcome": outcome, "reasons": set(reasons), "minor": minor}


OK, ASK, TWICE, NO = "imported", "to-complete", "duplicate", "rejected"

TRAPS = [
    ("a plain row", row(OK, Nombres="Ficticio Uno")),
    ("CUI with spaces", row(OK, Nombres="Ficticio Dos", CUI=f"{fictitious_cui(1)[:4]} {fictitious_cui(1)[4:9]} {fictitious_cui(1)[9:]}")),
    ("CUI as a spreadsheet number", row(OK, Nombres="Ficticio Tres", CUI=int(fictitious_cui(2)))),
    ("CUI as text with .0", row(OK, "cui:cui-from-number", Nombres="Ficticio Cuatro", CUI=fictitious_cui(3) + ".0")),
    ("CUI in scientific notation lost its tail", row(OK, "cui:cui-digits-lost", Nombres="Ficticio Cinco", CUI="9.90000E+12")),
    ("CUI of Petatán, which stale tables refuse", row(OK, Nombres="Ficticio Seis", CUI=fictitious_cui(5, 13, 33))),
    ("CUI of Sipacate", row(OK, Nombres="Ficticio Siete", CUI=fictitious_cui(6, 5, 14))),
    ("CUI with department 01 to 09", row(OK, Nombres="Ficticio Ocho", CUI=fictitious_cui(7, 1, 8))),
    ("wrong check digit warns and does not block", row(OK, "cui:cui-check-digit", Nombres="Ficticio Nueve", CUI="9900000051301")),
    ("remainder ten was never issued; warn", row(OK, "cui:cui-remainder-ten", Nombres="Ficticio Diez", CUI="9900000101301")),
    ("department 23 does not exist", row(OK, "cui:cui-department", Nombres="Ficticio Once", CUI=fictitious_cui(8)[:9] + "2301")),
    ("municipality 34 of Huehuetenango does not exist", row(OK, "cui:cui-municipality", Nombres="Ficticio Doce", CUI=fictitious_cui(9)[:9] + "1334")),
    ("twelve digits: a leading zero was eaten, not ours to block", row(OK, "cui:leading-zero-restored", Nombres="Ficticio Trece", CUI="990000001130")),
    ("not a CUI at all", row(OK, "cui:cui-not-13-digits", Nombres="Ficticio Catorce", CUI="no se sabe el número")),
    ("old cédula de vecindad", row(OK, Nombres="Ficticio Quince", **{"Otro documento": "M-13 12345"})),
    ("CURP", row(OK, Nombres="Ficticio Dieciséis", **{"Otro documento": "BOXW310820HNERXN09"})),
    ("CURP with a wrong check digit", row(OK, "documents:curp-check", Nombres="Ficticio Diecisiete", **{"Otro documento": "BOXW310820HNERXN08"})),
    ("A-number", row(OK, Nombres="Ficticio Dieciocho", **{"Otro documento": "A12345678"})),
    ("equal surnames are common and no mistake", row(OK, Nombres="Ficticio Miguel", Apellidos="Raymundo Raymundo")),
    ("De León is a birth surname", row(OK, Nombres="Ficticio Otto", Apellidos="De León de la Cruz")),
    ("one surname only", row(OK, "surname_1:one-surname", Nombres="Ficticio Solo", Apellidos="Tzoc")),
    ("three surnames in one cell", row(OK, "surname_1:more-than-two-surnames", Nombres="Ficticio Largo", Apellidos="Mateo Pedro Francisco")),
    ("given names as surnames", row(OK, Nombres="Ficticio Pedro", Apellidos="Francisco Mateo")),
    ("apostrophe '", row(OK, Nombres="Ficticia Ixchel", Apellidos="Q'anil Ka'al", Sexo="F")),
    ("apostrophe ’: the same person again", row(TWICE, "same-as-row-26", Nombres="Ficticia Ixchel", Apellidos="Q’anil Ka’al", Sexo="F")),
    ("apostrophe ʼ: the same person again", row(TWICE, "same-as-row-26", Nombres="Ficticia Ixchel", Apellidos="Qʼanil Kaʼal", Sexo="F")),
    ("apostrophe `: the same person again", row(TWICE, "same-as-row-26", Nombres="Ficticia Ixchel", Apellidos="Q`anil Ka`al", Sexo="F")),
    ("Ñ composed", row(OK, Nombres="Ficticia Begoña", Apellidos="Muñoz Ordóñez", Sexo="F")),
    ("Ñ decomposed: the same person again", row(TWICE, "same-as-row-30", Nombres="Ficticia Begon\u0303a", Apellidos="Mun\u0303oz Ordo\u0301n\u0303ez", Sexo="F")),
    ("differs in one accent: the same person again", row(TWICE, "same-as-row-30", Nombres="Ficticia Begoña", Apellidos="Muñoz Ordoñez", Sexo="F")),
    ("a homonym with another birth date is another person", row(OK, Nombres="Ficticia Begoña", Apellidos="Muñoz Ordóñez", Sexo="F", **{"Fecha de nacimiento": "01/02/1985"})),
    ("married name", row(OK, Nombres="Ficticia Elena", Apellidos="Pop Xol", Sexo="F", **{"Apellido de casada": "de Tzul"})),
    ("widow", row(OK, Nombres="Ficticia Viuda", Apellidos="Pop Tiul", Sexo="F", **{"Apellido de casada": "viuda de Choc"})),
    ("two persons in one cell: somebody must split them", row(ASK, "two-people-in-one-cell", Nombres="Ficticio José y su hermano", Apellidos="Bámaca Tojil")),
    ("no given name", row(ASK, "missing:given_names", Nombres=None)),
    ("no surname", row(ASK, "missing:surname_1", Nombres="Ficticio Huérfano", Apellidos="-")),
    ("mid 1998", row(OK, "birth_date:part-of-year", Nombres="Ficticio Mediado", **{"Fecha de nacimiento": "mediados de 1998"})),
    ("two-digit year", row(OK, "birth_date:two-digit-year", Nombres="Ficticio Corto", **{"Fecha de nacimiento": "15/06/84"})),
    ("US order shows itself", row(OK, "birth_date:month-first-date", Nombres="Ficticio Norte", **{"Fecha de nacimiento": "06/15/1984"})),
    ("Excel serial number as text", row(OK, "birth_date:excel-serial-date", Nombres="Ficticio Serial", **{"Fecha de nacimiento": "36231"})),
    ("a real spreadsheet date", row(OK, Nombres="Ficticio Fecha", **{"Fecha de nacimiento": "@date:1990-05-17"})),
    ("month in words", row(OK, Nombres="Ficticio Palabras", **{"Fecha de nacimiento": "3 de setiembre de 1991"})),
    ("year only", row(OK, "birth_date:year-only", Nombres="Ficticio Año", **{"Fecha de nacimiento": "1980"})),
    ("impossible date, no age: somebody must ask", row(ASK, "birth_date:impossible-date", Nombres="Ficticio Imposible", **{"Fecha de nacimiento": "31/02/1990"})),
    ("year 2190", row(ASK, "birth_date:date-out-of-range", Nombres="Ficticio Futuro", **{"Fecha de nacimiento": "12/03/2190"})),
    ("age instead of a date", row(OK, Nombres="Ficticio Edad", Edad="34", **{"Fecha de nacimiento": None})),
    ("about twenty may be seventeen", row(OK, "age_range:approximate", minor="possible", Nombres="Ficticio Como", Edad="como 20", **{"Fecha de nacimiento": None})),
    ("a girl of fifteen", row(OK, minor="yes", Nombres="Ficticia Quinceañera", Apellidos="Ixcoy Tum", Sexo="F", Edad="15", **{"Fecha de nacimiento": None})),
    ("a baby in months", row(OK, "age_range:from-months", minor="yes", Nombres="Ficticio Bebé", Edad="8 meses", **{"Fecha de nacimiento": None})),
    ("neither age nor date: somebody must ask", row(ASK, "missing:birth_date|age_range", Nombres="Ficticio Sinedad", **{"Fecha de nacimiento": None})),
    ("feet and inches", row(OK, "height_cm:from-feet", Nombres="Ficticio Pies", Estatura="5'4\"")),
    ("metres", row(OK, "height_cm:from-metres", Nombres="Ficticio Metros", Estatura="1.62")),
    ("centimetres as a number", row(OK, Nombres="Ficticio Centímetros", Estatura=162)),
    ("mediano is no number", row(OK, "height_cm:stature-in-words", Nombres="Ficticio Mediano", Estatura="mediano")),
    ("pounds", row(OK, "weight_kg:from-pounds", Nombres="Ficticio Libras", Peso="150 lb")),
    ("kilos", row(OK, Nombres="Ficticio Kilos", Peso="68 kg")),
    ("phone as a spreadsheet number", row(OK, "phones:country-code-assumed", Nombres="Ficticio Teléfono", Teléfono=55550101)),
    ("phones of three countries", row(OK, Nombres="Ficticio Fronteras", Teléfono="+502 5555 0102 / +52 55 1234 5678 / +1 (713) 555-0100")),
    ("Mexican spelling of Q'anjob'al", row(OK, Nombres="Ficticio Kanjobal", Idioma="KANJOBAL")),
    ("a language nobody lists", row(OK, "mother_tongue:language-unknown", Nombres="Ficticio Lengua", Idioma="klingon")),
    ("place with a trailing space", row(OK, Nombres="Ficticio Jutiapa", Residencia="Jutiapa ")),
    ("Petatán by name", row(OK, Nombres="Ficticio Petatán", Residencia="Petatán")),
    ("a municipality that exists twice", row(OK, "residence:municipality-ambiguous", Nombres="Ficticio Dosveces", Residencia="La Libertad")),
    ("the same with its department", row(OK, Nombres="Ficticio Unavez", Residencia="La Libertad, Huehuetenango")),
    ("a hamlet as text", row(OK, "residence:place-as-text", Nombres="Ficticio Aldea", Residencia="Aldea Ficticia Las Nubes")),
    ("formula in a cell stays text", row(OK, "narrative:formula-as-text", Nombres="Ficticio Fórmula", Relato='=HYPERLINK("http://ejemplo.invalid","ver")')),
    ("formula prefix in a name", row(OK, "given_names:formula-as-text", Nombres="@Ficticio Arroba")),
    ("sex not in the list", row(OK, "sex:choice-not-listed", Nombres="Ficticio Sexo", Sexo="no dice")),
    ("cell full of spaces", row(OK, Nombres="  Ficticio   Espacios  ", Apellidos="  Yat   Rax ")),
    ("no contact date and no departure", row(ASK, "missing:last_contact_date|departure_date", Nombres="Ficticio Sinfecha", **{"Último contacto": None})),
    ("only a reporter", {"cells": {"Reportante": "Ficticia Sola", "Parentesco": "Tía"}, "outcome": NO, "reasons": {"nothing-usable"}, "minor": "no"}),
]  # fmt: skip

FIRST_ROW = 3
"""The title stands in row 1, the headings in row 2."""
