"""What the policy commands do, apart from showing it: reading policies, tables of expectations, simulations."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.codec import parse_object
from contracts.disclosure import Grant, Recipient, Release, SourceRecord, extract
from contracts.errors import NotPermittedError, SchemaError
from contracts.explaining import Answer, Message, explain_fields, explain_message
from contracts.fields import Form
from contracts.ids import Code, NodeId
from contracts.messages import Minor
from contracts.policy import Policy, Rule, Tightened
from contracts.policy.entries import covers
from contracts.policy.words import Lang
from contracts.register import Role
from gateway.main.sources import read_with_mapping
from gateway.main.trial import shown

NOBODY = NodeId("zz.prueba")
_SAMPLES: dict[str, Any] = {
    "text": "texto de ejemplo",
    "long_text": "relato de ejemplo",
    "choice": "ejemplo",
    "choices": ["quc", "spa"],
    "digits": "9900000011301",
    "name": "Ficticia",
    "names": ["Ficticia", "María"],
    "date": {"date": "1999-03-12", "precision": "day"},
    "age": {"min": 22, "max": 26},
    "measure": {"min": 162, "max": 166},
    "place": {"country": "GT", "department": "13", "municipality": "1333", "text": "Aldea Ficticia"},
    "items": [{"type": "tattoo", "region": "forearm", "text": "una palabra de ejemplo"}],
    "consents": [{"scope": "c2", "act": "given", "from": "2026-10-15"}],
    "attachments": [
        {"sha256": "A" * 42 + "E", "size": 20_480, "mt": "image/jpeg", "grade": "face", "key": "A" * 43},
        {"sha256": "A" * 42 + "I", "size": 20_480, "mt": "image/jpeg", "grade": "mark", "key": "A" * 43},
    ],
    "phones": ["+50255550100"],
    "coordinates": {"lat": 2703110, "lon": -9821450},
    "flag": True,
}


# -- expectations ----------------------------------------------------------------------------------------------------------


class Expectation(BaseModel):
    """One line of a table: a question to the policy and the answer people agreed on. With `field` it is about a field."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    because: str = ""
    message: str
    sender: Annotated[Role | None, Field(alias="from")] = None
    recipient: Annotated[Role, Field(alias="to")]
    purpose: Code
    basis: Code | None = None
    record: str | None = None
    field: str | None = None
    scopes: tuple[Code, ...] = ()
    duty: bool = False
    approvals: Annotated[int, Field(ge=0, le=3)] = 1
    minor: Minor = "no"
    asked: tuple[str, ...] | None = None
    answer: Answer
    form: Form | None = None
    rule: str | None = None

    @model_validator(mode="after")
    def _a_question(self) -> Self:
        about_message = self.sender is not None and self.basis is not None
        about_field = self.record is not None and self.field is not None
        if about_message == about_field:
            raise ValueError("needs from and basis (a message), or record and field (a field)")
        return self


