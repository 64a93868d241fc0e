"""A bundle of evidence that somebody holds, verified as `paradero verify` does: each step in words, and what it does not prove.

Nothing of it is kept, and what it says of a case is not shown: who sent what kind of message to whom, and when.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from contracts.errors import ExchangeError
from contracts.policy.words import word
from gateway.console.access import Face, Open, Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.looks import Looks
from gateway.console.pages.uploads import TooBigError, read_upload
from gateway.console.words import Words
from gateway.web import Watch
from keys.bundles import MAX_BUNDLE_BYTES, parse_bundle
from keys.evidence import Exchange, Outcome, Verification, verify_bundle
from keys.notes import parse_proof

ADDRESS = "/auditoria/verificar"
_AT_ONCE = 4
"""Bundles under verification at one time: each can be 32 MiB."""
_MARKS = {Outcome.OK: N_("bien"), Outcome.FAILED: N_("no"), Outcome.ABSENT: N_("no había qué comprobar")}
_WHOM: Mapping[str, str] = {
    "shape": N_(
        "Pida el archivo otra vez a quien se lo dio: puede estar incompleto o haberse abierto y guardado con otro programa."
    ),
    "root-fingerprint": N_(
        "Compare la huella con la del acta. Si no es la misma, llame al registro de la red: el archivo es de otra red."
    ),
    "register": N_("Llame al registro de la red: el registro de miembros que trae el archivo no es válido."),
    "message": N_("Llame a la institución que dice haberlo enviado: su nodo no firmó este mensaje."),
    "receipt": N_("Llame a la institución que dice haberlo recibido: su nodo no firmó este recibo."),
    "digest": N_("Llame a quien le dio el archivo: el recibo es de otro mensaje."),
    "addressing": N_("Llame a quien le dio el archivo: recibo y mensaje no son de las mismas instituciones."),
    "times": N_("Llame a quien le dio el archivo: las horas se contradicen, o el reloj de este equipo está mal."),
    "sender-leaf": N_("Llame a la auditoría de quien lo envió: su bitácora no dice este mensaje."),
    "sender-log": N_("Llame al registro de la red: no dice cuál es la bitácora de quien lo envió."),
    "sender-inclusion": N_("Llame a la auditoría de quien lo envió: la anotación no está en su bitácora firmada."),
    "promise": N_("Llame a la auditoría de quien lo recibió: su recibo promete una bitácora que no es la suya."),
    "recipient-inclusion": N_(
        "Llame a la auditoría de quien lo recibió: lo que su recibo promete no está en su bitácora firmada."
    ),
}
_ANYBODY = N_("Llame a la auditoría de la institución que se lo dio.")


@dataclass(frozen=True, slots=True)
class Check:
    """One step as people read it. `outcome` is `ok`, `failed` or `absent`."""

    outcome: str
    mark: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A verification as the page shows it."""

    ok: bool
    complete: bool
    checks: tuple[Check, ...]
    failed: str
    whom: str
    sentence: str
    received: datetime | None
    not_proved: tuple[str, ...]
    since: datetime | None


class VerifyPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, watch: Watch) -> None:
        self._looks, self._operations, self._watch = looks, operations, watch
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs: whoever works here may be handed a bundle."""
        return (
            Route("GET", ADDRESS, self._form, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", ADDRESS, self._verify, Open.ANYBODY_SIGNED_IN, Face.PAGE),
        )

    async def _form(self, request: web.Request) -> web.Response:
        return await self._page(request, None, "", 200)

    async def _page(self, request: web.Request, found: Verified | None, error: str, status: int) -> web.Response:
        most = MAX_BUNDLE_BYTES // (1024 * 1024)
        return await self._looks.page(
            request, "verificar.html", status=status, found=found, error=error, most=most, now=self._operations.node.clock.now()
        )

    async def _verify(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        if self._turns.locked():
            why = told.gettext("Hay otras comprobaciones en marcha. Espere un minuto y envíelo otra vez.")
            return await self._page(request, None, why, 503)
        async with self._turns:
            try:
                given = await read_upload(request, self._watch, limit=MAX_BUNDLE_BYTES)
            except TooBigError:
                why = told.gettext("El archivo es demasiado grande para ser una constancia.")
                return await self._page(request, None, why, 422)
            if given.data is None:
                return await self._page(request, None, told.gettext("Elija el archivo de la constancia."), 422)
            found = await self._verified(given.data, " ".join(given.fields.get("huella", "").split()), told)
        return await self._page(request, found, "", 200)

    async def _verified(self, data: bytes, fingerprint: str, told: Words) -> Verified:
        now = self._operations.node.clock.now()
        found = await asyncio.to_thread(lambda: verify_bundle(data, root_fingerprint=fingerprint or None, now=now))
        places, since = await asyncio.to_thread(_places, data)
        return _told(found, places, since, self._looks, told)


def _places(data: bytes) -> tuple[Mapping[str, str], int | None]:
    """Return where a bundle says its entries are, and when its register was verified last. Nothing here is proven."""
    try:
        bundle = parse_bundle(data)
        proofs = {"sender-inclusion": bundle.sender_proof, "recipient-inclusion": bundle.recipient_proof}
        return {name: _place(text) for name, text in proofs.items() if text is not None}, bundle.verified_at
    except (ExchangeError, ValueError):
        return {}, None


def _place(text: str) -> str:
    proof = parse_proof(text)
    size = proof.checkpoint.split("\n")[1]
    return f"{proof.index}/{size if size.isascii() and size.isdigit() and len(size) < 19 else '?'}"


def _told(found: Verification, places: Mapping[str, str], since: int | None, looks: Looks, told: Words) -> Verified:
    spanish = told.lang == "es"
    checks = []
    for step in found.steps:
        index, _, size = places.get(step.name, "").partition("/")
        place = told.gettext("posición %(place)s de %(size)s") % {"place": index, "size": size} if index else ""
        shown = place if step.outcome is Outcome.OK else ""
        checks.append(Check(step.outcome.value, told.gettext(_MARKS[step.outcome]), step.es if spanish else step.en, shown))
    failed = next((step for step in found.steps if step.outcome is Outcome.FAILED), None)
    whom = "" if failed is None else told.gettext(_WHOM.get(failed.name, _ANYBODY))
    exchange = found.exchange
    return Verified(
        ok=found.ok,
        complete=found.complete,
        checks=tuple(checks),
        failed="" if failed is None else (failed.es if spanish else failed.en),
        whom=whom,
        sentence="" if exchange is None else _sentence(exchange, looks, told),
        received=None if exchange is None else datetime.fromtimestamp(exchange.received_at, UTC),
        not_proved=tuple(words.es if spanish else words.en for words in found.not_proved),
        since=None if since is None else datetime.fromtimestamp(since, UTC),
    )


def _sentence(exchange: Exchange, looks: Looks, told: Words) -> str:
    what = told.gettext("un mensaje") if exchange.kind is None else word("kind", exchange.kind, told.lang)
    text = (
        told.gettext("%(sender)s envió %(what)s a %(recipient)s, que lo recibió.")
        if exchange.accepted
        else told.gettext("%(sender)s envió %(what)s a %(recipient)s, que lo rechazó.")
    )
    return text % {"sender": looks.name(exchange.sender), "what": what, "recipient": looks.name(exchange.recipient)}
