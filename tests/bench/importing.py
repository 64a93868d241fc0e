"""How fast tables become records: `make bench-import`. Nothing is sent and nothing stored.

A million rows of invented people in twenty CSV files (the sandboxed child takes 100,000 rows a file at most), each read to
accounted records through the adapter as shipped, child and all, and by the `csv` module alone. Rates are rows per second of
CPU, of this process and the child together; each file is one repetition, the medians of their ratios count. Then a workbook.
`--quick` tries the command, and its numbers mean nothing.
"""

import argparse
import csv
import json
import os
import random
import resource
import statistics
import sys
import time
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from io import BytesIO, StringIO
from pathlib import Path

from openpyxl import Workbook

from adapters.tabular.adapter import read_source
from adapters.tabular.mapping import TabularMapping
from adapters.tabular.sandbox import read_cells
from contracts.adapter import RowOutcome
from tests.bench import report
from tests.bench.exchange import say
from tests.bench.proc import machine

SEED = 20_261_126
TODAY = date(2026, 11, 26)
HEADINGS = ("Nombres", "Apellidos", "Fecha de nacimiento", "Sexo", "Residencia")
GIVEN = ("Ficticia", "María", "José", "Ana Lucía", "Juan", "Ixchel", "Nicolás", "María de los Ángeles", "Rosa", "Mateo", "Inés")
FAMILY = ("Ficticio", "Xol", "Tzoc", "de León", "Pérez", "Coy", "Ixcoy", "Muñoz", "del Cid", "Caal", "Ramírez", "Güitz", "Chub")
PLACES = (
    "San Marcos", "Huehuetenango", "Todos Santos Cuchumatán, Huehuetenango", "Cobán, Alta Verapaz", "Joyabaj, Quiché",
    "Comitancillo, San Marcos", "La Libertad, Petén", "Sololá", "Nebaj, Quiché", "Aldea Ficticia, Cuilco, Huehuetenango",
)  # fmt: skip
MAPPING = TabularMapping.model_validate(
    {
        "name": "bench",
        "title": "Libro ficticio",
        "office": "bench",
        "same_person": ["given_names", "surname_1", "surname_2", "birth_date"],
        "records": [
            {
                "type": "missing-person",
                "any_of": [["birth_date", "age_range"]],
                "columns": [
                    {"headings": [HEADINGS[0]], "parser": "given_names", "field": "given_names", "required": True},
                    {"headings": [HEADINGS[1]], "parser": "surnames", "field": "surname_1", "required": True},
                    {"headings": [HEADINGS[2]], "parser": "date", "field": "birth_date"},
                    {"headings": [HEADINGS[3]], "parser": "choice", "field": "sex", "choices": {"M": "male", "F": "female"}},
                    {"headings": [HEADINGS[4]], "parser": "place", "field": "residence"},
                ],
            }
        ],
    }
)
TARGETS = (("Rows per CPU second, of the csv reader's own", ("csv", "ratio"), ">=", 0.4),)


def _settings():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try the command on a tiny size")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks"))
    options = parser.parse_args()
    options.files, options.rows, options.sheet_rows = (2, 200, 100) if options.quick else (20, 50_000, 20_000)
    return options


def people(rows, source):
    """Return rows of invented people, as a desk writes them: mostly well, some with nothing in a cell, some twice."""
    made = []
    for _ in range(rows):
        born = date(1960, 1, 1) + timedelta(days=source.randrange(18_000))
        row = [
            f"{source.choice(GIVEN)} {source.choice(GIVEN)}",
            f"{source.choice(FAMILY)} {source.choice(FAMILY)}",
            f"{born:%d/%m/%Y}" if source.random() < 0.95 else str(born.year),
            source.choice("MF"),
            source.choice(PLACES) if source.random() < 0.9 else "no sabe",
        ]
        made.append(made[-1] if made and source.random() < 0.01 else row)
    return made


def as_csv(rows):
    """Return rows as the bytes of a CSV file."""
    out = StringIO()
    csv.writer(out).writerows([HEADINGS, *rows])
    return out.getvalue().encode()


def as_workbook(rows):
    """Return rows as the bytes of an XLSX file."""
    book, out = Workbook(write_only=True), BytesIO()
    sheet = book.create_sheet("Libro")
    for row in (HEADINGS, *rows):
        sheet.append(row)
    book.save(out)
    return out.getvalue()


def _cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def timed(work):
    """Return (what it gave, CPU seconds of this process and its ended children, seconds)."""
    cpu, wall = _cpu(), time.perf_counter()
    found = work()
    return found, _cpu() - cpu, time.perf_counter() - wall


def _read_csv(data):
    # A row at a time, none kept: the reader's own rate, and no more.
    number = 0
    for _ in csv.reader(StringIO(data.decode(), newline="")):
        number += 1
    return number