class Expectations(BaseModel):
    """A table of expectations."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    expect: Annotated[tuple[Expectation, ...], Field(min_length=1, max_length=2000)]


@dataclass(frozen=True, slots=True)
class Judged:
    """An expectation and what the policy really says."""

    number: int
    because: str
    question: str
    expected: str
    found: str
    held: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def read_expectations(path: Path) -> Expectations:
    """Return the table in a TOML or JSON file.

    Raises:
        OSError: the file cannot be read.
        SchemaError, MalformedError: no such table. Says where.
    """
    text = path.read_text(encoding="utf-8")
    try:
        tables = parse_object(text.encode()) if path.suffix == ".json" else tomllib.loads(text)
        return Expectations.model_validate(tables)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"the table is no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise SchemaError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


def judge_expectations(policy: Policy, table: Expectations) -> list[Judged]:
    """Return, for each expectation, whether it holds.

    Raises:
        SchemaError: an expectation names a record type or field there is none of.
    """
    return [_judge(policy, number, expected) for number, expected in enumerate(table.expect, 1)]


def _judge(policy: Policy, number: int, expected: Expectation) -> Judged:
    if expected.sender is not None and expected.basis is not None:
        message = Message(expected.message, expected.sender, expected.recipient, expected.purpose, expected.basis)
        told = explain_message(policy, message, "en")
        answer, rule, form = told.answer, told.rule, None
        question = f"{expected.message} {expected.sender.value} → {expected.recipient.value} ({expected.purpose})"
    else:
        record, name = str(expected.record), str(expected.field)
        if name not in policy.fields_of(record):
            raise SchemaError(f"expectation {number}: there is no field {record}.{name}")
        [field] = explain_fields(_release(policy, expected), record, "en", [name])
        answer, rule, form = field.answer, field.rule, field.form
        question = f"{record}.{name} {expected.message} → {expected.recipient.value} ({expected.purpose})"
    held = answer is expected.answer
    held = held and expected.form in (None, form) and expected.rule in (None, rule)
    wanted = _told(expected.answer, expected.form, expected.rule)
    return Judged(number, expected.because, question, wanted, _told(answer, form, rule), held)


def _release(policy: Policy, expected: Expectation) -> Release:
    grant = Grant(frozenset(expected.scopes), expected.duty, expected.approvals, expected.minor)
    to = Recipient(NOBODY, expected.recipient)
    return Release(to, expected.message, expected.purpose, grant, policy, expected.asked)


def _told(answer: Answer, form: Form | None, rule: str | None) -> str:
    return " ".join(part for part in (answer.value, form.value if form else "", rule or "") if part)


# -- simulation ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaving:
    """What one recipient role would get of one record in one message: label → value as shown, and how many fields stay."""

    record: str
    role: str
    kind: str
    purpose: str
    rule: str
    leaves: dict[str, str]
    stays: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def sample_record(policy: Policy, record: str) -> SourceRecord:
    """Return an invented record with every field of its type.

    Raises:
        SchemaError: there is no such record type.
    """
    fields = policy.fields_of(record)
    if not fields:
        raise SchemaError(f"there is no record type {record}")
    return SourceRecord(record, {name: _SAMPLES[found.kind] for name, found in fields.items()})


def records_of(mapping: Path, source: Path, row: int, now: datetime) -> tuple[SourceRecord, ...]:
    """Return the records one row of a file becomes; `row` as the file numbers it, 0 for the first that gives any.

    Raises:
        OSError, SchemaError: the file or the mapping was refused, or no such row gives a record.
    """
    reading = read_with_mapping(mapping, source.read_bytes(), now)
    for found in reading.rows:
        if found.records and row in (0, found.row):
            return found.records
    raise SchemaError("no such row gives a record")


def simulate(
    records: Sequence[SourceRecord], policy: Policy | Tightened, grant: Grant, lang: Lang, roles: Iterable[Role] = tuple(Role)
) -> list[Leaving]:
    """Return what would leave of records, for each recipient role and each message a rule names; asked for in full."""
    signed = policy.policy if isinstance(policy, Tightened) else policy
    wanted = tuple(roles)
    return [
        _leaving(record, rule, role, policy, grant, lang)
        for record in records
        for rule in signed.rules
        if rule.record == record.type
        for role in wanted
        if covers(rule.recipients, role)
    ]


def _leaving(record: SourceRecord, rule: Rule, role: Role, policy: Policy | Tightened, grant: Grant, lang: Lang) -> Leaving:
    signed = policy.policy if isinstance(policy, Tightened) else policy
    labels = signed.fields_of(record.type)
    kind, purpose = rule.kinds[0], rule.purposes[0]
    try:
        to = Recipient(NOBODY, role)
        out = extract(record, to=to, kind=kind, purpose=purpose, grant=grant, policy=policy, asked=set(record.values))
        leaves = {labels[name].label(lang): shown(value) for name, value in out.claims.items()}
    except NotPermittedError:
        leaves = {}
    told_kinds, told_purposes = ", ".join(rule.kinds), ", ".join(rule.purposes)
    return Leaving(record.type, role.value, told_kinds, told_purposes, rule.id, leaves, len(record.values) - len(leaves))
