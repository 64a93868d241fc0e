"""What arrives at a door that no client of ours would send: raw HTTP, bad batches, mutated envelopes. Seeded, so it replays."""

import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.foreign.node import dump
from tests.hostile.forgeries import swapped_envelopes

BATCH, ENVELOPE = "application/paradero-batch+json", "application/jose"
DOORS = {"inbox": "/x/v1/inbox", "ask": "/x/v1/ask"}
MIB = 1024 * 1024


def post(path: str, body: bytes, kind: str, *headers: str) -> bytes:
    """A request on a kept connection, well-formed around whatever its body is."""
    lines = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def closing(path: str, body: bytes, kind: str, *headers: str) -> bytes:
    return post(path, body, kind, *headers, "Connection: close")


# -- envelopes -------------------------------------------------------------------------------------------------------


def mutated(envelope: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """One to three things done to an envelope."""
    data = envelope
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(MUTATORS)(data, rng.choice(others), rng)
    return data if data != envelope else data[:-1]


def _bit(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data)) if data else 0
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :] if data else b"x"


def _letter(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + bytes([rng.choice(b"ABCxyz019-_.=+/ \n\0\xff")]) + data[place + rng.randint(0, 1) :]


def _cut(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _out(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randint(1, 400) :]


def _graft(data: bytes, other: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


def _part(data: bytes, other: bytes, rng: random.Random) -> bytes:
    ours, theirs = data.split(b"."), other.split(b".")
    place = rng.randrange(min(len(ours), len(theirs)))
    ours[place] = rng.choice([theirs[place], b"", ours[place][::-1], ours[place] * 2])
    return b".".join(ours)[:MIB]


def _noise(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(1, 2000))


MUTATORS: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    _bit,
    _bit,
    _bit,
    _letter,
    _cut,
    _out,
    _graft,
    _part,
    _noise,
)


@lru_cache
def invented(number: int) -> tuple[bytes, ...]:
    """What hypothesis thinks an envelope could be; the same every time."""
    text = st.text(max_size=60)
    header = st.dictionaries(st.sampled_from(["alg", "enc", "kid", "ek", "typ", "cty", "crit", "x"]), st.one_of(
        text, st.integers(), st.none(), st.lists(text, max_size=3)), max_size=8)  # fmt: skip
    token = st.builds(_compact, header, st.lists(st.binary(max_size=200), min_size=2, max_size=6))
    found: list[bytes] = []

    @settings(max_examples=number, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(token, st.binary(max_size=400), text.map(lambda t: t.encode("utf-8", "surrogatepass"))))
    def look(example: bytes) -> None:
        found.append(example)

    look()
    return tuple(found)


def _compact(header: dict, parts: list[bytes]) -> bytes:
    from tests.foreign.basics import b64u

    return ".".join([b64u(json.dumps(header).encode()), *map(b64u, parts)]).encode()


# -- batches ---------------------------------------------------------------------------------------------------------


def bad_batches(envelope: bytes) -> dict[str, bytes]:
    """Bodies of the inbox that are no batch."""
    text = envelope.decode()
    return {
        "51 messages": dump({"messages": ["a"] * 51}),
        "none": dump({"messages": []}),
        "over a mebibyte": b'{"messages":["' + b"a" * MIB + b'"]}',
        "a mebibyte of brackets": b"[" * MIB,
        "500,000 deep": b'{"messages":' + b"[" * 250_000 + b"]" * 250_000 + b"}",
        "objects 100,000 deep": b'{"messages":' * 80_000,
        "three deep": b'{"messages":[["a"]]}',
        "messages twice": b'{"messages":["' + envelope + b'"],"messages":["b"]}',
        "a member more": dump({"messages": [text], "x": 1}),
        "NaN": b'{"messages":[NaN]}',
        "Infinity": b'{"messages":[-Infinity]}',
        "a float": b'{"messages":[1.5]}',
        "1e999": b'{"messages":[1e999]}',
        "a number of 100,000 digits": b'{"messages":[' + b"9" * 100_000 + b"]}",
        "a lone surrogate": b'{"messages":["\\ud800"]}',
        "a surrogate in UTF-8": b'{"messages":["\xed\xa0\x80"]}',
        "NUL": b'{"messages":["\\u0000"]}',
        "a raw NUL": b'{"messages":["\0"]}',
        "not UTF-8": b'{"messages":["\xff\xfe"]}',
        "UTF-16": dump({"messages": [text]}).decode().encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + dump({"messages": [text]}),
        "something after": dump({"messages": [text]}) + b"x",
        "null": b"null",
        "a string": b'"messages"',
        "empty": b"",
        "only spaces": b" " * 5000,
        "null messages": b'{"messages":null}',
        "messages an object": b'{"messages":{"0":"a"}}',
        "100,000 members": b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}",
        "a key of a megabyte": b'{"' + b"k" * 900_000 + b'":1}',
        "escapes": b'{"messages":["' + b"\\u0041" * 100_000 + b'"]}',
    }


# -- raw HTTP --------------------------------------------------------------------------------------------------------


@lru_cache
def _bomb() -> bytes:
    return gzip.compress(bytes(20 * MIB))


def raw_shapes(path: str, kind: str, body: bytes) -> dict[str, bytes]:
    """Requests a front and a server could read differently, or that cost more than they should. Each on a connection of its own."""
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\n".encode()
    end, size = b"Connection: close\r\n\r\n", len(body)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    length = b"Content-Length: %d\r\n" % size
    coding = b"Transfer-Encoding: chunked\r\n"
    smuggled = b"GET /x/v1/health HTTP/1.1\r\nHost: h\r\n\r\n"
    bomb = _bomb()
    target = path.encode()
    return {
        "length and chunked": head + length + coding + end + chunked,
        "chunked and length": head + coding + length + end + chunked,
        "two lengths": head + length + b"Content-Length: 0\r\n" + end + body,
        "one length twice": head + length + length + end + body,
        "lengths in a list": head + b"Content-Length: %d, %d\r\n" % (size, size) + end + body,
        "negative length": head + b"Content-Length: -1\r\n" + end + body,
        "signed length": head + b"Content-Length: +%d\r\n" % size + end + body,
        "length in hex": head + b"Content-Length: 0x10\r\n" + end + body,
        "a length of 40 digits": head + b"Content-Length: " + b"9" * 40 + b"\r\n" + end + body,
        "length with a space before its colon": head + b"Content-Length : %d\r\n" % size + end + body,
        "chunked, spelled otherwise": head + b"Transfer-Encoding: xchunked\r\n" + end + chunked,
        "chunked twice": head + coding + coding + end + chunked,
        "chunked then identity": head + b"Transfer-Encoding: chunked, identity\r\n" + end + chunked,
        "gzip then chunked": head + b"Transfer-Encoding: gzip, chunked\r\n" + end + chunked,
        "chunked after a tab": head + b"Transfer-Encoding:\tchunked\r\n" + length + end + chunked,
        "chunked with NUL": head + b"Transfer-Encoding: chunked\0\r\n" + end + chunked,
        "folded header": head + b"X-A: a\r\n b\r\n" + length + end + body,
        "folded coding": head + b"Transfer-Encoding:\r\n chunked\r\n" + end + chunked,
        "bare LF": (head + length + end).replace(b"\r\n", b"\n") + body,
        "bare CR": head.replace(b"\r\n", b"\r", 1) + length + end + body,
        "LF CR": head + length + b"X-A: a\n\r\n" + end + body,
        "chunk size with spaces": head + coding + end + b" %x \r\n%s\r\n0\r\n\r\n" % (size, body),
        "chunk size 0x": head + coding + end + b"0x%x\r\n%s\r\n0\r\n\r\n" % (size, body),
        "chunk size negative": head + coding + end + b"-1\r\n\r\n",
        "chunk size of 32 digits": head + coding + end + b"f" * 32 + b"\r\n\r\n",
        "chunk size no number": head + coding + end + b"zz\r\n\r\n",
        "chunk with LF": head + coding + end + b"%x\n%s\n0\n\n" % (size, body),
        "chunk extension of 100 kB": head + coding + end + b"%x;%s\r\n%s\r\n0\r\n\r\n" % (size, b"x" * 100_000, body),
        "chunk without its end": head + coding + end + b"%x\r\n%sxx0\r\n\r\n" % (size, body),
        "chunks of one byte": head + coding + end + b"".join(b"1\r\n%c\r\n" % c for c in body[:2000]) + b"0\r\n\r\n",
        "trailers": head + coding + end + chunked[:-2] + b"Content-Length: 5\r\nX: y\r\n\r\n",
        "a flood of trailers": head + coding + end + chunked[:-2] + b"X: y\r\n" * 20_000 + b"\r\n",
        "a request in a body": head + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled,
        "a request in a chunk": head + coding + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(smuggled), smuggled),
        "two hosts": head + b"Host: other\r\n" + length + end + body,
        "no host": head.replace(b"Host: h\r\n", b"") + length + end + body,
        "two content types": head + b"Content-Type: text/plain\r\n" + length + end + body,
        "absolute form": head.replace(target, b"http://evil.example" + target) + length + end + body,
        "authority form": head.replace(b"POST " + target, b"CONNECT evil.example:443") + length + end + body,
        "asterisk": head.replace(b"POST " + target, b"OPTIONS *") + end,
        "double slash": head.replace(target, b"/" + target) + length + end + body,
        "dot segments": head.replace(target, b"/x/v1/../v1/" + target[6:]) + length + end + body,
        "encoded letters": head.replace(b"inbox", b"%69nbox").replace(b"ask", b"%61sk") + length + end + body,
        "encoded slash": head.replace(b"/v1/", b"%2fv1%2f") + length + end + body,
        "a fragment": head.replace(target, target + b"#x") + length + end + body,
        "a query": head.replace(target, target + b"?" + b"a=b&" * 500) + length + end + body,
        "a target of 100 kB": head.replace(target, target + b"/" * 100_000) + length + end + body,
        "NUL in the target": head.replace(target, target + b"\0") + length + end + body,
        "bytes in the target": head.replace(target, target + b"\xff\xfe") + length + end + body,
        "a space in the target": head.replace(target, target + b" x") + length + end + body,
        "upper case": head.replace(target, target.upper()) + length + end + body,
        "HTTP/0.9": b"GET " + target + b"\r\n",
        "HTTP/0.9 version": head.replace(b"HTTP/1.1", b"HTTP/0.9") + length + end + body,
        "HTTP/1.0": head.replace(b"HTTP/1.1", b"HTTP/1.0") + length + end + body,
        "HTTP/1.1 twice": head.replace(b"HTTP/1.1", b"HTTP/1.1 HTTP/1.1") + length + end + body,
        "HTTP/2.0": head.replace(b"HTTP/1.1", b"HTTP/2.0") + length + end + body,
        "HTTP/9999": head.replace(b"HTTP/1.1", b"HTTP/9999.1") + length + end + body,
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64),
        "a TLS record": bytes.fromhex("160301020001") + bytes(60),
        "noise": bytes(range(256)) * 4 + b"\r\n\r\n",
        "only ends of lines": b"\r\n" * 5000,
        "methods": head.replace(b"POST", b"PROPFIND") + length + end + body,
        "GET with a body": head.replace(b"POST", b"GET") + length + end + body,
        "HEAD": head.replace(b"POST", b"HEAD") + end,
        "TRACE": head.replace(b"POST", b"TRACE") + end,
        "a method of 50 kB": head.replace(b"POST", b"P" * 50_000) + length + end + body,
        "a method with bytes": head.replace(b"POST", b"P\xffST") + length + end + body,
        "another type": head.replace(kind.encode(), b"text/plain") + length + end + body,
        "a type with a charset": head.replace(kind.encode(), kind.encode() + b"; charset=utf-7") + length + end + body,
        "no type": head.replace(b"Content-Type: " + kind.encode() + b"\r\n", b"") + length + end + body,
        "a type of bytes": head.replace(kind.encode(), b"\xff\xfe/\xfd") + length + end + body,
        "multipart": head.replace(kind.encode(), b"multipart/form-data; boundary=" + b"x" * 3000) + length + end + body,
        "gzip": head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(bomb) + end + bomb,
        "a bomb of deflate": head + b"Content-Encoding: deflate\r\n" + coding + end
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(z := zlib.compress(bytes(MIB))), z),
        "br": head + b"Content-Encoding: br\r\n" + length + end + body,
        "encoded twice": head + b"Content-Encoding: gzip, gzip\r\n" + length + end + body,
        "expect": head + b"Expect: 100-continue\r\n" + length + end + body,
        "expect something else": head + b"Expect: a-pony\r\n" + length + end + body,
        "upgrade": head + b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + length + end + body,
        "h2c": head + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n" + length + end + body,
        "a header of 60 kB": head + b"X-A: " + b"a" * 60_000 + b"\r\n" + length + end + body,
        "10,000 headers": head + b"X-A: a\r\n" * 10_000 + length + end + body,
        "a header name of 20 kB": head + b"X" * 20_000 + b": a\r\n" + length + end + body,
        "a header without a name": head + b": a\r\n" + length + end + body,
        "a header without a colon": head + b"nothing\r\n" + length + end + body,
        "bytes in a header": head + b"X-A: \xff\xfe\x80\r\n" + length + end + body,
        "NUL in a header": head + b"X-A: a\0b\r\n" + length + end + body,
        "a cookie of 8 kB": head + b"Cookie: " + b"a=b; " * 1600 + b"\r\n" + length + end + body,
        "forwarded": head + b"X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: ::1\r\n" + length + end + body,
        "range": head + b"Range: bytes=0-,0-,0-\r\n" + length + end + body,
        "half a body": head + b"Content-Length: %d\r\n" % (size + 10) + end + body,
        "half a head": head[:-20],
        "half a chunk": head + coding + end + b"ffff\r\n" + body[:100],
        "nothing": b"",
    }  # fmt: skip


