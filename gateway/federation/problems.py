"""The one place an error becomes a response (RFC 9457): a type, a title, a status; no detail, ever."""

from aiohttp import web

from contracts.codec import encode_object
from contracts.errors import PROBLEM_URN, ProblemCode

CONTENT_TYPE = "application/problem+json"

STATUS: dict[ProblemCode, int] = {
    ProblemCode.MALFORMED: 400,
    ProblemCode.SCHEMA: 422,
    ProblemCode.UNSUPPORTED: 415,
    ProblemCode.TOO_LARGE: 413,
    ProblemCode.ENVELOPE: 400,
    ProblemCode.KEY_RETIRED: 410,
    ProblemCode.SENDER_UNKNOWN: 403,
    ProblemCode.SENDER_SUSPENDED: 403,
    ProblemCode.SIGNATURE: 403,
    ProblemCode.NOT_ME: 421,
    ProblemCode.CONFLICT: 409,
    ProblemCode.EXPIRED: 422,
    ProblemCode.CLOCK_SKEW: 422,
    ProblemCode.TRUST_STALE: 409,
    ProblemCode.POLICY_UNKNOWN: 422,
    ProblemCode.NOT_PERMITTED: 403,
    ProblemCode.OVER_DISCLOSURE: 422,
    ProblemCode.RECORD_INVALID: 422,
    ProblemCode.WRONG_MODE: 422,
    ProblemCode.NOT_HANDLED: 422,
    ProblemCode.SLOW_DOWN: 429,
    ProblemCode.LOCKED: 503,
    ProblemCode.UNAVAILABLE: 503,
    ProblemCode.INTERNAL: 503,
}
_RETRY_AFTER = {ProblemCode.SLOW_DOWN: "5", ProblemCode.LOCKED: "60", ProblemCode.UNAVAILABLE: "10", ProblemCode.INTERNAL: "30"}


def problem(code: ProblemCode) -> dict[str, object]:
    """Return the problem object of a code."""
    return {"type": PROBLEM_URN + code.value, "title": code.value.replace("-", " "), "status": STATUS[code]}


def problem_response(code: ProblemCode) -> web.Response:
    """Return the response of a code."""
    headers = {"Retry-After": _RETRY_AFTER[code]} if code in _RETRY_AFTER else {}
    return web.Response(body=encode_object(problem(code)), status=STATUS[code], content_type=CONTENT_TYPE, headers=headers)


def problem_code(value: object) -> ProblemCode | None:
    """Return the code a peer's problem object names; INTERNAL for one we do not know, None for no problem at all."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        return None
    try:
        return ProblemCode(kind.removeprefix(PROBLEM_URN))
    except ValueError:
        return ProblemCode.INTERNAL
