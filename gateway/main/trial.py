"""Trying a mapping without sending anything: row → record → what would leave, by the same `extract` that sends."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.registry import ADAPTERS
from contracts.adapter import RowOutcome, SourceRefusedError
from contracts.calendars import day_in_guatemala
from contracts.codec import encode_object
from contracts.disclosure import Extract, Grant, Policies, Recipient, SourceRecord, extract
from contracts.errors import ConfigurationError, NotPermittedError, SchemaError
from contracts.fields import FIELDS, RecordType
from contracts.ids import Code, NodeId
from contracts.minors import minority
from contracts.policy import load_template, parse_policy
from contracts.register import Role
from contracts.values.text import escaped
from contracts.walls import Carried, narratives
from gateway.console.operations import Reading, SourceRow
from gateway.console.trials import STAYS, Held, MappingInfo, Trial, TrialField, TrialMessage, TrialRow
from gateway.exchange.desk import IDENTIFY, LOCATE, PROTECT, SECOND_PERSON, TEXT_HELD
from gateway.main.sources import read_with_mapping, refusal

_NOBODY = NodeId("zz.prueba")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
"""What a mapping may be called."""
_NO_GRANT = Grant(frozenset(), duty=False, approvals=1)
_DUTY = Grant(frozenset(), duty=True, approvals=1)
_AGREED = Grant(frozenset(), duty=False, approvals=2)


def installed_adapters() -> list[str]:
    """Return the kinds of source this release reads."""
    return sorted(ADAPTERS)


def try_mapping(mapping: Path, source: Path | None, *, limit: int, policy: Path | None, now: datetime) -> Trial:
    """Read a file with a mapping and show what would leave. Sends nothing, stores nothing.

    Raises:
        ConfigurationError: no sample to read, or the policy file is none.
        SchemaError: the file or the mapping was refused.
    """
    path = source or _sample(mapping)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"no se puede leer {path} ({type(error).__name__})", advice="Nombre el archivo que se lee."
        ) from None
    rules = parse_policy(policy.read_bytes() if policy else load_template("first-policy"))
    return _tried(read_with_mapping(mapping, data, now), rules, now, limit)


def known_mappings(folder: Path) -> list[MappingInfo]:
    """Return the sources whose mapping files are in a folder, by name; of one that is none, why."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        if not NAME.fullmatch(path.stem):
            continue
        try:
            mapping = ADAPTERS["tabular"].load(path)
        except SourceRefusedError as error:
            found.append(MappingInfo(path.stem, problem=error.what or error.code))
        else:
            found.append(MappingInfo(path.stem, mapping.title, mapping.office, sample=_own_sample(path) is not None))
    return found


def try_source(folder: Path, name: str, data: bytes | None, *, limit: int, policy: Policies, now: datetime) -> Trial:
    """Try a source by its mapping's name; of the first `limit` rows the cells and the records are told too.

    Raises:
        SchemaError: there is no such mapping or sample, or the file or the mapping was refused.
    """
    path = folder / f"{name}.toml"
    if not NAME.fullmatch(name) or not path.is_file():
        raise _refused("El nodo no tiene ese mapeo.", "`paradero adapter list` muestra los que hay, y dónde.")
    if data is None:
        sample = _own_sample(path)
        if sample is None:
            raise _refused("El mapeo no tiene un archivo de muestra.", "Pegue unas filas, con sus encabezados.")
        data = sample.read_bytes()
    return _tried(read_with_mapping(path, data, now, shown=limit), policy, now, limit)


def _tried(reading: Reading, policy: Policies, now: datetime, limit: int) -> Trial:
    tried = [_try_row(row, reading, policy, now) for row in reading.rows]
    return Trial(tuple(tried[:limit]), dict(Counter(row.outcome for row in tried)), reading.notes)


def _own_sample(mapping: Path) -> Path | None:
    """Return the sample beside a mapping; a name that leads elsewhere is none of its."""
    try:
        path = _sample(mapping)
    except (ConfigurationError, SchemaError):
        return None
    return path if path.parent == mapping.parent and path.is_file() and not path.is_symlink() else None


def _refused(what: str, advice: str) -> SchemaError:
    refused = SchemaError(what)
    refused.advice = advice
    return refused


