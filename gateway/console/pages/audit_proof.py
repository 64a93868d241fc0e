"""One entry of the log with its proof, checked here and now; and the check of the whole log: does anything miss?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from aiohttp import web

from contracts.errors import ExchangeError, SignatureError
from contracts.policy.words import word
from gateway.console.access import Face, Route
from gateway.console.marking import N_
from gateway.console.pages.audit_desk import READ, AuditDesk
from gateway.console.pages.audit_words import EVENTS, FIELDS, fields_in_words, opened, sentence, time_of
from gateway.console.pages.questions import Pair, basis_in_words, purpose_in_words
from gateway.console.words import Words
from gateway.exchange.ports import Clock
from gateway.exchange.work import NoSuchWorkError
from gateway.storage.log import LogCheck, LoggedLeaf
from gateway.telemetry import log
from keys.leaves import open_leaf
from keys.notes import epoch_key, parse_proof, parse_vkey, verify_proof
from keys.tree import leaf_hash

_WAITS = 3.0
"""Seconds somebody waits for a check before the page says that it is still running."""
PROBLEMS: Mapping[str, str] = {
    "faltan anotaciones": N_("Faltan anotaciones."),
    "falta una anotación": N_("Falta una anotación."),
    "una anotación no da su resumen": N_("Una anotación ya no da el resumen que se guardó con ella: fue cambiada."),
    "lo anotado no corresponde a su anotación": N_("Lo que abre una anotación no corresponde a ella: fue cambiado."),
    "el suceso no corresponde a su anotación": N_("Aquello por lo que se busca una anotación no es lo que ella dice."),
    "un nodo guardado del árbol no es el que dan las anotaciones": N_(
        "Un nodo guardado del árbol no es el que dan las anotaciones."
    ),
}
_HEAD = N_("Un punto de control firmado no concuerda con las anotaciones: faltan, sobran o fueron cambiadas.")


@dataclass(frozen=True, slots=True)
class Step:
    """One check of a proof, as people read it."""

    held: bool
    text: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked of an entry just now."""

    steps: tuple[Step, ...]
    place: int
    size: int | None
    stairs: int
    signed_at: datetime | None

    @property
    def held(self) -> bool:
        """Whether everything that could be checked agrees."""
        return all(step.held for step in self.steps)


