"""Speaks to the running node's private port as the person who signed in; where nobody did, as the node's own machine."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import aiohttp

from contracts.codec import encode_object, parse_object
from contracts.errors import ExchangeError
from gateway.cli.listener import stranger_listens
from gateway.cli.output import EXIT_BY_STATUS, WHY, ExitCode, fail, reason, reported
from gateway.cli.sessions import SessionFile
from gateway.config import NodeConfig, config_path, load_config

RESPONSE_LIMIT = 64 * 1024 * 1024


class _ExpectedError(Exception):
    """The problem that came back is the one whoever asked knows what to do about."""


class LocalNode:
    """The node this machine's administrator runs."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self.session = SessionFile(config)
        self._base = f"http://{config.private.host}:{config.private.port}"

    @classmethod
    def from_option(cls, config: Path | None) -> "LocalNode":
        """Return the node of the configuration a command was given."""
        with reported():
            return cls(load_config(config_path(config)))

    @property
    def node(self) -> str:
        """The node's name."""
        return str(self._config.node)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET a JSON object, or end the command with an error that says what to do."""
        return self._object(asyncio.run(self._request("GET", path, query, None)))

    def get_bytes(self, path: str) -> bytes:
        """GET raw bytes."""
        return asyncio.run(self._request("GET", path, {}, None))

    def post(self, path: str, body: bytes | None = None, **query: str) -> dict[str, Any]:
        """POST and return the JSON object that comes back."""
        return self._object(asyncio.run(self._request("POST", path, query, body)))

    def send(self, path: str, body: dict[str, Any], **query: str) -> dict[str, Any]:
        """POST a JSON object and return the one that comes back."""
        return self._object(asyncio.run(self._request("POST", path, query, encode_object(body))))

    def delete(self, path: str) -> dict[str, Any]:
        """DELETE, and return the JSON object that comes back."""
        return self._object(asyncio.run(self._request("DELETE", path, {}, None)))

    def knock(self, path: str, body: dict[str, Any], *, unless: str = "") -> dict[str, Any] | None:
        """POST what lets somebody in; what they held until now ends with it. None where the problem is `unless`."""
        kept = self._kept()
        headers = {} if kept is None else {"Authorization": f"Bearer {kept}"}
        try:
            return self._object(asyncio.run(self._request("POST", path, {}, encode_object(body), headers, unless)))
        except _ExpectedError:
            return None

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

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None,
        headers: Mapping[str, str] | None = None,
        unless: str = "",
    ) -> bytes:
        self._refuse_strangers()
        headers = {"Authorization": f"Bearer {self._token()}"} if headers is None else headers
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
            self._refused(status, data, unless)
        return data

    def _refuse_strangers(self) -> None:
        """End the command where another user of this machine listens in the node's place: it must get no secret."""
        try:
            owner = self._config.data.stat().st_uid
        except OSError:
            return  # no folder, no node; there is nobody to compare with
        if stranger_listens(self._config.private.host, self._config.private.port, owner):
            fail(
                ExitCode.UNREACHABLE,
                f"En {self._base} escucha otro usuario de este equipo, no el nodo {self._config.node}. No se le envió nada.",
                advice="Avise a quien administra: ¿quién usa el puerto? ss -ltnp. Después, arranque el nodo.",
            )

    def _kept(self) -> str | None:
        with reported():
            kept = self.session.read()
        return None if kept is None else kept.token

    def _token(self) -> str:
        kept = self._kept()
        if kept is not None:
            return kept
        try:
            return self._config.operator_token.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(
                ExitCode.CONFIGURATION,
                "Nadie ha entrado en este nodo desde esta cuenta del equipo.",
                why=reason(error),
                advice="Entre con `paradero login USUARIO`.",
            )

    def _refused(self, status: int, data: bytes, unless: str) -> None:
        try:
            problem = parse_object(data)
        except ExchangeError:
            problem = {}
        if unless and str(problem.get("type", "")).rpartition(":")[2] == unless:
            raise _ExpectedError
        code = EXIT_BY_STATUS.get(status, ExitCode.BUG if status >= 500 else ExitCode.USAGE)
        what = str(problem.get("title", f"El nodo respondió {status}."))
        why = WHY.get(str(problem.get("type", "")).rpartition(":")[2], "")
        fail(code, what, why=why, advice=str(problem.get("advice", "")))
