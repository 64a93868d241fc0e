"""Messages (SPEC 5): a closed union of closed, frozen models; nothing near a message is one."""

import copy
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import Strict, TypeAdapter, ValidationError

from contracts import codec
from contracts.codec import PAD_OVERHEAD, decode_message, encode_message, pad_payload
from contracts.errors import MalformedError, SchemaError, UnsupportedError
from contracts.ids import MessageId, NodeId
from contracts.messages import (
    MESSAGE_TYPES,
    Answer,
    CaseMessage,
    Message,
    Ping,
    PresentedRecord,
    ReportTransfer,
)
from contracts.receipts import Receipt
from contracts.register import Keysets
from contracts.types import WireModel
from tests.contracts import strategies
from tests.contracts.samples import EXAMPLES, NAMES, claims, decode

# What the messages between institutions are called; a name here is a promise to other implementers.
PUBLISHED = {
    "audit.request", "audit.response", "bulk.manifest", "bulletin", "bulletin.cancel", "case.status", "consent.change",
    "correction", "disclosure.grant", "disclosure.request", "duty.cancel", "duty.notice", "erasure.order", "erasure.receipt",
    "expert.conclusion", "family.message", "finding.acknowledgement", "finding.notice", "identity.answer", "identity.check",
    "node.leave", "node.restored", "node.returned", "node.suspend-self", "note", "ping", "record.request", "referral.accept", "referral.decline",
    "referral.done", "referral.offer", "referral.update", "referral.withdraw", "register.metadata",
    "report.acknowledgement", "report.transfer", "sample.reference", "search.request", "search.response",
}  # fmt: skip


def wire_models(base: type[WireModel] = WireModel) -> Iterator[type[WireModel]]:
    for model in base.__subclasses__():
        yield model
        yield from wire_models(model)


OURS = sorted(
    {model for model in wire_models() if model.__module__.startswith(("contracts.messages", "contracts.rec", "contracts.reg"))},
    key=lambda model: model.__qualname__,
)


# -- the union -----------------------------------------------------------------------------------------------------


def test_the_union_is_closed_and_each_type_is_one_class() -> None:
    assert set(MESSAGE_TYPES) == PUBLISHED
    members = get_args(get_args(CaseMessage)[0])
    assert len(set(members)) == len(members) == len(PUBLISHED)
    for name, cls in MESSAGE_TYPES.items():
        assert get_args(strategies.hints(cls)["type"]) == (name,)
        assert set(cls.model_fields) == set(Message.model_fields)
        assert cls.model_fields["type"].default == name
    concrete = {model for model in wire_models(Message) if not model.__subclasses__()}
    assert concrete == set(members)


def test_the_base_is_no_message() -> None:
    values = {name: getattr(EXAMPLES["ping"], name) for name in Message.model_fields if name != "type"}
    with pytest.raises(ValidationError, match="no_type"):
        Message(**values)


def test_the_union_validates_by_its_discriminator() -> None:
    union: TypeAdapter[CaseMessage] = TypeAdapter(CaseMessage)
    for name in NAMES:
        assert union.validate_python(claims(name)) == EXAMPLES[name]
    with pytest.raises(ValidationError):
        union.validate_python(claims("ping") | {"type": "pong"})


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_no_field_has_a_bare_type(model: type[WireModel]) -> None:
    for name, hint in strategies.hints(model).items():
        assert not list(bare(hint, strict=False)), f"{model.__name__}.{name}"


