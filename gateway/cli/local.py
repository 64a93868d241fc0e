"""Speaks to the running node's private port, as the operator whose token lies in the data folder (0600)."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import aiohttp

from contracts.codec import parse_object
from contracts.errors import ExchangeError
from gateway.cli.output import ExitCode, fail, reason, reported
from gateway.config import NodeConfig, config_path, load_config

RESPONSE_LIMIT = 64 * 1024 * 1024
_EXIT_BY_STATUS = {
    401: ExitCode.CONFIGURATION,
    403: ExitCode.DENIED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    422: ExitCode.USAGE,
    503: ExitCode.UNREACHABLE,
}


class LocalNode:
    """The node this machine's administrator runs."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._base = f"http://{config.private.host}:{config.private.port}"

    @classmethod
    def from_option(cls, config: Path | None) -> "LocalNode":
        """Return the node of the configuration a command was given."""
        with reported():
            return cls(load_config(config_path(config)))

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET a JSON object, or end the command with an error that says what to do."""
        return self._object(asyncio.run(self._request("GET", path, query, None)))

    def get_bytes(self, path: str) -> bytes:
        """GET raw bytes."""
        return asyncio.run(self._request("GET", path, {}, None))

    def post(self, path: str, body: bytes | None = None, **query: str) -> dict[str, Any]:
        """POST and return the JSON object that comes back."""
        return self._object(asyncio.run(self._request("POST", path, query, body)))

    def _object(self, data: bytes) -> dict[str, Any]:
        try:
            return parse_object(data, limit=RESPONSE_LIMIT)
        except ExchangeError:
            self._not_ours("respondió algo que no es JSON")

    def _not_ours(self, why: str) -> NoReturn:
        fail(
            ExitCode.UNREACHABLE,
            f"Lo que responde en {self._base} no es el nodo {self._config.node}.",
            why=why,
            advice="Compruebe [private] port en la configuración, y qué programa usa ese puerto: ss -ltnp",
        )

    async def _request(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> bytes:
        headers = {"Authorization": f"Bearer {self._token()}"}
        timeout = aiohttp.ClientTimeout(total=600, sock_connect=5)
        try:
            async with (
                aiohttp.ClientSession(self._base, timeout=timeout, trust_env=False) as session,
                session.request(method, path, params=dict(query), data=body, headers=headers, allow_redirects=False) as answer,
            ):
                data = await answer.read()
                status = answer.status
        except aiohttp.ClientResponseError as error:
            self._not_ours(type(error).__name__)
        except ValueError:
            fail(
                ExitCode.CONFIGURATION,
                "La ficha de operador no es una, o la dirección del puerto privado no lo es.",
                advice="Restaure operator.token; compruebe [private] host y port.",
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            fail(
                ExitCode.UNREACHABLE,
                f"El nodo {self._config.node} no responde en {self._base}.",
                why=type(error).__name__,
                advice="Compruebe que `paradero serve` está en marcha (systemctl status paradero) y que el puerto es el suyo.",
            )
        if status >= 400:
            self._refused(status, data)
        return data

    def _token(self) -> str:
        try:
            return self._config.operator_token.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(
                ExitCode.CONFIGURATION,
                f"No se puede leer la ficha de operador {self._config.operator_token}.",
                why=reason(error),
                advice="Ejecute la orden como el usuario del servicio: runuser -u paradero -- paradero … (o sudo -u paradero).",
            )

    def _refused(self, status: int, data: bytes) -> None:
        try:
            problem = parse_object(data)
        except ExchangeError:
            problem = {}
        code = _EXIT_BY_STATUS.get(status, ExitCode.BUG if status >= 500 else ExitCode.USAGE)
        what = str(problem.get("title", f"El nodo respondió {status}."))
        fail(code, what, why=str(problem.get("type", "")).rpartition(":")[2], advice=str(problem.get("advice", "")))