def _digested(data):
    """Read rows, and take of each the digest that tells whether it was imported before: the least that accounting asks."""
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
    for row in csv.reader(StringIO(data.decode(), newline="")):
        sha256(encode(row).encode()).digest()


def _cells(data, kind):
    return read_cells(data, {"kind": kind, "sheet": None, "delimiter": "auto", "encoding": "auto"})


def _accounted(reading, rows):
    """Return how many rows had each outcome; refuse a reading that lost one."""
    counts = {outcome.value: 0 for outcome in RowOutcome}
    for row in reading.rows:
        counts[row.outcome.value] += 1
    if sum(counts.values()) != rows:
        raise RuntimeError(f"{rows} rows went in and {sum(counts.values())} came out")
    return counts


def _one(data, rows, kind):
    reading, cpu, wall = timed(lambda: read_source(MAPPING, data, today=TODAY))
    counts = _accounted(reading, rows)
    del reading
    _, cells_cpu, _ = timed(lambda: _cells(data, kind))
    return {
        "rows": rows,
        "per_cpu_second": rows / cpu,
        "per_second": rows / wall,
        "cells_per_cpu_second": rows / cells_cpu,
        "outcomes": counts,
    }


def measure(options):
    """Return everything a run finds."""
    load, when = os.getloadavg()[0], datetime.now(UTC)
    source = random.Random(SEED)
    rows, alone, digested = [], [], []
    for number in range(options.files):
        say(f"file {number + 1} of {options.files}")
        data = as_csv(people(options.rows, source))
        _, cpu, _ = timed(lambda data=data: _read_csv(data))
        # A short file is read in less than the clock's tick.
        alone.append(options.rows / max(cpu, 1e-4))
        _, cpu, _ = timed(lambda data=data: _digested(data))
        digested.append(options.rows / max(cpu, 1e-4))
        rows.append(_one(data, options.rows, "csv"))
    say("a workbook")
    sheets = [_one(as_workbook(people(options.sheet_rows, source)), options.sheet_rows, "xlsx") for _ in range(3)]
    numbers = ("per_cpu_second", "per_second", "cells_per_cpu_second")
    found = {
        "date": when.isoformat(timespec="seconds"),
        "quick": options.quick,
        "machine": machine(load),
        "repetitions": options.files,
        "seed": SEED,
        "csv": {
            "rows": options.files * options.rows,
            "reader_per_cpu_second": statistics.median(alone),
            **{name: statistics.median(row[name] for row in rows) for name in numbers},
            "ratio": statistics.median(row["per_cpu_second"] / reader for row, reader in zip(rows, alone, strict=True)),
            "cells_ratio": statistics.median(
                row["cells_per_cpu_second"] / reader for row, reader in zip(rows, alone, strict=True)
            ),
            "digested_per_cpu_second": statistics.median(digested),
            "digested_ratio": statistics.median(one / reader for one, reader in zip(digested, alone, strict=True)),
            "outcomes": {name: sum(row["outcomes"][name] for row in rows) for name in rows[0]["outcomes"]},
        },
        "xlsx": {
            "rows": options.sheet_rows,
            **{name: statistics.median(row[name] for row in sheets) for name in numbers},
        },
    }
    return found | {"targets": report.judged(found, TARGETS)}


def table(found):
    """Return the run as Markdown."""
    text, sheet = found["csv"], found["xlsx"]
    outcomes = ", ".join(f"{number:,} {name}" for name, number in text["outcomes"].items())
    lines = [
        *report.heading(found, "Import, measured", "make bench-import"),
        f"{text['rows']:,} rows of five columns in {found['repetitions']} files, seed {found['seed']}: {outcomes}.",
        "",
        "| what | rows per CPU second | of the csv reader's |",
        "|---|---|---|",
        f"| `csv` reader alone, rows thrown away | {text['reader_per_cpu_second']:,.0f} | 1 |",
        f"| bound: rows, and of each a digest of its JSON | {text['digested_per_cpu_second']:,.0f} | {text['digested_ratio']:.2f} |",
        f"| cells as text, through the sandboxed child and its pipe | {text['cells_per_cpu_second']:,.0f} | {text['cells_ratio']:.2f} |",
        f"| accounted records | {text['per_cpu_second']:,.0f} | {text['ratio']:.2f} |",
        f"| XLSX, {sheet['rows']:,} rows: cells as text, through the child | {sheet['cells_per_cpu_second']:,.0f} | |",
        f"| XLSX: accounted records | {sheet['per_cpu_second']:,.0f} | |",
        "",
        f"By the clock: CSV {text['per_second']:,.0f} and XLSX {sheet['per_second']:,.0f} accounted records per second.",
    ]
    return "\n".join([*lines, *report.target_rows(found), ""])


def main():
    options = _settings()
    found = measure(options)
    report.write(found, options.output, name="import", text=table, drawing=None)
    sys.stdout.write(table(found))


if __name__ == "__main__":
    main()
