"""The port peers knock on: POST inbox, POST ask, and static files without personal data. Translates only (SPEC 8)."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from aiohttp import web
from multidict import CIMultiDictProxy

from contracts.attachments import is_name
from contracts.codec import b64u_encode, encode_object, parse_object
from contracts.errors import ExchangeError, MalformedError, ProblemCode, TooLargeError, UnsupportedError
from gateway.exchange.answer import AskResult
from gateway.exchange.receive import InboxResult
from gateway.federation.limits import AddressBudget
from gateway.federation.problems import problem, problem_response
from gateway.telemetry import door_results, log
from gateway.web import Handler, Watch

BATCH_TYPE = "application/paradero-batch+json"
ENVELOPE_TYPE = "application/jose"
RECEIPT_TYPE = "application/paradero-receipt+jwt"
OCTETS = "application/octet-stream"
MAX_BODY = 1024 * 1024
MAX_BATCH = 50
_METADATA_NAME = re.compile(
    r"(?:[1-9][0-9]{0,8}\.)?(?:root|timestamp|snapshot|targets|members|policy|suspensions|keysets)\.json"
)
_TARGET_NAME = re.compile(r"[0-9a-f]{64}\.(?:federation|members|policy|suspensions|keysets)\.json")
_TILE_NAME = re.compile(r"[0-9]{1,2}/[x0-9/]{3,40}(?:\.p/[0-9]{1,3})?")

Read = Callable[[str], Awaitable[bytes | None]]
ReadPart = Callable[[str, int, int], Awaitable[bytes | None]]
_RANGE = re.compile(r"bytes=([0-9]{1,10})-([0-9]{0,10})")
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Statics:
    """Where static files come from: register metadata and targets by name, the log's checkpoint, its tiles by path."""

    metadata: Read
    target: Read
    checkpoint: Callable[[], Awaitable[bytes | None]]
    tile: Read
    blobs: "Blobs | None" = None


@dataclass(frozen=True, slots=True)
class Blobs:
    """Ciphertexts of attachments: how large one is that may be fetched (None: there is none), and bytes of it."""

    size: Callable[[str], Awaitable[int | None]]
    part: ReadPart


