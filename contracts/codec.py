"""Bytes to values and back: the one place that parses JSON (SPEC 3.1). Refuses what two parsers could read differently."""

import json
import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from contracts.errors import MalformedError, SchemaError, TooLargeError, UnsupportedError
from contracts.messages import MESSAGE_TYPES, CaseMessage
from contracts.types import MAX_INTEGER, WireModel

MAX_OBJECT_BYTES = 512 * 1024
MAX_DEPTH = 16
PAD_OVERHEAD = len(b',"pad":""')
"""Bytes a padding of no zeros takes; shorter paddings do not exist."""

ALWAYS_THERE = frozenset({"v", "type", "body"})
"""Members every message has on the wire, though Python may fill them in: they say how the rest is read."""

Json = dict[str, Any]
Model = TypeVar("Model", bound=WireModel)

_TO_BASE64URL, _FROM_BASE64URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")
_BAD_TEXT = re.compile("[\0\ud800-\udfff]")
# Always matches where a string begins (also an unfinished one, to the end), so that it runs in linear time on any input.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKETS = bytes.maketrans(b"[{]}", b"(())")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[{]}")
_ZEROS = re.compile("0*")
_REPORTED = 8


def parse_object(data: bytes, *, limit: int = MAX_OBJECT_BYTES, depth: int = MAX_DEPTH) -> Json:
    """Return the JSON object in `data`.

    UTF-8 without BOM; no duplicate members; no NaN or Infinity; no floats and no minus zero; integers below 2**53 in
    magnitude; text without NUL or lone surrogates; nesting at most `depth`; at most `limit` bytes.

    Raises:
        TooLargeError: more than `limit` bytes.
        MalformedError: breaks one of the rules. The message names the rule, never the content.
    """
    if len(data) > limit:
        raise TooLargeError(f"object of {len(data)} bytes, limit {limit}")
    _check_depth(data, depth)
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise MalformedError("not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object")
    if "\\u" in text:  # only an escape can bring NUL or a lone surrogate this far
        _check_value(value, depth)
    return value


def encode_object(value: Json, *, limit: int = MAX_OBJECT_BYTES) -> bytes:
    """Return `value` as compact UTF-8 JSON; refuses what `parse_object` would refuse.

    Members keep their order. Nothing is ever re-serialised before verification, so no canonical form is needed.

    Raises:
        TooLargeError: the object is longer than `limit`.
        MalformedError: the value breaks another rule of `parse_object`.
    """
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object")
    return _encode(value, limit, MAX_DEPTH)


def encode_array(value: list[Any], *, limit: int = MAX_OBJECT_BYTES) -> bytes:
    """Return `value` as `encode_object` would inside an object: a disclosure is a bare array.

    Raises:
        TooLargeError, MalformedError: as `encode_object`.
    """
    if not isinstance(value, list):
        raise MalformedError("not a JSON array")
    return _encode(value, limit, MAX_DEPTH - 1)


def _encode(value: Json | list[Any], limit: int, depth: int) -> bytes:
    _check_shape(value, depth)
    text = _ENCODER.encode(value)
    if "\\u0000" in text:  # the encoder's word for NUL, or a backslash before that word
        _check_value(value, depth)
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedError("text with NUL or a lone surrogate") from None
    if len(data) > limit:
        raise TooLargeError(f"object of {len(data)} bytes, limit {limit}")
    return data


def decode_message(payload: bytes) -> CaseMessage:
    """Return the message in the payload of a verified JWS (SPEC 5), its padding checked and dropped.

    Raises:
        TooLargeError, MalformedError: as `parse_object`.
        UnsupportedError: another format version, or a type that is not of this version.
        SchemaError: no message of its type. The text names members and rules, never values.
    """
    claims = _claims(payload, MAX_OBJECT_BYTES)
    padding = claims.pop("pad", "")
    if not isinstance(padding, str) or not _ZEROS.fullmatch(padding):
        raise SchemaError("pad: not zeros")
    if not claims.keys() >= ALWAYS_THERE:
        raise SchemaError("v, type or body: missing")
    version, kind = claims["v"], claims["type"]
    if type(version) is not int or not isinstance(kind, str):
        raise SchemaError("v or type: of the wrong type")
    if version != 1 or kind not in MESSAGE_TYPES:
        raise UnsupportedError("an unknown version or type of message")
    return _validate(MESSAGE_TYPES[kind], claims)


def encode_message(message: CaseMessage) -> bytes:
    """Return the unpadded JSON of `message`; members without a value are left out.

    Raises:
        TooLargeError: the message is longer than MAX_OBJECT_BYTES.
    """
    return encode_model(message)


def pad_payload(payload: bytes, target_length: int) -> bytes:
    """Return `payload`, the JSON of a message, with a last member ``pad`` of zeros, exactly `target_length` bytes long.

    Raises:
        TooLargeError: there is no room: `target_length` must be the payload's length or at least PAD_OVERHEAD more.
        MalformedError: the payload is no object with members.
    """
    if len(payload) < 3 or payload[:1] != b"{" or payload[-1:] != b"}":
        raise MalformedError("not an object with members")
    zeros = target_length - len(payload) - PAD_OVERHEAD
    if zeros < 0:
        if target_length == len(payload):
            return payload
        raise TooLargeError(f"payload of {len(payload)} bytes cannot be padded to {target_length}")
    return b'%b,"pad":"%b"}' % (payload[:-1], b"0" * zeros)


def decode_model(model: type[Model], data: bytes, *, limit: int = MAX_OBJECT_BYTES) -> Model:
    """Return `data` as a `model` that is no message: a receipt, a target of the register.

    Raises:
        TooLargeError, MalformedError: as `parse_object`.
        SchemaError: not such an object. The text names members and rules, never values.
    """
    return _validate(model, _claims(data, limit))