def _sample(mapping: Path) -> Path:
    try:
        name = ADAPTERS["tabular"].load(mapping).sample
    except SourceRefusedError as error:
        raise refusal(error) from None
    if name is None:
        raise ConfigurationError("el mapeo no nombra una muestra", advice="Nombre, después del mapeo, el archivo que se lee.")
    return mapping.parent / name


def _try_row(row: SourceRow, reading: Reading, policy: Policies, now: datetime) -> TrialRow:
    tried = _judged(row, reading, policy, now)
    return replace(tried, original=row.original, held=_held(row)) if row.original else tried


def _held(row: SourceRow) -> tuple[Held, ...]:
    return tuple(
        Held(
            record.type,
            tuple((name, shown(value)) for name, value in record.values.items()),
        )
        for record in row.records
    )


def _judged(row: SourceRow, reading: Reading, policy: Policies, now: datetime) -> TrialRow:
    if row.outcome != RowOutcome.IMPORTED:
        return TrialRow(row.row, row.outcome, row.reasons, ())
    try:
        messages = tuple(_messages(row.records, reading, policy, now))
    except NotPermittedError as error:  # the desk refuses such a row whole, with these words
        return TrialRow(row.row, RowOutcome.REJECTED.value, (*row.reasons, f"refused:{error.code.value}"), ())
    waits = sorted({field.waits for message in messages for field in message.fields} - {""})
    outcome = "held" if SECOND_PERSON in waits else row.outcome
    return TrialRow(row.row, outcome, (*row.reasons, *waits), messages)


def _messages(records: Sequence[SourceRecord], reading: Reading, policy: Policies, now: datetime) -> list[TrialMessage]:
    """Return what the desk would make of a row: the same messages, purposes and grants (gateway.exchange.desk)."""
    main = records[0]
    if main.type == RecordType.UNIDENTIFIED_REMAINS and reading.authority is not None and reading.country is not None:
        finding = _message("finding.notice", Role.SEARCH_MECHANISM, IDENTIFY, records, policy, _AGREED)
        return [replace(finding, fields=tuple(_waiting(field, SECOND_PERSON) for field in finding.fields))]
    if main.type != RecordType.MISSING_PERSON:
        raise NotPermittedError(f"no flow sends this {main.type} record")
    found = [_message("report.transfer", Role.SEARCH_MECHANISM, LOCATE, records, policy, _NO_GRANT)]
    if minority(main.values, day_in_guatemala(now)) != "no":
        found.append(_message("duty.notice", Role.CHILD_PROTECTION, PROTECT, records, policy, _DUTY))
    return found


def _message(
    kind: str, role: Role, purpose: Code, records: Sequence[SourceRecord], policy: Policies, grant: Grant
) -> TrialMessage:
    to = Recipient(_NOBODY, role)
    told = [_told(record, extract(record, to=to, kind=kind, purpose=purpose, grant=grant, policy=policy)) for record in records]
    return TrialMessage(kind, role.value, tuple(field for fields in told for field in fields))


def _told(record: SourceRecord, out: Extract) -> list[TrialField]:
    told = [
        _field(record, item.field, out.claims[item.field], f"{item.rule} ({item.form.value})")
        for item in out.manifest.disclosed
    ]
    told += [_field(record, item.field, None, item.rule) for item in out.manifest.withheld]
    stories = narratives(Carried(str(record.type), record.values, FIELDS[record.type]))
    return [_waiting(field, TEXT_HELD) if field.field in stories else field for field in told]


def _waiting(field: TrialField, waits: str) -> TrialField:
    return field if field.leaves == STAYS else replace(field, waits=waits)


def _field(record: SourceRecord, name: str, leaves: Any, why: str) -> TrialField:
    label = FIELDS[record.type][name].label_es
    return TrialField(name, label, shown(record.values[name]), STAYS if leaves is None else shown(leaves), why)


def shown(value: Any) -> str:
    """Return a value as people see it: text as it is, anything else as JSON; nothing a spreadsheet or a terminal would run."""
    return escaped(value if isinstance(value, str) else encode_object({"v": value}).decode()[5:-1])
