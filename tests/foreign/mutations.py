"""Ways to spoil an evidence bundle: bytes, members, the files and tokens inside. Each yields (what was done, bytes)."""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.foreign.basics import b64u, unb64u

Spoilt = Iterator[tuple[str, bytes]]


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield at, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(item, (*at, key))


def put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """A copy of `value` with `new` at a path; None drops what is there."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if new is None and len(at) == 1:
        del copy[at[0]]
    else:
        copy[at[0]] = put(value[at[0]], at[1:], new)
    return copy


def bytes_flipped(data: bytes, rng: random.Random, count: int) -> Spoilt:
    """One bit, one byte taken out or put in, in `count` equal regions of the file."""
    for region in range(count):
        place = rng.randrange(region * len(data) // count, (region + 1) * len(data) // count)
        new = rng.choice([bytes([data[place] ^ 1 << rng.randrange(8)]), b"", bytes([data[place], rng.randrange(256)])])
        yield f"byte {place} -> {new!r}", data[:place] + new + data[place + 1 :]


def members(data: bytes) -> Spoilt:
    """Every member of the file taken out, or given a value of each type; a second one of each name, and unknown ones."""
    bundle = json.loads(data)
    for at, value in paths(bundle):
        if not at:
            continue
        yield f"without {at}", dump(put(bundle, at, None))
        for new in ("", "A", 0, -1, 1.5, True, False, [], {}, [value], {"x": value}, f"{value} ", f"{value}=", f"\n{value}"):
            if new != value or type(new) is not type(value):
                yield f"{at} = {str(new)[:40]!r}", dump(put(bundle, at, new))
        if isinstance(value, dict):
            yield f"unknown member in {at}", dump(put(bundle, at, {**value, "x": 1}))
        if isinstance(value, list):
            yield f"an item more in {at}", dump(put(bundle, at, [*value, *value[:1], "A"]))
    for name in bundle:
        again = dump({name: bundle[name]})[1:-1]
        yield f"{name} twice", data[:-1] + b"," + again + b"}"
        yield f"{name} null", dump({**bundle, name: "@@"}).replace(b'"@@"', b"null")
    yield "byte order mark", b"\xef\xbb\xbf" + data
    yield "UTF-16", data.decode().encode("utf-16")
    yield "something after", data + b"x"
    yield "two", data + data
    yield "verified_at as a float", data.replace(b'"verified_at":', b'"verified_at":1.0,"x":')


def tokens(data: bytes) -> Spoilt:
    """Every JWS with another header, another payload, another spelling."""
    bundle = json.loads(data)
    for name in ("message", "receipt"):
        if name not in bundle:
            continue
        head, payload, signature = bundle[name].split(".")
        header, claims = json.loads(unb64u(head)), json.loads(unb64u(payload))
        for change in (
            {"alg": "EdDSA"},
            {"alg": "none"},
            {"alg": "HS256"},
            {"crit": ["x"]},
            {"typ": "JWT"},
            {"jwk": {}},
            {"b64": False},
        ):
            yield f"{name} header {change}", dump({**bundle, name: f"{b64u(dump(header | change))}.{payload}.{signature}"})
        for kid in ("gt.pgn#sig-1", "gt.minex#id-1", "gt.igm.mbmid#sig-1", "gt.minex#sig-2", "x", 1):
            yield f"{name} kid {kid}", dump({**bundle, name: f"{b64u(dump(header | {'kid': kid}))}.{payload}.{signature}"})
        for claim in claims:
            changed = {key: value for key, value in claims.items() if key != claim}
            yield f"{name} without {claim}", dump({**bundle, name: f"{head}.{b64u(dump(changed))}.{signature}"})
        other = "message" if name == "receipt" else "receipt"
        yield f"{name} = {other}", dump({**bundle, name: bundle.get(other, "")})
        for spelling in (
            f"{bundle[name]}=",
            f"{bundle[name]}.",
            f".{bundle[name]}",
            f"{head}.{payload}.",
            f"{head}..{signature}",
        ):
            yield f"{name} spelling", dump({**bundle, name: spelling})
        last = signature[:-1] + chr(ord(signature[-1]) + 1)
        yield f"{name} trailing bits", dump({**bundle, name: f"{head}.{payload}.{last}"})


def proofs(data: bytes) -> Spoilt:
    """Both log proofs in other spellings, with other lines."""
    bundle = json.loads(data)
    where = [at for at, value in paths(bundle) if isinstance(value, str) and value.startswith("c2sp.org/tlog-proof")]
    for at in where:
        value = dict(paths(bundle))[at]
        head, note = value.split("\n\n", 1)
        index = head.split("\n")[1]
        lines = value.splitlines(keepends=True)
        variants = {
            "extra line": value.replace("index", "extra QQ==\nindex", 1),
            "leading zero": value.replace("index ", "index 0", 1),
            "plus": value.replace("index ", "index +", 1),
            "arabic digit": value.replace(index, "index ٦", 1),
            "another index": value.replace(index, "index 5", 1),
            "huge index": value.replace(index, "index 18446744073709551616", 1),
            "CRLF": value.replace("\n", "\r\n"),
            "v2": value.replace("@v1", "@v2", 1),
            "no final newline": value[:-1],
            "final newline twice": value + "\n",
            "an unknown signature": value + "— nobody.example/log QUJDREVGR0g=\n",
            "an unknown signature, badly spelled": value + "— nobody.example/log QUJDREVGR0h=\n",
            "a line that is no signature": value + "hello\n",
            "the log's line twice": value + next(line for line in lines if line.startswith("— ")),
            "no signature": head + "\n\n" + note.split("\n\n")[0] + "\n\n",
            "tree one larger": value.replace("\n11\n", "\n12\n", 1),
            "path without its last hash": head.rsplit("\n", 1)[0] + "\n\n" + note,
            "path with one more": head + "\n" + head.rsplit("\n", 1)[1] + "\n\n" + note,
            "an extension line": value.replace("\n\n—", "\nhello\n\n—", 1),
            "padding gone": value.replace("=\n", "\n", 1),
            "hyphen for dash": value.replace("— ", "- ", 1),
        }  # fmt: skip
        for name, variant in variants.items():
            yield f"{at}: {name}", dump(put(bundle, at, variant))
        for number in range(len(lines)):
            yield f"{at}: without line {number}", dump(put(bundle, at, "".join(lines[:number] + lines[number + 1 :])))
            yield f"{at}: line {number} twice", dump(put(bundle, at, "".join([*lines[: number + 1], *lines[number:]])))


def leaf(data: bytes) -> Spoilt:
    """The sender's leaf and its disclosures in other spellings."""
    bundle = json.loads(data)
    text = bundle["sender_leaf"]["data"]
    for variant in (
        text.replace(",", ", "),
        text + " ",
        json.dumps(json.loads(text), sort_keys=True),
        text.replace("1", "1.0", 1),
        text.replace('"v"', '"\\u0076"'),
    ):
        yield f"leaf as {variant[:30]}", dump(put(bundle, ("sender_leaf", "data"), variant))
    shown = bundle["sender_leaf"]["disclosures"]
    for number, item in enumerate(shown):
        parts = json.loads(unb64u(item))
        for new in ([parts[0], parts[1]], [*parts, 1], [parts[0], parts[1], "x"], ["A", *parts[1:]], {"a": parts}):
            changed = [*shown[:number], b64u(dump(new)), *shown[number + 1 :]]
            yield f"disclosure {parts[1]} as {str(new)[:30]}", dump(put(bundle, ("sender_leaf", "disclosures"), changed))
        yield f"disclosure {parts[1]} twice", dump(put(bundle, ("sender_leaf", "disclosures"), [*shown, item]))
        spaced = b64u(unb64u(item).replace(b",", b", ", 1))
        yield (
            f"disclosure {parts[1]} spaced",
            dump(put(bundle, ("sender_leaf", "disclosures"), [spaced if one == item else one for one in shown])),
        )