def bare(hint: Any, *, strict: bool) -> Iterator[Any]:
    """Yield the types in an annotation that would coerce or have no bound."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from bare(arguments[0], strict=strict or any(isinstance(item, Strict) for item in arguments[1:]))
    elif origin in (Union, UnionType, tuple) or hasattr(origin, "__mro__"):
        for option in arguments:
            yield from bare(option, strict=False)
    elif (hint in {int, str, bool, bytes} and not strict) or hint in {
        float,
        datetime,
        date,
        timedelta,
        object,
        Any,
        dict,
        list,
        set,
    }:
        yield hint


def test_bare_types_would_be_seen() -> None:
    for hint in (int, str | None, tuple[str, ...], Annotated[str, "x"], datetime, dict[str, Any], list[Annotated[bool, 1]]):
        assert list(bare(hint, strict=False)), hint
    assert not list(bare(tuple[Annotated[str, Strict()], ...] | Literal["a"] | None, strict=False))
    assert NoneType not in list(bare(int | None, strict=False))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_is_frozen_closed_and_silent(model: type[WireModel]) -> None:
    config = model.model_config
    assert (config.get("frozen"), config.get("extra"), config.get("hide_input_in_errors")) == (True, "forbid", True)
    for name, hint in strategies.hints(model).items():
        assert "list" not in str(hint), name


@pytest.mark.parametrize("name", NAMES)
def test_no_message_can_be_changed(name: str) -> None:
    message = EXAMPLES[name]
    parts: list[WireModel] = [message, message.body, message.use, *message.records, *message.att]
    for part in parts:
        for field in type(part).model_fields:
            with pytest.raises(ValidationError):
                setattr(part, field, getattr(part, field))
            with pytest.raises(ValidationError):
                delattr(part, field)
        with pytest.raises(ValidationError):
            part.extra = 1  # type: ignore[attr-defined]
    assert isinstance(hash(message), int)


def test_mappings_cannot_be_changed() -> None:
    jws = "a.b.c"
    keysets = Keysets(keysets={NodeId("gt.minex"): jws})
    for mapping in (keysets.keysets, keysets.self_suspensions):
        with pytest.raises(TypeError):
            mapping[NodeId("gt.pgn")] = jws  # type: ignore[index]


# -- decoding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_examples_survive_the_wire(name: str) -> None:
    data = encode_message(EXAMPLES[name])
    message = decode_message(data)
    assert message == EXAMPLES[name]
    assert type(message) is MESSAGE_TYPES[name]
    assert encode_message(message) == data
    assert b"null" not in data


@settings(max_examples=150, print_blob=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(strategies.messages())
def test_any_message_survives_the_wire(message: CaseMessage) -> None:
    data = encode_message(message)
    assert decode_message(data) == message
    assert encode_message(decode_message(data)) == data
    padded = pad_payload(data, len(data) + PAD_OVERHEAD + 5)
    assert decode_message(padded) == message


@pytest.mark.parametrize("name", NAMES)
def test_unknown_members_are_refused_everywhere(name: str) -> None:
    for path in objects(claims(name)):
        changed = claims(name)
        at(changed, path)["Ficticia"] = "secreto"
        with pytest.raises(SchemaError) as caught:
            decode(changed)
        assert "Ficticia" not in str(caught.value)
        assert "secreto" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_no_member_is_known_by_its_python_name(name: str) -> None:
    cls = MESSAGE_TYPES[name]
    for field, info in cls.model_fields.items():
        if info.alias and info.alias in claims(name):
            changed = claims(name)
            changed[field] = changed.pop(info.alias)
            with pytest.raises(SchemaError):
                decode(changed)


@pytest.mark.parametrize("name", NAMES)
def test_null_is_refused_everywhere(name: str) -> None:
    for path in members(claims(name)):
        changed = claims(name)
        at(changed, path[:-1])[path[-1]] = None
        with pytest.raises(SchemaError):
            decode(changed)
    with pytest.raises(SchemaError):
        decode(claims(name) | {"re": None, "pad": "0"})


WRONG = [True, False, 0, -1, 1.0, "", "1", "\n", [], [1], {}, {"a": 1}, "x" * 5000, 1 << 52]


@pytest.mark.parametrize("name", NAMES)
def test_no_member_takes_a_value_of_another_type(name: str) -> None:
    for path in members(claims(name)):
        old = at(claims(name), path)
        for value in WRONG:
            if type(value) is type(old):
                continue
            changed = claims(name)
            at(changed, path[:-1])[path[-1]] = value
            with pytest.raises((SchemaError, MalformedError)):
                decode(changed)


@pytest.mark.parametrize("name", NAMES)
def test_required_members_are_required(name: str) -> None:
    cls = MESSAGE_TYPES[name]
    required = {info.alias or field for field, info in cls.model_fields.items() if info.is_required()} | {"v", "type", "body"}
    assert required >= {"iss", "aud", "jti", "iat", "exp", "thid", "purpose", "basis", "pol", "trust", "actor", "mode", "use"}
    for member in required:
        changed = claims(name)
        del changed[member]
        with pytest.raises(SchemaError):
            decode(changed)
    assert ("re" in required) == issubclass(cls, Answer)


def objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every object in a value."""
    if isinstance(value, dict):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from objects(item, (*path, key))