def pipelined(path: str, kind: str, body: bytes) -> tuple[bytes, int]:
    """Forty requests in one write; each is answered once, in order."""
    return post(path, body, kind) * 39 + closing(path, body, kind), 40


def static_targets(rng: random.Random) -> Iterator[str]:
    """Paths beside and below the static files."""
    names = ["timestamp.json", "1.root.json", "..", "%2e%2e", "%252e%252e", "....", "etc/passwd", "%00", "\u00ff", "~", "con",
             "root.json/..", "..%2f..%2f..%2fetc%2fpasswd", "..\\..\\x", "0" * 64 + ".members.json", "a" * 3000, "%", "%zz", "*"]  # fmt: skip
    folders = [
        "trust/metadata",
        "trust/targets",
        "log/tile",
        "log",
        "blobs",
        "health",
        "trust",
        "",
        "log/tile/0",
        "log/tile/9/x999",
    ]
    while True:
        depth = rng.randint(1, 3)
        yield f"/x/v1/{rng.choice(folders)}/" + "/".join(rng.choice(names) for _ in range(depth))


def corpus(valid: list[bytes], lies: list[bytes], rng: random.Random) -> Iterator[bytes]:
    """Endless envelopes that must be refused: lies, exchanged parts, inventions, mutations."""
    ready = [*lies, *invented(300), *(data for _, data in swapped_envelopes(valid[0], valid[1]))]
    return _endless(ready, valid, rng)


def _endless(ready: list[bytes], valid: list[bytes], rng: random.Random) -> Iterator[bytes]:
    while True:
        yield rng.choice(ready) if rng.random() < 0.2 else mutated(rng.choice(valid), valid, rng)