class Review:
    """The check of the whole log: one at a time; what the last one found stays to be read."""

    def __init__(self, check: Callable[[], Awaitable[LogCheck]], clock: Clock) -> None:
        self._check, self._clock = check, clock
        self._running: asyncio.Task[None] | None = None
        self.began: datetime | None = None
        self.ended: datetime | None = None
        self.found: LogCheck | None = None

    @property
    def running(self) -> bool:
        """Whether one is under way."""
        return self._running is not None and not self._running.done()

    async def run(self) -> None:
        """Begin a check where none runs, and wait for it a little."""
        if not self.running:
            self.began, self.ended, self.found = self._clock.now(), None, None
            self._running = asyncio.create_task(self._whole(), name="log review")
        if self._running is not None:
            await asyncio.wait([self._running], timeout=_WAITS)

    async def _whole(self) -> None:
        try:
            self.found = await self._check()
        except ExchangeError as error:
            log.error("log-review-failed", exc_info=error)
        self.ended = self._clock.now()

    async def close(self) -> None:
        """Give up what still runs."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running


class ProofPages:
    """The handlers."""

    def __init__(self, desk: AuditDesk) -> None:
        self._desk = desk
        self._looks, self._operations = desk.looks, desk.operations
        self._node = desk.operations.node
        self.review = Review(desk.operations.check_log, desk.operations.node.clock)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/auditoria/anotacion/{name}", self._entry, READ, Face.PAGE),
            Route("GET", "/auditoria/registro", self._log, READ, Face.PAGE),
            Route("POST", "/auditoria/registro", self._check, READ, Face.PAGE),
        )

    # -- one entry -----------------------------------------------------------------------------------------------------

    async def _entry(self, request: web.Request) -> web.Response:
        epoch, index = _place(request.match_info["name"])
        leaf = await self._operations.log.entry(epoch, index)
        if leaf is None or not await self._may_see(request, leaf):
            raise NoSuchWorkError("no such entry to audit")
        await self._desk.noted(request, f"entry {epoch}-{index}")
        told, said = self._looks.words(request), opened(leaf)
        posts = await self._desk.posts(told)
        actor = str(said.get("actor", ""))
        who = f"{actor} ({posts[actor]})" if actor in posts else actor
        return await self._looks.page(
            request,
            "auditoria_una.html",
            place=index,
            sentence=sentence(said, who, told),
            at=time_of(said),
            facts=self._facts(said, await self._looks.zone(request), told),
            proof=await self._proof(leaf, told),
        )

    async def _may_see(self, request: web.Request, leaf: LoggedLeaf) -> bool:
        if self._desk.own(request) is None:
            return True
        about = leaf.subject or leaf.message_id
        threads = [] if about is None else sorted(await self._operations.audit.threads(about))
        return await self._desk.may_see(request, threads)

    def _facts(self, said: Mapping[str, Any], zone: tzinfo, told: Words) -> list[Pair]:
        at = time_of(said)
        facts = [] if at is None else [Pair(told.gettext("Cuándo"), told.moment(at, zone))]
        return facts + [Pair(told.gettext(FIELDS[name]), self._fact(name, said[name], told)) for name in FIELDS if name in said]

    def _fact(self, name: str, value: Any, told: Words) -> str:
        policy, text = self._node.trust().policy, str(value)
        worded: Mapping[str, Callable[[], str]] = {
            "purpose": lambda: purpose_in_words(policy, text, told),
            "basis": lambda: basis_in_words(policy, text, told),
            "type": lambda: word("kind", text, told.lang),
            "ev": lambda: told.gettext(EVENTS[text]) if text in EVENTS else text,
            "peer": lambda: f"{self._looks.name(text)} ({text})",
            "fields": lambda: ", ".join(fields_in_words(value, policy, told)) if isinstance(value, list) else text,
        }
        return worded[name]() if name in worded else text

    async def _proof(self, leaf: LoggedLeaf, told: Words) -> Proof:
        """Check an entry against its digest, its place in the tree, and the signature over the tree."""
        steps = [
            Step(leaf_hash(leaf.data) == leaf.leaf_hash, told.gettext("La anotación da el resumen que se guardó con ella")),
            Step(_opens(leaf), told.gettext("Lo que se lee arriba es lo que la anotación selló")),
        ]
        head = await self._operations.log.head(leaf.epoch)
        words = told.gettext("Está en el árbol, en su lugar, y la firma del nodo sobre la raíz es válida (llave del registro)")
        if head is None or leaf.index >= head.size:
            return Proof(tuple(steps), leaf.index, None, 0, None)
        held, stairs = await self._included(leaf)
        signed = datetime.fromtimestamp(head.signed_ms / 1000, UTC)
        return Proof((*steps, Step(held, words)), leaf.index, head.size, stairs, signed)

    async def _included(self, leaf: LoggedLeaf) -> tuple[bool, int]:
        """Return whether an entry is where it says under the newest signed root, and how many digests lead there."""
        try:
            text = await self._operations.log.inclusion(leaf.leaf_hash)
            proof = parse_proof(text or "")
            vkey = parse_vkey(self._node.trust().log_key(self._node.us).vkey)
            verify_proof(text or "", leaf_hash(leaf.data), epoch_key(vkey, proof.checkpoint.partition("\n")[0]))
        except ExchangeError:
            return False, 0
        return proof.index == leaf.index, len(proof.hashes)

    # -- the whole log -------------------------------------------------------------------------------------------------

    async def _log(self, request: web.Request) -> web.Response:
        told, review = self._looks.words(request), self.review
        found = review.found
        return await self._looks.page(
            request,
            "auditoria_registro.html",
            review=review,
            found=found,
            node=self._looks.name(self._node.us),
            code=str(self._node.us),
            problem="" if found is None else told.gettext(PROBLEMS.get(found.problem, _HEAD)),
            at=None if found is None or found.at is None else datetime.fromtimestamp(found.at, UTC),
            after=None if found is None or found.after is None else datetime.fromtimestamp(found.after, UTC),
        )

    async def _check(self, request: web.Request) -> web.Response:
        await self._desk.noted(request, "log")
        await self.review.run()
        return web.Response(status=303, headers={"Location": "/auditoria/registro"})


def _opens(leaf: LoggedLeaf) -> bool:
    try:
        said = open_leaf(leaf.data, leaf.disclosures)
    except SignatureError:
        return False
    return said.get("ev") == leaf.event and (said.get("jti"), said.get("peer")) == (leaf.message_id, leaf.peer)


def _place(name: str) -> tuple[int, int]:
    epoch, _, index = name.partition("-")
    parts: Sequence[str] = (epoch, index)
    if not all(part.isascii() and part.isdigit() and 0 < len(part) <= 12 for part in parts) or len(epoch) > 6:
        raise NoSuchWorkError("no place in a log")
    return int(epoch), int(index)
