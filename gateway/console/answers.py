"""Answers of the private port: JSON, and problems that may say what to do, since only this institution's people read them."""

from typing import Any

from aiohttp import web

from contracts.codec import encode_object
from contracts.errors import PROBLEM_URN, ExchangeError, StorageError

MAX_ANSWER = 64 * 1024 * 1024
"""What this institution's own commands take: an import answers for every row, some 300 bytes each."""


def json_answer(value: dict[str, Any], *, status: int = 200) -> web.Response:
    """Return a JSON object.

    Raises:
        StorageError: it is longer than a command takes.
    """
    try:
        body = encode_object(value, limit=MAX_ANSWER)
    except ExchangeError:
        raise StorageError("the answer is too large; narrow the question") from None
    return web.Response(body=body, status=status, content_type="application/json")


def problem(status: int, code: str, title: str, advice: str) -> web.Response:
    """Return a problem (RFC 9457)."""
    body = {"type": PROBLEM_URN + code, "title": title, "status": status, "advice": advice}
    return web.Response(body=encode_object(body), status=status, content_type="application/problem+json")
