"""SPEC 5.1 and 5.3 by a stranger: the published schema, and the rules between members that a schema cannot say."""

import re
from typing import Any

from tests.foreign.basics import need, parse
from tests.foreign.schema import valid

DAY = 86_400


def check_message(payload: bytes) -> dict[str, Any]:
    claims = parse(payload)
    need(isinstance(claims.get("type"), str) and claims["type"] != "message" and valid(claims, claims["type"]), "schema")
    need(claims.get("v") == 1 and re.fullmatch("0*", claims.get("pad", "")), "version, padding")
    limit = 30 if claims["type"].startswith(("consent.", "erasure.", "correction", "node.re")) else 7
    need(0 < claims["exp"] - claims["iat"] <= limit * DAY, "validity")
    need(claims["iss"] != claims["aud"] and claims.get("re") != claims["jti"], "to itself")
    need(claims.get("deadline", claims["iat"]) >= claims["iat"], "deadline")
    return claims


def check_receipt(payload: bytes) -> dict[str, Any]:
    claims = parse(payload, limit=4096)
    need(valid(claims, "receipt"), "schema")
    accepted = claims["status"] == "accepted"
    need(accepted == ("log" in claims) and accepted != ("code" in claims), "a promise or a code")
    need(not accepted or ({"aud", "re"} <= set(claims) and claims["dig"]["of"] == "message"), "names its message")
    return claims