class FederationApi:
    """The two doors and the static files, as one application."""

    def __init__(
        self,
        *,
        receive: Callable[[Sequence[bytes]], Awaitable[Sequence[InboxResult]]],
        answer: Callable[[bytes], Awaitable[AskResult]],
        statics: Statics,
        watch: Watch,
        budget: AddressBudget | None,
        prefix: str = "",
    ) -> None:
        self._receive = receive
        self._answer = answer
        self._statics = statics
        self._watch = watch
        self._budget = budget
        self._prefix = prefix

    def application(self) -> web.Application:
        """Return the application to serve."""
        application = web.Application(client_max_size=MAX_BODY, middlewares=[self._watch.middleware, _guard])
        base = f"{self._prefix}/v1"
        application.add_routes(
            [
                web.post(f"{base}/inbox", self._post_inbox, expect_handler=_expected),
                web.post(f"{base}/ask", self._post_ask, expect_handler=_expected),
                web.get(f"{base}/trust/metadata/{{name}}", self._get_metadata),
                web.get(f"{base}/trust/targets/{{name}}", self._get_target),
                web.get(f"{base}/log/checkpoint", self._get_checkpoint),
                web.get(f"{base}/log/tile/{{path:.+}}", self._get_tile),
                web.get(f"{base}/blobs/{{name}}", self._get_blob),
                web.get(f"{base}/health", _get_health),
            ]
        )
        return application

    async def _post_inbox(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        envelopes = _envelopes(request.headers, body)
        results = await self._receive(envelopes)
        for result in results:
            told = result.value if isinstance(result, ProblemCode) else "receipt"
            door_results.labels(door="inbox", result=told).inc()
        answer = encode_object({"results": [_result(result) for result in results]}, limit=MAX_BODY)
        return web.Response(body=answer, content_type="application/json")

    async def _post_ask(self, request: web.Request) -> web.Response:
        if request.content_type != ENVELOPE_TYPE:
            raise UnsupportedError("another content type")
        result = await self._answer(await self._body(request))
        if isinstance(result, ProblemCode):
            door_results.labels(door="ask", result=result.value).inc()
            return problem_response(result)
        if isinstance(result, str):
            door_results.labels(door="ask", result="rejected").inc()
            return web.Response(body=result.encode("ascii"), status=422, content_type=RECEIPT_TYPE)
        door_results.labels(door="ask", result="answered").inc()
        return web.Response(body=result, content_type=ENVELOPE_TYPE)

    async def _body(self, request: web.Request) -> bytes:
        if request.content_length is not None and request.content_length > MAX_BODY:
            raise TooLargeError("body over a mebibyte")
        body = bytearray()
        async for chunk in request.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLargeError("body over a mebibyte")
        self._watch.body_read(request)
        self._spend(request, len(body) + 1024)
        return bytes(body)

    async def _get_metadata(self, request: web.Request) -> web.StreamResponse:
        return await _static(request, _METADATA_NAME, request.match_info["name"], self._statics.metadata)

    async def _get_target(self, request: web.Request) -> web.StreamResponse:
        return await _static(request, _TARGET_NAME, request.match_info["name"], self._statics.target)

    async def _get_tile(self, request: web.Request) -> web.StreamResponse:
        return await _static(request, _TILE_NAME, request.match_info["path"], self._statics.tile)

    async def _get_blob(self, request: web.Request) -> web.StreamResponse:
        """Serve a ciphertext, or a part of it (RFC 9110 section 14). What was erased and what never was look alike."""
        name, blobs = request.match_info["name"], self._statics.blobs
        self._spend(request, 1024)
        size = await blobs.size(name) if blobs is not None and is_name(name) else None
        if blobs is None or size is None:
            raise web.HTTPNotFound
        tag = f'"{name}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "no-store", "Content-Type": OCTETS}
        asked = request.headers.get("Range") if request.headers.get("If-Range", tag) == tag else None
        start, end = _part(asked, size)
        if start >= size:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        if asked is not None and (start, end) != (0, size):
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._spend(request, end - start)
        answer = web.StreamResponse(status=206 if "Content-Range" in headers else 200, headers=headers)
        answer.content_length = end - start
        await answer.prepare(request)
        while start < end and request.method != "HEAD":
            piece = await blobs.part(name, start, min(start + _PIECE, end))
            if not piece:  # erased meanwhile: the connection ends before its length is reached
                raise ConnectionResetError
            await answer.write(piece)
            start += len(piece)
        return answer

    def _spend(self, request: web.Request, size: int) -> None:
        if self._budget is not None and not self._budget.spend(request.remote or "local", size):
            raise _OverBudgetError

    async def _get_checkpoint(self, request: web.Request) -> web.StreamResponse:
        return _file(request, await self._statics.checkpoint(), forever=False)


def _part(asked: str | None, size: int) -> tuple[int, int]:
    """Return where what was asked for begins and ends; all of it where one part was not asked for in the one form there is."""
    match = _RANGE.fullmatch(asked) if asked is not None else None
    if match is None:
        return 0, size
    start, last = int(match[1]), int(match[2]) if match[2] else None
    if last is None:
        return start, size
    return (start, min(last + 1, size)) if last >= start else (0, size)


class _OverBudgetError(ExchangeError):
    """The address spent its budget."""

    code = ProblemCode.SLOW_DOWN
    retryable = True


async def _expected(request: web.Request) -> web.Response | None:
    """Let a client that waits for it go on; refuse any other wish without repeating it, as aiohttp would."""
    if request.headers["Expect"].lower() != "100-continue":
        return problem_response(ProblemCode.UNSUPPORTED)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # not yet the answer
    return None


async def _get_health(_request: web.Request) -> web.Response:
    return web.Response(body=b"{}", content_type="application/json")


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse shapes a front and we could read differently; turn every error into a problem."""
    try:
        _check_shape(request)
        return await handler(request)
    except ExchangeError as error:
        return problem_response(error.code)
    except web.HTTPException as error:
        return web.Response(status=error.status, headers={"Allow": error.headers["Allow"]} if "Allow" in error.headers else {})
    except (ConnectionError, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001 - a peer never sees a traceback; we log type and place
        log.error("door-failed", route=request.path if len(request.path) < 60 else "long", exc_info=error)
        return problem_response(ProblemCode.INTERNAL)


def _check_shape(request: web.Request) -> None:
    if request.version != (1, 1) or not request.raw_path.startswith("/"):
        raise UnsupportedError("not an HTTP/1.1 origin-form request")
    if "Content-Encoding" in request.headers or "Upgrade" in request.headers:
        raise UnsupportedError("encodings and upgrades are not spoken here")
    if len(request.headers.getall("Content-Length", [])) > 1 or len(request.headers.getall("Content-Type", [])) > 1:
        raise MalformedError("a header twice")


def _envelopes(headers: CIMultiDictProxy[str], body: bytes) -> list[bytes]:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == ENVELOPE_TYPE:
        return [body]
    if kind != BATCH_TYPE:
        raise UnsupportedError("another content type")
    batch = parse_object(body, limit=MAX_BODY, depth=2)
    messages = batch.get("messages")
    if set(batch) != {"messages"} or not isinstance(messages, list) or not 1 <= len(messages) <= MAX_BATCH:
        raise MalformedError("a batch has one to fifty messages")
    if not all(isinstance(message, str) for message in messages):
        raise MalformedError("a message is text")
    return [message.encode("utf-8") for message in messages]


def _result(result: InboxResult) -> dict[str, Any]:
    return {"problem": problem(result)} if isinstance(result, ProblemCode) else {"receipt": result}


async def _static(request: web.Request, names: re.Pattern[str], name: str, read: Read) -> web.StreamResponse:
    if not names.fullmatch(name):
        raise web.HTTPNotFound
    return _file(request, await read(name), forever=name != "timestamp.json" and ".p/" not in name)


def _file(request: web.Request, data: bytes | None, *, forever: bool) -> web.Response:
    if data is None:
        raise web.HTTPNotFound
    tag = b64u_encode(sha256(data).digest()[:12])
    caching = "public, max-age=31536000, immutable" if forever else "no-cache"
    headers = {"ETag": f'"{tag}"', "Cache-Control": caching}
    if request.headers.get("If-None-Match") == f'"{tag}"':
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type=OCTETS, headers=headers)
