"""Bad input (SPEC 3.1): everything two parsers could read differently is refused, at every depth, without repeating it."""

import contextlib
import json
import random
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import codec
from contracts.codec import (
    MAX_DEPTH,
    MAX_OBJECT_BYTES,
    PAD_OVERHEAD,
    b64u_decode,
    b64u_encode,
    check_text,
    encode_object,
    pad_payload,
    parse_object,
)
from contracts.errors import ExchangeError, MalformedError, TooLargeError
from contracts.ids import NodeId

LARGEST = (1 << 53) - 1


def nested(levels: int, open_: str, close: str, inside: str = "1") -> bytes:
    """Return an object in which brackets stand `levels` deep in all."""
    member = '"a":' if open_ == "{" else ""
    return ('{"a":' + (open_ + member) * (levels - 1) + inside + close * (levels - 1) + "}").encode()


GOOD: dict[str, tuple[bytes, dict[str, Any]]] = {
    "empty": (b"{}", {}),
    "white space around": (b' \n\t{ "a" : 1 }\r\n', {"a": 1}),
    "literals": (b'{"a":true,"b":false,"c":null}', {"a": True, "b": False, "c": None}),
    "largest integer": (b'{"a":9007199254740991,"b":-9007199254740991}', {"a": LARGEST, "b": -LARGEST}),
    "same name in different objects": (b'{"a":{"a":{"a":1}},"b":{"a":1}}', {"a": {"a": {"a": 1}}, "b": {"a": 1}}),
    "brackets in text": (b'{"a":"[[[[[[[[[[[[[[[[[[[[{{{{"}', {"a": "[" * 20 + "{" * 4}),
    "brackets and escapes in text": (rb'{"a":"\"[[[[[[[[[[[[[[[[[[[[\\"}', {"a": '"' + "[" * 20 + "\\"}),
    "escaped pair": (rb'{"a":"\ud83d\ude00"}', {"a": "\U0001f600"}),
    "raw astral": ('{"a":"\U0001f600"}'.encode(), {"a": "\U0001f600"}),
    "escaped escape of NUL": (rb'{"a":"\\u0000"}', {"a": "\\u0000"}),
    "apostrophes and marks": ('{"a":"K\'iche\' ñ n\u0303"}'.encode(), {"a": "K'iche' ñ n\u0303"}),
    "BOM inside a text": ('{"a":"\ufeff"}'.encode(), {"a": "\ufeff"}),
    "depth 16 of lists": (nested(MAX_DEPTH, "[", "]"), json.loads(nested(MAX_DEPTH, "[", "]"))),
    "depth 16 of objects": (nested(MAX_DEPTH, "{", "}"), json.loads(nested(MAX_DEPTH, "{", "}"))),
    "wide": (b'{"a":[' + b"[]," * 5000 + b"[]]}", {"a": [[]] * 5001}),
}

BAD: dict[str, bytes] = {
    "nothing": b"",
    "white space": b"  ",
    "duplicate member": b'{"a":1,"a":1}',
    "duplicate member, deeper": b'{"b":{"a":1,"a":2}}',
    "duplicate member, in a list": b'{"b":[[{"a":1,"a":2}]]}',
    "duplicate member by escape": rb'{"a":1,"\u0061":2}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":[-Infinity]}',
    "float": b'{"a":1.5}',
    "integral float": b'{"a":1.0}',
    "exponent": b'{"a":1e2}',
    "huge exponent": b'{"a":1e999}',
    "minus zero": b'{"a":-0}',
    "minus zero as a float": b'{"a":-0.0}',
    "2**53": b'{"a":9007199254740992}',
    "-2**53": b'{"a":-9007199254740992}',
    "many digits": b'{"a":' + b"9" * 5000 + b"}",
    "very many digits": b'{"a":' + b"9" * 500_000 + b"}",
    "leading zero": b'{"a":01}',
    "plus sign": b'{"a":+1}',
    "hexadecimal": b'{"a":0x1}',
    "depth 17 of lists": nested(MAX_DEPTH + 1, "[", "]"),
    "depth 17 of objects": nested(MAX_DEPTH + 1, "{", "}"),
    "depth 17, beside escapes": rb'{"b":"\\","a":' + b"[" * 16 + b"]" * 16 + b"}",
    "nested 200 000 deep": b'{"a":' + b"[" * 200_000,
    "nested 100 000 deep, closed": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects 50 000 deep": b'{"a":' * 50_000,
    "BOM": b'\xef\xbb\xbf{"a":1}',
    "NUL, raw": b'{"a":"\x00"}',
    "NUL, escaped": rb'{"a":"\u0000"}',
    "NUL in a name": rb'{"a\u0000":1}',
    "NUL in a list": rb'{"a":[["\u0000"]]}',
    "lone high surrogate": rb'{"a":"\ud800"}',
    "lone low surrogate": rb'{"a":"\udc00"}',
    "surrogates the wrong way round": rb'{"a":"\ude00\ud83d"}',
    "lone surrogate in a name": rb'{"\uD800":1}',
    "lone surrogate in a deep name": rb'{"a":[{"b":{"\ud800":1}}]}',
    "raw surrogate": b'{"a":"\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "cut UTF-8": b'{"a":"\xc3"}',
    "beyond Unicode": b'{"a":"\xf4\x90\x80\x80"}',
    "Latin-1": '{"a":"ñ"}'.encode("latin-1"),
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-16 without BOM": '{"a":1}'.encode("utf-16-le"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "trailing object": b"{}{}",
    "trailing comma": b'{"a":1,}',
    "trailing NUL": b"{}\x00",
    "trailing text": b"{} x",
    "list on top": b"[]",
    "text on top": b'"a"',
    "number on top": b"1",
    "null on top": b"null",
    "comment": b'{"a":1/*c*/}',
    "single quotes": b"{'a':1}",
    "unquoted name": b"{a:1}",
    "raw newline in text": b'{"a":"\n"}',
    "raw control in text": b'{"a":"\x1f"}',
    "unknown escape": rb'{"a":"\x41"}',
    "short escape": rb'{"a":"\u12"}',
    "unfinished text": b'{"a":"b',
    "unfinished text of escapes": b'{"a":"' + b'\\"' * 200_000,
    "unfinished object": b'{"a":1',
    "brackets that do not match": b'{"a":[1}',
    "brackets the wrong way round": b"}{",
    "cut literal": b'{"a":tru}',
}


