"""Static files: named by their content, so that a browser keeps them for ever; compressed once, at start."""

import gzip
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from aiohttp import web

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Static:
    kind: str
    data: bytes
    packed: bytes


class Statics:
    """The files beside the templates."""

    def __init__(self) -> None:
        self._served: dict[str, _Static] = {}
        self._addresses: dict[str, str] = {}
        for source in files("gateway.console").joinpath("static").iterdir():
            stem, _, ending = source.name.rpartition(".")
            if ending in _TYPES:
                data = source.read_bytes()
                name = f"{stem}.{sha256(data).hexdigest()[:16]}.{ending}"
                self._served[name] = _Static(_TYPES[ending], data, gzip.compress(data, 9, mtime=0))
                self._addresses[source.name] = f"/estatico/{name}"

    def address(self, name: str) -> str:
        """Return where a file is served."""
        return self._addresses[name]

    async def serve(self, request: web.Request) -> web.Response:
        """Answer with a file.

        Raises:
            web.HTTPNotFound: there is none of that name and content.
        """
        found = self._served.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        packs = "gzip" in request.headers.get("Accept-Encoding", "")
        answer = web.Response(body=found.packed if packs else found.data, content_type=found.kind, charset="utf-8")
        if packs:
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Cache-Control"] = _FOREVER
        answer.headers["Vary"] = "Accept-Encoding"
        return answer