def encode_model(model: WireModel) -> bytes:
    """Return the JSON of `model` by wire names; members that are None and empty `records` and `att` are left out.

    Raises:
        TooLargeError: longer than MAX_OBJECT_BYTES.
    """
    claims = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    for name in ("records", "att"):
        if claims.get(name) == []:
            del claims[name]
    return encode_object(claims)


def b64u_encode(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 section 2)."""
    return b2a_base64(data, newline=False).translate(_TO_BASE64URL, b"=").decode("ascii")


def b64u_decode(text: str) -> bytes:
    """Return the bytes of canonical base64url without padding.

    Raises:
        MalformedError: padding, foreign characters, impossible length or non-zero trailing bits.
        TypeError: no text at all.
    """
    try:
        data = a2b_base64(text.encode("ascii").translate(_FROM_BASE64URL) + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, BinasciiError):
        raise MalformedError("not base64url") from None
    except AttributeError:
        raise TypeError("base64url is text") from None
    # The decoder skips what it does not know. Bytes have one spelling, and only that one is taken.
    if b64u_encode(data) != text:
        raise MalformedError("base64url is not canonical")
    return data


def check_text(text: str) -> str:
    """Return `text` unchanged, or raise MalformedError for NUL or a lone surrogate."""
    if _BAD_TEXT.search(text):
        raise MalformedError("text with NUL or a lone surrogate")
    return text


def _validate(model: type[Model], claims: Json) -> Model:
    try:
        return model.model_validate(claims, by_alias=True, by_name=False)
    except ValidationError as error:
        raise SchemaError(_told(error)) from None


def _told(error: ValidationError) -> str:
    names = _wire_names()
    told = []
    for item in error.errors(include_input=False, include_context=False, include_url=False)[:_REPORTED]:
        # A name that is in no model came from the data: it may be a person's.
        path = [str(part) if isinstance(part, int) or part in names else "?" for part in item["loc"]]
        told.append(f"{'.'.join(path) or 'object'}: {item['type']}")
    return "; ".join(told)


def _wire_names() -> set[str]:
    names: set[str] = set()
    classes: list[type[WireModel]] = [WireModel]
    while classes:
        model = classes.pop()
        names.update(field.alias or name for name, field in model.model_fields.items())
        classes.extend(model.__subclasses__())
    return names


def _claims(data: bytes, limit: int) -> Json:
    claims = parse_object(data, limit=limit)
    if b"null" in data:  # nothing else makes one
        _refuse_null(claims)
    return claims


def _refuse_null(value: Any) -> None:
    # What has no value is left out: one message, one spelling.
    if value is None:
        raise SchemaError("a member is null")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_null(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_null(item)


def _members(pairs: list[tuple[str, Any]]) -> Json:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("duplicate member")
    return members


def _check_shape(value: Json | list[Any] | tuple[Any, ...], depth: int) -> None:
    """Check all of `_check_value` but the text, which the encoder sees."""
    if depth < 1:
        raise MalformedError("nested too deep")
    for item in _items(value):
        kind = type(item)
        if kind is str:
            continue
        if kind is dict or kind is list:
            _check_shape(item, depth - 1)
        elif kind is not int or not -MAX_INTEGER <= item <= MAX_INTEGER:
            _check_value(item, depth - 1)


def _items(value: Json | list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    if not isinstance(value, dict):
        return value
    for name in value:
        if not isinstance(name, str):
            raise MalformedError("a member's name is no text")
    return value.values()


def _check_value(value: Any, depth: int) -> None:
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, dict | list | tuple):
        if depth < 1:
            raise MalformedError("nested too deep")
        _check_items(value, depth - 1)
    elif isinstance(value, int):  # true and false are ints too, and in range
        if abs(value) > MAX_INTEGER:
            raise MalformedError("integer out of range")
    elif value is not None:
        raise MalformedError("a value of a type that is not on the wire")


def _check_items(items: Json | list[Any] | tuple[Any, ...], depth: int) -> None:
    if isinstance(items, dict):
        for name in items:
            if not isinstance(name, str):
                raise MalformedError("a member's name is no text")
            check_text(name)
        items = list(items.values())
    for item in items:
        _check_value(item, depth)


def _refuse_float(_text: str) -> NoReturn:
    raise MalformedError("floats are refused")


def _refuse_constant(_text: str) -> NoReturn:
    raise MalformedError("NaN and Infinity are refused")


def _integer(text: str) -> int:
    if text == "-0":
        raise MalformedError("minus zero is refused")
    if len(text) > 17 or abs(number := int(text)) > MAX_INTEGER:
        raise MalformedError("integer out of range")
    return number


def _check_depth(data: bytes, depth: int) -> None:
    # Before the parser sees it: a hostile nesting must not reach its recursion. Strings go, one kind of bracket stays,
    # and each pass removes the innermost level of all: what is left after `depth` passes is deeper (or does not match).
    # Without escapes every quote begins or ends a string.
    outside = _STRING.sub(b"", data) if b"\\" in data else b"".join(data.split(b'"')[::2])
    brackets = outside.translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(depth):
        if not brackets:
            return
        brackets = brackets.replace(b"()", b"")
    if brackets:
        raise MalformedError("nested too deep, or brackets that do not match")


def _strict_decoder() -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_members, parse_float=_refuse_float, parse_constant=_refuse_constant, parse_int=_integer
    )


_DECODER = _strict_decoder()  # made once: a message has a dozen objects, and making one costs more than most of them
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
