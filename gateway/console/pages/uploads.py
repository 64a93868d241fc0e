"""A file somebody sends from a page: read as it comes, bounded, believed only with the session's own token, kept nowhere."""

import hmac
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from gateway.console.access import SESSION_COOKIE
from gateway.console.pages.forms import TOKEN, BadFormError, StaleFormError, token_of
from gateway.web import Watch

_FIELD = 4 * 1024
_FIELDS = 8


@dataclass(frozen=True, slots=True)
class Upload:
    """What came: short fields, and the bytes of one file; None where no file was chosen. Its name is not asked for."""

    fields: dict[str, str]
    data: bytes | None = field(repr=False)


class TooBigError(BadFormError):
    """The file is longer than anything that is taken here: nothing was read to its end."""


async def read_upload(request: web.Request, watch: Watch, *, limit: int) -> Upload:
    """Return the form and the file of a request. The token must come before the file: a stranger's file is not read.

    Raises:
        BadFormError: it is no such form, or has too many parts.
        TooBigError: the file is longer than `limit` bytes.
        StaleFormError: it is not of this session.
    """
    if request.content_type != "multipart/form-data":
        raise BadFormError
    fields: dict[str, str] = {}
    data: bytes | None = None
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or not part.name or part.name in fields or len(fields) >= _FIELDS:
                raise BadFormError
            if part.filename is None:
                fields[part.name] = (await _read(part, _FIELD)).decode()
                continue
            _check(request, fields)
            if data is not None:
                raise BadFormError
            data = await _read(part, limit)
    except (ValueError, AssertionError, UnicodeDecodeError, RuntimeError):  # what aiohttp makes of bytes that are no such form
        raise BadFormError from None
    watch.body_read(request)
    _check(request, fields)
    if any("\0" in value for value in fields.values()):
        raise BadFormError
    return Upload(fields, data or None)


def _check(request: web.Request, fields: dict[str, str]) -> None:
    session = request.cookies.get(SESSION_COOKIE, "")
    if not session or not hmac.compare_digest(fields.get(TOKEN, "").encode(), token_of(session).encode()):
        raise StaleFormError


async def _read(part: BodyPartReader, limit: int) -> bytes:
    found = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        found += chunk
        if len(found) > limit:
            raise TooBigError
    return bytes(found)