@pytest.mark.parametrize("case", GOOD)
def test_reads(case: str) -> None:
    data, value = GOOD[case]
    assert parse_object(data) == value


@pytest.mark.parametrize("case", BAD)
def test_refuses(case: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_object(BAD[case])
    assert len(str(caught.value)) < 80
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("levels", range(1, MAX_DEPTH + 1))
def test_refuses_bad_members_at_every_depth(levels: int) -> None:
    for inside in (rb'{"x":1,"x":1}', rb'"\u0000"', rb'"\ud800"', b"1.5", b"NaN", b"-0", b"9007199254740992"):
        deep = levels if not inside.startswith(b"{") else min(levels, MAX_DEPTH - 1)
        for open_, close in ("[]", "{}"):
            with pytest.raises(MalformedError):
                parse_object(nested(deep, open_, close, inside.decode()))


def test_limits_are_exact() -> None:
    filler = MAX_OBJECT_BYTES - len(b'{"a":""}')
    assert len(parse_object(b'{"a":"' + b"x" * filler + b'"}')["a"]) == filler
    with pytest.raises(TooLargeError):
        parse_object(b'{"a":"' + b"x" * (filler + 1) + b'"}')
    with pytest.raises(TooLargeError):
        parse_object(b"{}  ", limit=3)
    assert parse_object(b'{"a":[]}', depth=2) == {"a": []}
    with pytest.raises(MalformedError):
        parse_object(b'{"a":[]}', depth=1)


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"a":"' + b'\\"' * 250_000,
        b'{"a":"' + b"\\" * 500_000,
        b'"' * 500_000,
        b'{"a":' + b"[" * 500_000,
        b'{"a":[' + b"[]," * 170_000 + b"[]]}",
        b'{"a":' + b"1" * 500_000 + b"}",
        b"{" + b'"\\u0000":1,' * 40_000 + b"}",
    ],
)
def test_hostile_bytes_cost_little(hostile: bytes) -> None:
    begun = time.process_time()
    with contextlib.suppress(ExchangeError):
        parse_object(hostile)
    assert time.process_time() - begun < 1.0  # tens of milliseconds; a quadratic scan takes minutes


PLANTED: list[tuple[str, Any, bytes]] = [
    ("_members", dict, b'{"a":1,"a":2}'),
    ("_integer", int, b'{"a":9007199254740992}'),
    ("_refuse_float", float, b'{"a":1.5}'),
    ("_refuse_constant", str, b'{"a":NaN}'),
    ("_check_depth", lambda _data, _depth: None, nested(MAX_DEPTH + 1, "[", "]")),
    ("_check_value", lambda _value, _depth: None, rb'{"a":"\ud800"}'),
]


@pytest.mark.parametrize(("name", "bug", "attack"), PLANTED, ids=[name for name, _, _ in PLANTED])
def test_each_check_is_the_one_that_refuses(
    name: str, bug: Callable[..., Any], attack: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MalformedError):
        parse_object(attack)
    monkeypatch.setattr(codec, name, bug)
    monkeypatch.setattr(codec, "_DECODER", codec._strict_decoder())
    assert parse_object(attack)


