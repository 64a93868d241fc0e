"""Trying a mapping without sending anything: row → record → what would leave, by the same `extract` that sends."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.registry import ADAPTERS
from contracts.adapter import RowOutcome, SourceRefusedError
from contracts.codec import encode_object
from contracts.disclosure import Extract, Grant, Recipient, SourceRecord, extract
from contracts.errors import ConfigurationError, NotPermittedError
from contracts.fields import FIELDS, RecordType
from contracts.ids import Code, NodeId
from contracts.minors import minority
from contracts.policy import Policy, load_template, parse_policy
from contracts.register import Role
from contracts.values.text import escaped
from gateway.console.operations import Reading, SourceRow
from gateway.exchange.desk import IDENTIFY, LOCATE, PROTECT
from gateway.main.sources import local_day, read_with_mapping, refusal

_NOBODY = NodeId("zz.prueba")
_NO_GRANT = Grant(frozenset(), duty=False, approvals=1)
_DUTY = Grant(frozenset(), duty=True, approvals=1)


@dataclass(frozen=True, slots=True)
class TrialField:
    """One field of one message: what the record holds, what would leave, which rule decides."""

    field: str
    label: str
    held: str
    leaves: str
    why: str


@dataclass(frozen=True, slots=True)
class TrialMessage:
    """One message a row would become."""

    kind: str
    to_role: str
    fields: tuple[TrialField, ...]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One row, tried."""

    row: int
    outcome: str
    reasons: tuple[str, ...]
    messages: tuple[TrialMessage, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the row for programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Trial:
    """A whole trial; counts are of all rows, also of those not shown."""

    rows: tuple[TrialRow, ...]
    counts: dict[str, int]
    notes: tuple[str, ...]


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
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}", advice="Name the file to read.") from None
    rules = parse_policy(policy.read_bytes() if policy else load_template("first-policy"))
    reading = read_with_mapping(mapping, data, now)
    tried = [_try_row(row, reading, rules, now) for row in reading.rows]
    return Trial(tuple(tried[:limit]), dict(Counter(row.outcome for row in tried)), reading.notes)


def _sample(mapping: Path) -> Path:
    try:
        name = ADAPTERS["tabular"].load(mapping).sample
    except SourceRefusedError as error:
        raise refusal(error) from None
    if name is None:
        raise ConfigurationError("the mapping names no sample", advice="Name the file to read after the mapping.")
    return mapping.parent / name


def _try_row(row: SourceRow, reading: Reading, policy: Policy, now: datetime) -> TrialRow:
    if row.outcome != RowOutcome.IMPORTED:
        return TrialRow(row.row, row.outcome, row.reasons, ())
    try:
        messages = tuple(_messages(row.records, reading, policy, now))
    except NotPermittedError as error:  # the desk refuses such a row whole, with these words
        return TrialRow(row.row, RowOutcome.REJECTED.value, (*row.reasons, f"refused:{error.code.value}"), ())
    return TrialRow(row.row, row.outcome, row.reasons, messages)


def _messages(records: Sequence[SourceRecord], reading: Reading, policy: Policy, now: datetime) -> list[TrialMessage]:
    """Return what the desk would make of a row: the same messages, purposes and grants (gateway.exchange.desk)."""
    main = records[0]
    if main.type == RecordType.UNIDENTIFIED_REMAINS and reading.authority is not None and reading.country is not None:
        return [_message("finding.notice", Role.SEARCH_MECHANISM, IDENTIFY, records, policy, _NO_GRANT)]
    if main.type != RecordType.MISSING_PERSON:
        raise NotPermittedError(f"no flow sends this {main.type} record")
    found = [_message("report.transfer", Role.SEARCH_MECHANISM, LOCATE, records, policy, _NO_GRANT)]
    if minority(main.values, local_day(now)) != "no":
        found.append(_message("duty.notice", Role.CHILD_PROTECTION, PROTECT, records, policy, _DUTY))
    return found


def _message(
    kind: str, role: Role, purpose: Code, records: Sequence[SourceRecord], policy: Policy, grant: Grant
) -> TrialMessage:
    to = Recipient(_NOBODY, role)
    told = [_told(record, extract(record, to=to, kind=kind, purpose=purpose, grant=grant, policy=policy)) for record in records]
    return TrialMessage(kind, role.value, tuple(field for fields in told for field in fields))


def _told(record: SourceRecord, out: Extract) -> list[TrialField]:
    told = [
        _field(record, item.field, out.claims[item.field], f"{item.rule} ({item.form.value})")
        for item in out.manifest.disclosed
    ]
    return told + [_field(record, item.field, None, item.rule) for item in out.manifest.withheld]


def _field(record: SourceRecord, name: str, leaves: Any, why: str) -> TrialField:
    label = FIELDS[record.type][name].label_es
    return TrialField(name, label, shown(record.values[name]), "no sale" if leaves is None else shown(leaves), why)


def shown(value: Any) -> str:
    """Return a value as people see it: text as it is, anything else as JSON; nothing a spreadsheet or a terminal would run."""
    return escaped(value if isinstance(value, str) else encode_object({"v": value}).decode()[5:-1])