def members(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and item in a value."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from members(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


UNSUPPORTED = [
    {"type": "report.transfer.v2"},
    {"type": ""},
    {"type": "Ping"},
    {"type": "ping "},
    {"v": 2},
    {"v": 0},
    {"v": 999},
]
NO_MESSAGE = [
    {"type": 1},
    {"type": None},
    {"type": ["ping"]},
    {"v": True},
    {"v": "1"},
    {"v": [1]},
    {"pad": "0001"},
    {"pad": 0},
    {"pad": " "},
]


@pytest.mark.parametrize("change", UNSUPPORTED)
def test_other_versions_and_types_are_unsupported(change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError) as caught:
        decode(claims("ping") | change)
    assert str(change.get("type") or "@") not in str(caught.value)


@pytest.mark.parametrize("change", NO_MESSAGE)
def test_what_is_no_message_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        decode(claims("ping") | change)


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("ping", {"iss": "GT.minex"}, "iss: value_error"),
    ("ping", {"iss": "gt.igm.mbmid"}, "sent_to_itself"),
    ("ping", {"jti": "01a2272d-260a-4000-8000-00000000000a"}, "jti: value_error"),
    ("ping", {"iat": 0}, "iat: greater_than_equal"),
    ("ping", {"iat": 1 << 50}, "iat: less_than_equal"),
    ("ping", {"pol": -1}, "pol: greater_than_equal"),
    ("ping", {"mode": "test"}, "mode: literal_error"),
    ("ping", {"case": "c:" + "A" * 21 + "B"}, "case: value_error"),
    ("ping", {"deadline": 1_000_000_000}, "deadline_before_issue"),
    ("ping", {"use": {"retain_until": 1_800_000_000, "onward": "all"}}, "use.onward: literal_error"),
    ("ping", {"att": [{"sha256": "A" * 43, "size": 1, "mt": "a/b", "key": "A" * 43}]}, "att: too_long"),
    ("note", {"body": {"text": "a\u202eb", "language": "es"}}, "body.text: string_pattern_mismatch"),
    ("note", {"body": {"text": "x" * 4001, "language": "es"}}, "body.text: string_too_long"),
    ("note", {"body": {"text": "", "language": "es"}}, "body.text: string_too_short"),
    ("note", {"body": {"text": "a", "language": "español"}}, "body.language: string_pattern_mismatch"),
    ("family.message", {"body": {"to": "family", "sealed": "AB"}}, "body.sealed: string_pattern_mismatch"),
    ("family.message", {"body": {"to": "family", "sealed": "AA=="}}, "body.sealed: string_pattern_mismatch"),
    ("audit.request", {"body": {"leaves": ["A" * 43] * 2}}, "body.leaves: repeated_item"),
    ("audit.request", {"body": {"leaves": ["A" * 42 + "B"]}}, "body.leaves.0: string_pattern_mismatch"),
    ("audit.request", {"body": {"leaves": []}}, "body: nothing_asked"),
    ("search.request", {"body": {"want": ["a"] * 2, "urgency": "normal"}}, "body.want: repeated_item"),
    ("correction", {"records": []}, "records: too_short"),
    (
        "case.status",
        {"body": {"state": "closed", "seq": 1, "located": {"will": "contact", "evidence": "x"}}},
        "located_and_state",
    ),
    ("case.status", {"body": {"state": "closed"}}, "sequence_and_state"),
    ("case.status", {"body": {"state": "not-handled-here"}}, "not_handled_without_reference"),
]


@pytest.mark.parametrize(("name", "change", "told"), CHANGES)
def test_errors_name_members_and_rules(name: str, change: dict[str, Any], told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        decode(claims(name) | change)
    assert told in str(caught.value)


def test_records_sd_jwt_shapes() -> None:
    disclosed = [{"field": "sex", "form": "exact", "rule": "r-1"}]
    for text in ("a.b.c~", "a.b.c~d~e~"):
        assert PresentedRecord.model_validate({"sd_jwt": text, "disclosed": disclosed})
    for text in ("a.b.c", "a.b~", "a.b.c~d", "a.b.c~~", "a.b.c.d~", "a.b.c~d=~", "", "~"):
        with pytest.raises(ValidationError):
            PresentedRecord.model_validate({"sd_jwt": text, "disclosed": disclosed})
    for wrong in ([], disclosed * 2, [{**disclosed[0], "field": f"f{number}"} for number in range(49)]):
        with pytest.raises(ValidationError):
            PresentedRecord.model_validate({"sd_jwt": "a.b.c~", "disclosed": wrong})


def test_null_check_is_the_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SchemaError):
        decode(claims("ping") | {"re": None})
    monkeypatch.setattr(codec, "_refuse_null", lambda _value: None)
    assert decode(claims("ping") | {"re": None}) == EXAMPLES["ping"]


# -- what people and logs see --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_message_shows_no_content(name: str) -> None:
    message = EXAMPLES[name]
    for shown in (repr(message), str(message), f"{message}"):
        assert str(message.message_id) in shown
        assert "sd_jwt" not in shown
        assert len(shown) < 200


def test_parts_hide_what_they_carry() -> None:
    record = EXAMPLES["report.transfer"].records[0]
    assert record.sd_jwt[:20] not in repr(record)
    note = EXAMPLES["note"]
    assert "Favor" not in repr(note.body)
    assert EXAMPLES["bulletin"].att[0].key not in repr(EXAMPLES["bulletin"].att[0])


def test_python_names_build_the_same_message() -> None:
    ping = EXAMPLES["ping"]
    assert isinstance(ping, Ping)
    again = Ping(**{name: getattr(ping, name) for name in Ping.model_fields})
    assert again == ping
    assert copy.deepcopy(ping) == ping
    assert isinstance(again.message_id, MessageId)
    assert isinstance(EXAMPLES["report.transfer"], ReportTransfer)
    assert Receipt in OURS