class Word(StrEnum):
    """A word of a catalogue."""

    A = "a"


UNENCODABLE: dict[str, Any] = {
    "float": {"a": 1.0},
    "NaN": {"a": float("nan")},
    "2**53": {"a": 1 << 53},
    "-2**53": {"a": -(1 << 53)},
    "NUL": {"a": "\0"},
    "NUL in a name": {"\0": 1},
    "lone surrogate": {"a": ["\ud800"]},
    "name that is no text": {1: 1},
    "name that is true": {True: 1},
    "name that is null": {None: 1},
    "bytes": {"a": b"x"},
    "set": {"a": {1}},
    "object": {"a": object()},
    "depth 17": {"a": json.loads("[" * 16 + "]" * 16)},
    "list on top": [],
    "text on top": "a",
}


@pytest.mark.parametrize("case", UNENCODABLE)
def test_does_not_encode_what_it_would_refuse(case: str) -> None:
    with pytest.raises(MalformedError):
        encode_object(UNENCODABLE[case])


def test_does_not_encode_a_ring() -> None:
    ring: dict[str, Any] = {}
    ring["a"] = ring
    with pytest.raises(MalformedError):
        encode_object(ring)


def test_encodes_compactly_in_order() -> None:
    value = {"b": 1, "a": (Word.A, NodeId("gt.minex"), True, None), "ñ": {"c": "\u2028\x1f"}}
    assert encode_object(value) == '{"b":1,"a":["a","gt.minex",true,null],"ñ":{"c":"\u2028\\u001f"}}'.encode()


def test_does_not_encode_more_than_it_reads() -> None:
    filler = MAX_OBJECT_BYTES - len(b'{"a":""}')
    assert len(encode_object({"a": "x" * filler})) == MAX_OBJECT_BYTES
    with pytest.raises(TooLargeError):
        encode_object({"a": "x" * (filler + 1)})


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, print_blob=True)
@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_what_is_encoded_is_read_back(value: dict[str, Any]) -> None:
    try:
        data = encode_object(value)
    except MalformedError:
        return  # deeper than 16
    assert parse_object(data) == value
    assert json.loads(data) == value


@settings(max_examples=300, print_blob=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b'{"a":"' + data + b'"}', b'{"a":' + data + b"}"):
        try:
            parse_object(candidate)
        except ExchangeError:
            continue
        assert isinstance(json.loads(candidate), dict)


def test_damaged_objects_are_read_as_the_reference_parser_reads_them_or_refused() -> None:
    seed = 20261130
    print(f"seed {seed}")
    source = random.Random(seed)
    whole = encode_object({"a": [1, {"b": 'ñ\\"', "c": None}], "d": {"e": -5, "f": "😀"}})
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(source.randrange(1, 4)):
            data[source.randrange(len(data))] = source.choice(b'{}[]",:\\u0019e.-\x00\xff')
        try:
            value = parse_object(bytes(data))
        except ExchangeError:
            continue
        assert json.loads(bytes(data)) == value


@pytest.mark.parametrize("size", [*range(70), 1216])
def test_base64url_round_trip(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert b64u_decode(b64u_encode(data)) == data


@pytest.mark.parametrize(
    "text", ["A", "AAAAA", "AA=", "AA==", "A A", "AA\n", "A+AA", "A/AA", "AB", "AAB", "Aé", "//", "=", "A\0AA"]
)
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(MalformedError):
        b64u_decode(text)


def test_base64url_spellings_are_one_to_one() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    read = set()
    for text in (first + second for first in alphabet for second in alphabet):
        try:
            read.add(b64u_decode(text))
        except MalformedError:
            continue
    assert len(read) == 256


def test_check_text() -> None:
    assert check_text("Ficticia ñ \U0001f600") == "Ficticia ñ \U0001f600"
    for text in ("a\0", "\ud800", "\udfff"):
        with pytest.raises(MalformedError):
            check_text(text)


@pytest.mark.parametrize("length", [*range(20, 120), 1024, 65_536, MAX_OBJECT_BYTES])
def test_padding_is_exact(length: int) -> None:
    payload = b'{"a":"ficticia"}'
    room = length - len(payload)
    if 0 < room < PAD_OVERHEAD or room < 0:
        with pytest.raises(TooLargeError):
            pad_payload(payload, length)
        return
    padded = pad_payload(payload, length)
    assert len(padded) == length
    value = parse_object(padded)
    assert value.pop("pad", "") == "0" * max(0, room - PAD_OVERHEAD)
    assert value == {"a": "ficticia"}


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b'{"a":1', b"x"])
def test_pads_only_objects(payload: bytes) -> None:
    with pytest.raises(MalformedError):
        pad_payload(payload, 1024)