def register(data: bytes, rng: random.Random) -> Spoilt:
    """Every file of the register: a bit, other spellings, a second version, other names, members inside changed."""
    bundle = json.loads(data)
    files = bundle["register"]
    for path, text in files.items():
        raw = unb64u(text)
        for _ in range(6):
            place = rng.randrange(len(raw))
            flipped = raw[:place] + bytes([raw[place] ^ 1 << rng.randrange(8)]) + raw[place + 1 :]
            yield f"{path} byte {place}", dump(put(bundle, ("register", path), b64u(flipped)))
        inner = json.loads(raw)
        for what, new in {
            "with a space": raw[:1] + b" " + raw[1:],
            "with a BOM": b"\xef\xbb\xbf" + raw,
            "cut": raw[:-1],
            "empty": b"",
            "with a second signed": b'{"signed":{},' + raw[1:],
            "with an unknown member": dump({**inner, "x": 1}),
            "with a float": raw[:-1] + b',"x":1.5}',
            "with a NaN": raw[:-1] + b',"x":NaN}',
            "null": b"null",
        }.items():
            yield f"{path} {what}", dump(put(bundle, ("register", path), b64u(new)))
        for at, value in paths(inner):
            if path.startswith("metadata/") and at and len(at) < 5 and rng.random() < 0.2:
                new = {str: "x", int: 2, dict: {}, list: [], bool: not value}.get(type(value))
                yield f"{path} {at} = {new!r}", dump(put(bundle, ("register", path), b64u(dump(put(inner, at, new)))))
        for name in (
            f"{path}x",
            path.upper(),
            f"./{path}",
            f"../{path}",
            path.replace("metadata/", "metadata/2."),
            path.replace("1.", "01.", 1),
        ):
            renamed = {name if key == path else key: item for key, item in files.items()}
            yield f"{path} as {name}", dump({**bundle, "register": renamed})
    for name in (
        "metadata/9.root.json",
        "metadata/99.members.json",
        "targets/" + "0" * 64 + ".members.json",
        "targets/x",
        "/etc/passwd",
    ):
        yield f"and {name}", dump({**bundle, "register": {**files, name: "e30"}})
