"""SPEC 3 and 4.2 by a stranger: JSON, base64url and JWS with the standard library and joserfc."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


class RefusedError(Exception):
    """Something is not as the SPEC says."""


def need(condition: object, why: str) -> None:
    if not condition:
        raise RefusedError(why)


def b64u(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text: Any) -> bytes:
    need(isinstance(text, str) and re.fullmatch("[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, "base64url")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(b64u(data) == text, "canonical base64url")
    return data


def digest(data: bytes | str) -> str:
    return b64u(sha256(data.encode() if isinstance(data, str) else data).digest())


def depth(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max((depth(item) for item in (value.values() if isinstance(value, dict) else value)), default=0)


def texts(value: Any) -> Any:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "duplicate member")
    return dict(pairs)


def _integer(text: str) -> int:
    need(text != "-0" and len(text) < 18 and abs(int(text)) < 2**53, "integer")
    return int(text)


def _refuse(_text: str) -> None:
    raise RefusedError("no floats, no NaN")


def parse(data: bytes | str, *, limit: int = 512 * 1024, levels: int = 16) -> dict[str, Any]:
    """SPEC 3.1."""
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    need(len(data) <= limit, "too long")
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_members, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        raise RefusedError("JSON") from error
    need(isinstance(value, dict) and depth(value) <= levels, "object, depth")
    need(not any(re.search("[\0\ud800-\udfff]", text) for text in texts(value)), "NUL or lone surrogate")
    return value


def _double(point: tuple[int, int]) -> tuple[int, int]:
    x, y = point
    k = D * x * x * y * y % P
    return 2 * x * y * pow(1 + k, -1, P) % P, (y * y + x * x) * pow(1 - k, -1, P) % P


def check_point(raw: bytes) -> None:
    """SPEC 4.1: a canonical point of the curve, and not of small order."""
    number = int.from_bytes(raw, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    need(len(raw) == 32 and y < P, "canonical point")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - square) % P == 0 and not (x == 0 and sign), "point of the curve")
    point = (x, y)
    for _ in range(3):
        point = _double(point)
    need(point != (0, 1), "small order")


def public_key(jwk: dict[str, Any], use: str) -> OKPKey:
    need(
        {k: jwk.get(k) for k in ("kty", "crv", "alg", "use")}
        == {"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "use": "sig"},
        "JWK",
    )
    need(set(jwk) == {"kty", "crv", "alg", "use", "kid", "x"} and f"#{use}-" in jwk["kid"], "JWK")
    check_point(unb64u(jwk["x"]))
    return OKPKey.import_key(jwk)


def jws_header(token: Any) -> dict[str, Any]:
    need(isinstance(token, str) and token.count(".") == 2, "three parts")
    parts = [unb64u(part) for part in token.split(".")]
    header = parse(parts[0])
    need(set(header) == {"alg", "kid", "typ"} and header["alg"] == "Ed25519" and len(parts[2]) == 64, "header")
    return header


def verify(token: Any, typ: str, keys: dict[str, OKPKey]) -> tuple[str, bytes]:
    """SPEC 4.2. Returns (kid, payload)."""
    header = jws_header(token)
    need(header["typ"] == typ, "typ")
    need(isinstance(header["kid"], str) and header["kid"] in keys, "known key")
    try:
        return header["kid"], jws.deserialize_compact(token, keys[header["kid"]], algorithms=["Ed25519"]).payload
    except (JoseError, ValueError) as error:
        raise RefusedError("signature") from error


def sign(claims: dict[str, Any] | bytes, typ: str, key: OKPKey) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
    kid = key.as_dict()["kid"]
    return jws.serialize_compact({"alg": "Ed25519", "kid": kid, "typ": typ}, payload, key, algorithms=["Ed25519"])
