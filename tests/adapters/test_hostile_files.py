"""Files made to harm: each ends in a clear refusal, the parent unharmed. With each limit lifted the harm is shown."""

import tempfile
import tracemalloc
import zipfile
from io import BytesIO

import pytest

from adapters.tabular import child, guards, sandbox
from adapters.tabular.adapter import read_source
from adapters.tabular.guards import kind_of
from adapters.tabular.refusals import refused
from contracts.adapter import SourceRefusedError
from tests.adapters.builders import (
    MAPPING,
    archive,
    csv_text,
    headings_row,
    inline,
    overlapping,
    parts,
    plain,
    table,
    with_sizes_that_lie,
)
from tests.adapters.test_fixture_workbook import TODAY
from tests.adapters.traps import HEADINGS

CANARY = "Ficticia-Canaria-4711"
LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ja'><!ENTITY b '&a;&a;&a;&a;'>]>"
OUTSIDE = "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"
OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)
ROW = f"<row>{inline(CANARY)}</row>"


def rows_of(count: int) -> str:
    return "".join(f'<row r="{number}"><c r="A{number}"><v>{number}</v></c></row>' for number in range(1, count + 1))


def shared(times: int, length: int) -> bytes:
    cells = "".join(f'<row r="{number}">' + '<c t="s"><v>0</v></c>' * 20 + "</row>" for number in range(1, times // 20 + 1))
    text = "".join(chr(97 + (n * 7919 + n // 26) % 26) for n in range(length))
    return archive(parts(cells, strings=f"<si><t>{text}</t></si>"), stored=("xl/worksheets/sheet1.xml",))


def changed(name: str, before: bytes, after: bytes) -> bytes:
    found = parts(headings_row() + ROW)
    assert before in found[name]
    return archive(found | {name: found[name].replace(before, after)})


def utf16() -> bytes:
    found = parts(headings_row())
    text = LAUGHS + found["xl/workbook.xml"].decode().partition("?>")[2]
    return archive(found | {"xl/workbook.xml": text.encode("utf-16")})


def office(**entries: bytes) -> bytes:
    return archive({name.replace("__", "/"): data for name, data in entries.items()})


HOSTILE = {
    "spaces without end": ("file-unfolds-too-large", lambda: archive(parts(headings_row() + " " * 60_000_000))),
    "a part nobody reads": ("file-unfolds-too-large", lambda: archive(parts("", more={"xl/media/a.png": bytes(60_000_000)}))),
    "sizes that lie": ("file-damaged", lambda: with_sizes_that_lie(archive(parts(headings_row() + " " * 60_000_000)), "xl/worksheets/sheet1.xml")),
    "many parts": ("file-unfolds-too-large", lambda: archive(parts("", more={f"xl/p{n}.xml": b"<a/>" for n in range(300)}))),
    "parts that overlap": ("file-overlaps", overlapping),
    "names that climb": ("file-unsafe-names", lambda: archive(parts("", more={"xl/../../../etc/cron.d/x": b"x"}))),
    "names from the root": ("file-unsafe-names", lambda: archive(parts("", more={"/etc/cron.d/x": b"x"}))),
    "names with backslashes": ("file-unsafe-names", lambda: archive(parts("", more={"xl\\..\\..\\x": b"x"}))),
    "entities that multiply": ("file-has-doctype", lambda: changed("xl/sharedStrings.xml", b"<sst", LAUGHS.encode() + b"<sst")),
    "an entity from outside": ("file-has-doctype", lambda: changed("xl/workbook.xml", b"<workbook", OUTSIDE.encode() + b"<workbook")),
    "a declaration after a long comment": (
        "file-has-doctype",
        lambda: changed("xl/workbook.xml", b"<workbook", b"<!--" + b" c" * 9000 + b"-->" + LAUGHS.encode() + b"<workbook"),
    ),
    "a declaration in a part with another name": ("file-has-doctype", lambda: archive(parts("", more={"xl/worksheets/x.bin": LAUGHS.encode()}))),
    "a declaration in UTF-16": ("file-has-doctype", utf16),
    "macros": ("file-has-macros", lambda: archive(parts("", more={"xl/vbaProject.bin": b"x"}))),
    "an old .xls": ("file-is-xls-or-protected", lambda: OLE2),
    "a workbook with a password": ("file-is-xls-or-protected", lambda: OLE2 + b"EncryptedPackage"),
    "an .ods": ("file-is-no-table", lambda: office(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": b"<a/>"})),
    "a .numbers": ("file-is-no-table", lambda: office(**{"Index__Document.iwa": b"x"})),
    "an .xlsb": ("file-is-no-table", lambda: archive(parts("", more={"xl/workbook.bin": b"x"}))),
    "a .docx": ("file-is-no-table", lambda: office(**{"[Content_Types].xml": b"<Types/>", "word__document.xml": b"<a/>"})),
    "a PDF": ("file-is-no-table", lambda: b"%PDF-1.7\n" + CANARY.encode()),
    "a web page saved as .xls": ("file-is-no-table", lambda: b"\r\n<html><table><tr><td>" + CANARY.encode()),
    "an XML spreadsheet": ("file-is-no-table", lambda: b'<?xml version="1.0"?><Workbook/>'),
    "a picture": ("file-is-no-table", lambda: b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "half a workbook": ("file-damaged", lambda: table([plain()])[:-400]),
    "a workbook of noise": ("workbook-not-readable", lambda: archive(parts("") | {"xl/workbook.xml": b"<a><b></a>"})),
    "nothing": ("file-empty", lambda: b""),
    "only blanks": ("file-empty", lambda: b" \r\n\t "),
    "33 MiB": ("file-too-large", lambda: b"a" * (33 * 1024 * 1024)),
    "a cell far below": ("too-many-rows", lambda: archive(parts(headings_row() + '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'))),
    "a cell far below, its neighbours styled": (
        "too-many-rows",
        lambda: archive(parts(headings_row() + '<row r="900000"><c r="A900000" s="1"/><c r="B900000" t="n"><v>1</v></c></row>')),
    ),
    "a cell far to the right": ("too-many-columns", lambda: archive(parts(headings_row() + '<row r="2"><c r="XFD2"><v>1</v></c></row>'))),
    "100 001 rows": ("too-many-rows", lambda: archive(parts(rows_of(100_001)))),
    "one text shared by 100 000 cells": ("output-too-large", lambda: shared(100_000, 900)),
    "one long text shared by 200 000 cells": ("reading-failed", lambda: shared(200_000, 9_000)),
    "a cell of a megabyte": ("cell-too-long", lambda: archive(parts(headings_row() + f"<row>{inline(CANARY + 'x' * 1_000_000)}</row>"), stored=("xl/worksheets/sheet1.xml",))),
    "a hidden sheet alone": ("no-such-sheet", lambda: changed("xl/workbook.xml", b'sheetId="1"', b'sheetId="1" state="veryHidden"')),
    "a million rows of CSV": ("too-many-rows", lambda: b"a,b\n" + b"1,2\n" * 1_000_000),
    "CSV with a thousand columns": ("too-many-columns", lambda: b",".join([b"a"] * 1000) + b"\n"),
    "CSV with a cell of a megabyte": ("cell-too-long", lambda: b"a,b\n" + CANARY.encode() + b"x" * 1_000_000 + b",1\n"),
    "CSV with one endless line": ("cell-too-long", lambda: b"a" * 20_000_000),
    "CSV with NUL": ("nul-in-file", lambda: b"a,b\n1," + CANARY.encode() + b"\0\n"),
    "CSV with an open quote": ("csv-not-readable", lambda: b'a,b\n1,"' + CANARY.encode() + b"\n"),
    "CSV in two encodings": ("encoding-mixed", lambda: "Nombres,Apellidos\nÁngel,Muñoz\n".encode() + "Ángel,Muñoz\n".encode("latin-1")),
}  # fmt: skip


def code_of(data: bytes) -> str:
    with pytest.raises(SourceRefusedError) as caught:
        read_source(MAPPING, data, today=TODAY)
    error = caught.value
    assert CANARY not in f"{error} {error.what} {error.advice}"
    assert error.what.endswith((".", ")")), "what happened and why"
    assert error.advice.endswith("."), "what to do"
    return error.code


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_reason(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code, make = HOSTILE[name]
    data = make()
    tracemalloc.start()
    try:
        assert code_of(data) == code
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60 * 1024 * 1024 + len(data) * 2, "the parent grew"
    assert list(tmp_path.iterdir()) == []


def test_every_refusal_has_words():
    for code in {code for code, _ in HOSTILE.values()} | {"reading-took-too-long", "column-missing", "column-twice"}:
        assert refused(code).what != refused("no-such-code").what


def test_a_bomb_inside_is_never_unfolded():
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("bomb", bytes(30_000_000))
    rows = headings_row() + "<row>" + "".join(inline(str(plain().get(name, ""))) for name in HEADINGS) + "</row>"
    data = archive(parts(rows, more={"xl/embeddings/bomb.zip": inner.getvalue()}))
    assert [row.outcome.value for row in read_source(MAPPING, data, today=TODAY).rows] == ["imported"]


# -- controls: with the limit lifted, the harm is there -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "lifted"),
    [
        ("spaces without end", {"MAX_UNFOLDED": 1 << 40, "MAX_RATIO": 1 << 40}),
        ("a part nobody reads", {"MAX_UNFOLDED": 1 << 40, "MAX_RATIO": 1 << 40}),
        ("many parts", {"MAX_ENTRIES": 1 << 20}),
    ],
)
def test_without_the_guard_the_bomb_comes_through(name, lifted, monkeypatch):
    data = HOSTILE[name][1]()
    for limit, value in lifted.items():
        monkeypatch.setattr(guards, limit, value)
    assert kind_of(data) == "xlsx"


def test_without_the_overlap_check_shared_bytes_come_through(monkeypatch):
    monkeypatch.setattr(guards, "check_overlaps", lambda entries, *, end: None)
    with zipfile.ZipFile(BytesIO(overlapping())) as found:
        assert len({entry.header_offset for entry in found.infolist()}) < len(found.infolist())


def test_without_the_declaration_check_entities_come_through(monkeypatch):
    monkeypatch.setattr(guards, "_DOCTYPE", __import__("re").compile(b"never there"))
    assert kind_of(HOSTILE["entities that multiply"][1]()) == "xlsx"


def run(deed: str, *, limited: bool, seconds: float = 20.0):
    return sandbox.read_cells(b"", {"deed": deed, "limited": limited}, seconds=seconds, module="tests.adapters.children").rows[
        0
    ][1][0]


@pytest.mark.parametrize("deed", ["greedy", "write", "read", "call"])
def test_the_child_can_do_nothing_but_read_its_input(deed):
    with pytest.raises(SourceRefusedError) as caught:
        run(deed, limited=True)
    assert caught.value.code == "reading-failed"


@pytest.mark.parametrize(("deed", "said"), [("greedy", "held"), ("read", "read True"), ("call", "called")])
def test_without_its_limits_the_child_could(deed, said):
    assert run(deed, limited=False).startswith(said)


def test_a_child_that_hangs_is_ended():
    with pytest.raises(SourceRefusedError) as caught:
        run("hang", limited=True, seconds=0.5)
    assert caught.value.code == "reading-took-too-long"


def test_a_child_that_never_stops_talking_is_ended(monkeypatch):
    monkeypatch.setattr(sandbox, "OUTPUT", 1024 * 1024)
    with pytest.raises(SourceRefusedError) as caught:
        run("shout", limited=True)
    assert caught.value.code == "output-too-large"


def test_the_limits_are_those_of_the_study():
    assert (child.MEMORY, child.CPU_SECONDS, sandbox.WALL_SECONDS) == (512 * 1024 * 1024, 10, 20)
    assert (guards.MAX_ENTRIES, guards.MAX_UNFOLDED, guards.MAX_RATIO) == (200, 50 * 1024 * 1024, 100)


def test_a_bad_row_is_named_by_its_number():
    rows = [plain(Nombres=f"Ficticio {number}") for number in range(5)]
    rows[3]["Relato"] = CANARY + "x" * 20_000
    for data in (table(rows), csv_text(rows).encode()):
        with pytest.raises(SourceRefusedError) as caught:
            read_source(MAPPING if data[:2] == b"PK" else MAPPING.model_copy(update={"header_row": 1}), data, today=TODAY)
        assert caught.value.code == "cell-too-long"
        assert f"fila {6 if data[:2] == b'PK' else 5}" in caught.value.what
