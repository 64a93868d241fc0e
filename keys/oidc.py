"""ID tokens of a ministry's own sign-in (OpenID Connect Core 1.0, 3.1.3.7), and the code challenge of RFC 7636.

Only public-key algorithms are known here: a token "signed" with nothing, or with a public key taken for a shared secret, is
refused before any key is looked at.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from contracts.codec import b64u_decode, b64u_encode, parse_object
from contracts.errors import ExchangeError, SignatureError

ALGORITHMS = ("ES256", "ES384", "PS256", "RS256")
LEEWAY = 60
"""Seconds by which a ministry's clock may differ from ours."""
LONGEST = 32 * 1024
_OLDEST = 600
_SUBJECT = 255
_KINDS = frozenset({"RSA", "EC"})


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `begun`: Unix seconds; the person must have shown who they are at most `max_age` before that."""

    issuer: str
    client: str
    nonce: str
    begun: int
    max_age: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a verified token says: who it is at the issuer, an address the issuer vouches for, and by what they showed it."""

    subject: str
    email: str | None
    amr: frozenset[str]
    acr: str | None


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 4.2)."""
    return b64u_encode(sha256(verifier.encode("ascii")).digest())


def key_of(token: str) -> str | None:
    """Return which key a token names, unverified: to fetch keys anew where it is not known yet."""
    try:
        kid = parse_object(b64u_decode(token.partition(".")[0]), limit=LONGEST).get("kid")
    except ExchangeError:
        return None
    return kid if isinstance(kid, str) else None


def told_by(token: str, keys: Mapping[str, Any], expected: Expected, *, now: int) -> Told:
    """Return what a token says that `expected.issuer` made for us, for this very sign-in, and that is not over.

    Raises:
        SignatureError: it is not such a token. Says which rule it breaks, never what is in it.
    """
    claims = _verified(token, keys)
    if claims.get("iss") != expected.issuer:
        raise SignatureError("iss")
    _check_audience(claims, expected.client)
    _check_times(claims, expected, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise SignatureError("nonce")
    subject, email, amr, acr = (claims.get(name) for name in ("sub", "email", "amr", "acr"))
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT or not subject.isprintable():
        raise SignatureError("sub")
    vouched = claims.get("email_verified") is True and isinstance(email, str) and 0 < len(email) <= _SUBJECT
    return Told(
        subject=subject,
        email=str(email).casefold() if vouched else None,
        amr=frozenset(item for item in amr if isinstance(item, str)) if isinstance(amr, list) else frozenset(),
        acr=acr if isinstance(acr, str) else None,
    )


def _verified(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    from joserfc.errors import JoseError  # noqa: PLC0415 - only a node with a ministry's sign-in needs the library
    from joserfc.jwk import KeySet  # noqa: PLC0415 - as above
    from joserfc.jws import deserialize_compact  # noqa: PLC0415 - as above

    if len(token) > LONGEST:
        raise SignatureError("length")
    listed = keys.get("keys")
    usable = [one for one in listed if _signs(one)] if isinstance(listed, list) else []
    try:
        found = deserialize_compact(token, KeySet.import_key_set({"keys": usable}), algorithms=list(ALGORITHMS))
        return parse_object(found.payload, limit=LONGEST)
    except (JoseError, ExchangeError, ValueError, KeyError, TypeError):
        raise SignatureError("signature") from None


def _signs(key: object) -> bool:
    # A shared secret, or a private key, has no business in a published set.
    return isinstance(key, dict) and key.get("kty") in _KINDS and key.get("use", "sig") == "sig" and "d" not in key


def _check_audience(claims: Mapping[str, Any], client: str) -> None:
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or client not in named:
        raise SignatureError("aud")
    if (len(named) > 1 or "azp" in claims) and claims.get("azp") != client:
        raise SignatureError("azp")


def _check_times(claims: Mapping[str, Any], expected: Expected, now: int) -> None:
    expires, issued, before = _seconds(claims, "exp"), _seconds(claims, "iat"), claims.get("nbf", 0)
    if expires + LEEWAY <= now:
        raise SignatureError("exp")
    if not -LEEWAY <= now - issued <= _OLDEST + LEEWAY:
        raise SignatureError("iat")
    if not isinstance(before, int) or before > now + LEEWAY:
        raise SignatureError("nbf")
    shown = _seconds(claims, "auth_time")
    if shown + expected.max_age + LEEWAY < expected.begun or shown > now + LEEWAY:
        raise SignatureError("auth_time")


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SignatureError(name)
    return value
