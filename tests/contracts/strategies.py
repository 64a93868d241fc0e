"""Hypothesis strategies made from the models themselves: every wire model, every constraint it states."""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from hypothesis import reject
from hypothesis import strategies as st
from pydantic import StringConstraints, ValidationError
from pydantic.fields import FieldInfo

from contracts import types
from contracts.codec import b64u_encode
from contracts.ids import Identifier, MessageId, uuid7
from contracts.messages import MESSAGE_TYPES, CaseMessage, ErasureReceiptBody
from contracts.types import Distinct, WireModel


def pattern_of(alias: Any) -> str:
    """The pattern a wire type states."""
    return next(item.pattern for item in get_args(alias) if isinstance(item, StringConstraints))


PART = st.binary(min_size=1, max_size=12).map(b64u_encode)
JWS = st.tuples(PART, PART, PART).map(".".join)
LINE = st.characters(
    exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
BYTES32 = st.binary(min_size=32, max_size=32).map(b64u_encode)
UUID = st.builds(uuid7, st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))

# By pattern: drawing these from their regular expressions takes minutes.
BY_HAND: dict[Any, st.SearchStrategy[str]] = {
    pattern_of(types.Text): st.text(LINE, min_size=1, max_size=30),
    pattern_of(types.LongText): st.text(LINE | st.sampled_from("\n\t"), min_size=1, max_size=60),
    pattern_of(types.Sha256): BYTES32,
    pattern_of(types.Bytes64K): st.binary(min_size=1, max_size=60).map(b64u_encode),
    pattern_of(types.HybridKey): st.binary(min_size=8, max_size=8).map(lambda seed: b64u_encode(seed * 152)),
    pattern_of(types.Jws): JWS,
    pattern_of(types.SdJwt): st.tuples(JWS, st.lists(PART, max_size=3)).map(lambda parts: "~".join([parts[0], *parts[1], ""])),
    pattern_of(types.LogProof): st.text(st.sampled_from("ab=/ \n\u2014+"), min_size=1, max_size=40),
    MessageId.pattern.pattern: UUID,
}


@cache
def from_pattern(pattern: str, largest: int | None) -> st.SearchStrategy[str]:
    """Texts of a wire pattern (Rust and Python agree on the subset the types use)."""
    made = BY_HAND[pattern] if pattern in BY_HAND else st.from_regex(re.compile(pattern), fullmatch=True)
    return made.filter(lambda text: len(text) <= largest) if largest else made


def hints(model: type[WireModel]) -> dict[str, Any]:
    """The annotations of a model's fields, with what they are annotated with."""
    every = get_type_hints(model, include_extras=True)
    return {name: every[name] for name in model.model_fields}


def _bounds(metadata: list[Any]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for item in metadata:
        for part in item.metadata if isinstance(item, FieldInfo) else [item]:
            for name in ("ge", "le", "min_length", "max_length", "pattern"):
                if getattr(part, name, None) is not None and isinstance(part, annotated_types.BaseMetadata | StringConstraints):
                    bounds[name] = getattr(part, name)
    return bounds


def strategy(annotation: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Values of one annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return strategy(arguments[0], (*arguments[1:], *metadata))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([strategy(option, metadata if option is not NoneType else ()) for option in arguments])
    bounds = _bounds(list(metadata))
    if origin is tuple:
        kept = {name: bounds[name] for name in bounds if name == "min_length"}
        unique = any(item is Distinct for item in metadata)
        size = min(bounds.get("max_length", 3), 3)
        return st.lists(strategy(arguments[0]), min_size=kept.get("min_length", 0), max_size=size, unique=unique).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(strategy(arguments[0]), strategy(arguments[1]), max_size=3)
    return _plain(annotation, bounds)


def _plain(annotation: Any, bounds: dict[str, Any]) -> st.SearchStrategy[Any]:
    if annotation is NoneType:
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(bounds["ge"], bounds["le"])
    if annotation is str:
        return from_pattern(bounds["pattern"], bounds.get("max_length"))
    if issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    if issubclass(annotation, Identifier):
        return from_pattern(annotation.pattern.pattern, annotation.max_length).map(annotation)
    return models(annotation)


@cache
def models(model: type[WireModel]) -> st.SearchStrategy[Any]:
    """Instances of `model`; what breaks a rule between members is drawn again."""
    return (
        st.fixed_dictionaries({name: strategy(hint) for name, hint in hints(model).items()})
        .map(lambda values: attempt(model, _of_what_is_there(model, values)))
        .filter(lambda made: made is not None)
    )


def _of_what_is_there(model: type[WireModel], values: dict[str, Any]) -> dict[str, Any]:
    """Let a receipt speak of keys of copies it names: chance alone would hardly ever name one twice."""
    if model is not ErasureReceiptBody:
        return values
    stays = [item.model_copy(update={"item": name}) for item, name in zip(values["key_stays"], values["records"], strict=False)]
    return values | {"key_stays": tuple(stays)}


def attempt(model: type[WireModel], values: dict[str, Any]) -> WireModel | None:
    """The model, or None where a rule between members is broken; any other error is an error of the strategy."""
    try:
        return model(**values)
    except ValidationError as error:
        kinds = {item["type"] for item in error.errors()}
        assert kinds <= RULES, kinds
        return None


RULES = {
    "accounted_for_twice",
    "window_not_opened",
    "key_of_what_stays",
    "basis_of_refusal",
    "code_iff_rejected",
    "accepted_names_its_message",
    "log_iff_accepted",
    "erased_when",
    "part_beyond_parts",
    "remembers_the_future",
    "log_continued",
    "grant_and_records",
    "leaf_accounted_for_once",
    "located_and_state",
    "not_handled_without_reference",
    "disclosures_without_leaf",
    "more_than_a_proof_without_mandate",
    "nothing_accounted_for",
    "nothing_asked",
    "nothing_to_erase",
    "records_without_match",
    "repeated_field",
    "sequence_and_state",
    "answers_itself",
    "sent_to_itself",
}


@cache
def _header_and_body(cls: type[WireModel]) -> st.SearchStrategy[dict[str, Any]]:
    times = {"issued_at", "expires_at", "deadline"}
    return st.fixed_dictionaries({name: strategy(hint) for name, hint in hints(cls).items() if name not in times})


@st.composite
def messages(draw: st.DrawFn) -> CaseMessage:
    """Any message of any type."""
    cls = MESSAGE_TYPES[draw(st.sampled_from(sorted(MESSAGE_TYPES)))]
    issued = draw(st.integers(700_000_000, 4_000_000_000))
    made = draw(_header_and_body(cls))
    made["issued_at"] = issued
    made["expires_at"] = issued + draw(st.integers(1, int(cls.validity_limit.total_seconds())))
    required = cls.model_fields["deadline"].is_required()
    made["deadline"] = issued + draw(st.integers(0, 10**7)) if required or draw(st.booleans()) else None
    message = attempt(cls, made)
    if message is None:
        reject()
    return message  # type: ignore[return-value]
