"""Answers of the private port: JSON, and problems that may say what to do, since only this institution's people read them."""

from typing import Any

from aiohttp import web

from contracts.codec import encode_object
from contracts.errors import PROBLEM_URN, ExchangeError, NotPermittedError, ProblemCode, StorageError, ThreadErasedError
from gateway.console.refusals import refusal_in_words, walls_in_words
from gateway.exchange.asked import NoSuchRequestError
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.departing import NoSuchDepartureError
from gateway.exchange.gate import WallError
from gateway.telemetry import log

MAX_ANSWER = 64 * 1024 * 1024
"""What this institution's own commands take: an import answers for every row, some 300 bytes each."""

_STATUS = {ProblemCode.UNAVAILABLE: 503, ProblemCode.INTERNAL: 500, ProblemCode.TOO_LARGE: 413, ProblemCode.CONFLICT: 409}
_EXPLAIN = "`paradero policy explain` dice qué regla decide; `paradero consent show`, qué autorizó la familia."


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


def refused(error: ExchangeError, node: Capabilities) -> web.Response:
    """Return what the exchange refused, in the words people read: what happened, by which rule or wall, and what to do."""
    match error:
        case ThreadErasedError():
            advice = "Queda constancia de que se dio y de que se borró: `paradero case who-has CASO`."
            return problem(404, "erased", "Eso se borró, o está bloqueado porque se va a borrar.", advice)
        case StorageError():  # its text is the driver's code, for the log
            log.warning("storage-refused", exc_info=error)
            advice = "Vea si quedó hecho; si no, repita la orden en un momento. `paradero doctor` mira la base."
            return problem(503, error.code.value, "La base de datos del nodo no respondió.", advice)
        case NotPermittedError():
            return _not_permitted(error, node)
        case _:
            return problem(_STATUS.get(error.code, 422), error.code.value, str(error), getattr(error, "advice", ""))


def _not_permitted(error: NotPermittedError, node: Capabilities) -> web.Response:
    if isinstance(error, NoSuchRequestError | NoSuchDepartureError):
        return problem(404, "not-found", "No hay nada pendiente con ese identificador.", error.advice)
    if isinstance(error, WallError):
        return problem(403, "wall", f"No puede salir: {walls_in_words(error.walls)}.", error.advice)
    said = refusal_in_words(str(error), node.tightened(node.trust().policy))
    return problem(403, error.code.value, f"No está permitido: {said}.", error.advice or _EXPLAIN)
