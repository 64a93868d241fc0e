"""A walk through the pages of a demo that runs: six steps, each with what to open, what to look at, and whether it was done."""

import asyncio
import time
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp

from gateway.config import load_config
from gateway.demo.clock import DemoClock, put_ahead
from gateway.demo.links import DemoLink, link_for, nodes_in
from gateway.demo.narrator import Narrator, StepFailedError, Telling
from gateway.demo.processes import DemoNode
from gateway.demo.staff import OFFICER, SECOND, sign_in
from gateway.demo.visiting import Visit
from gateway.main.diary import Diary

_LOOK_EVERY, _PLAYED_SECONDS = 0.5, 60.0
_ANSWER = {
    "v-sex": "male", "s-sex": "exact", "v-age_range": "24 a 30", "s-age_range": "exact",
    "v-height_cm": "165", "s-height_cm": "exact", "v-cause_of_death": "por determinar",
    "resultado": "possible", "expediente": "HOU-2026-031",
}  # fmt: skip
_RELATIVE = {"relative": "madre", "scopes": ["c2"], "form": "written", "language": "es"}


@dataclass(slots=True)
class Tour:
    """What the steps share."""

    home: Path
    nodes: dict[str, DemoNode]
    session: aiohttp.ClientSession
    narrator: Narrator
    alone: bool
    """Whether the tour plays the people too."""

    request: str = ""
    departure: str = ""
    visits: dict[str, Visit] = field(default_factory=dict)

    @property
    def mbmid(self) -> DemoNode:
        """Who asks."""
        return self.nodes["gt.igm.mbmid"]

    @property
    def minex(self) -> DemoNode:
        """Who answers."""
        return self.nodes["gt.minex"]

    async def enter(self, who: str, link: DemoLink) -> Visit:
        """Come in by a link."""
        visit = self.visits[who] = Visit(self.session, link.host)
        _expect(await visit.open(f"/enlace/{link.code}"), "la página del enlace")
        _expect(await visit.send(""), "la primera página")
        return visit

    async def link(self, node: DemoNode, login: str) -> DemoLink:
        """Make somebody's link."""
        return await link_for(self.nodes, self.home, str(node.node), login)

    def page(self, node: DemoNode, path: str) -> str:
        """Return what to open at a node."""
        return f"http://{node.local_host}{path}"

    async def until(self, done: Callable[[], Awaitable[bool]], telling: Telling, es: str) -> None:
        """Wait until something has happened: as long as it takes, unless the tour plays it itself.

        Raises:
            StepFailedError: it did not.
        """
        started = time.monotonic()
        while not await done():
            if self.alone and time.monotonic() - started > _PLAYED_SECONDS:
                raise StepFailedError(f"{es}: no ocurrió en {_PLAYED_SECONDS:.0f} s")
            await asyncio.sleep(_LOOK_EVERY)
        telling.say(es)


def _expect(status: int, what: str) -> None:
    if status != 200:
        raise StepFailedError(f"{what}: {status}")


async def walk(home: Path, *, as_json: bool, alone: bool) -> None:
    """Walk through the six steps.

    Raises:
        StepFailedError: the demo does not answer, or a step that the tour plays is not as told.
    """
    async with aiohttp.ClientSession(trust_env=False) as session:
        tour = Tour(home, dict(nodes_in(home)), session, Narrator(time.monotonic, as_json), alone)
        try:
            await _prepare(tour)
            for step in STEPS:
                await step(tour)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StepFailedError(f"la demostración no responde ({type(error).__name__})") from error


async def _prepare(tour: Tour) -> None:
    """As the MBMID's officer, ask about a case that nobody asked about yet; the mother allows it."""
    await asyncio.gather(*(sign_in(node, tour.session, OFFICER) for node in (tour.mbmid, tour.minex)))
    folio = await fresh_case(tour)
    await tour.mbmid.send(tour.session, f"/api/v1/cases/{folio}/consents", {"act": "given", **_RELATIVE})
    text = files("gateway.demo").joinpath("fixtures", "casework", "pregunta.toml").read_text("utf-8")
    asked = await tour.mbmid.send(tour.session, "/api/v1/requests", tomllib.loads(text.replace("FOLIO", folio)))
    tour.request = str(asked["message_id"])
    await arrives(tour.request, tour)


async def arrives(request: str, tour: Tour) -> None:
    """Wait until a question is at the consulate.

    Raises:
        StepFailedError: it did not come.
    """
    started = time.monotonic()
    while request not in {row["request_id"] for row in await _requests(tour.minex, tour)}:
        if time.monotonic() - started > _PLAYED_SECONDS:
            raise StepFailedError("la pregunta no llegó al consulado")
        await asyncio.sleep(_LOOK_EVERY)


async def _requests(node: DemoNode, tour: Tour) -> list[dict[str, Any]]:
    return list((await node.get(tour.session, "/api/v1/requests"))["requests"])


async def fresh_case(tour: Tour) -> str:
    """Return the folio of a case nobody asked the consulate about yet.

    Raises:
        StepFailedError: there is none.
    """
    cases = (await tour.mbmid.get(tour.session, "/api/v1/cases"))["cases"]
    folios = sorted({case["folio"] for case in cases if case["kind"] == "report" and case["folio"]}, reverse=True)
    pending = {row["request_id"] for row in await _requests(tour.mbmid, tour)}
    if len(folios) <= len(pending):
        raise StepFailedError("no queda un caso por el que preguntar; empiece otra demostración")
    return str(folios[len(pending)])


def _told(telling: Telling, url: str, es: str, en: str, tour: Tour) -> None:
    # Told before it is waited for: somebody has to know what to do.
    telling.facts["url"] = "" if "/enlace/" in url else url
    tour.narrator.say(f"\n→ {es}\n  {en}\n  {url}")


async def _come_in(tour: Tour) -> None:
    with tour.narrator.step("enter", "Entrar: la bandeja de la oficial consular · Coming in: the inbox") as telling:
        diary, link = await _diary(tour.minex), await tour.link(tour.minex, OFFICER)
        es = (
            "Abra el enlace como oficial consular en Houston y pulse Entrar. Mire: lo que vence primero va arriba, sin nombres."
        )
        en = "Open the link as the consular officer in Houston. Look: what is due first stands first; nobody is named."
        _told(telling, link.url, es, en, tour)
        if tour.alone:
            visit = await tour.enter(OFFICER, link)
            telling.expect(f"/s/{tour.request}" in visit.text, "La solicitud está en la bandeja")
        await tour.until(_noted(diary, "user.link-used"), telling, "Entró: el enlace ya no sirve")


async def _read(tour: Tour) -> None:
    with tour.narrator.step("read", "Leer la solicitud: quién pide, para qué, hasta cuándo · Reading the request") as telling:
        diary, path = await _diary(tour.minex), f"/s/{tour.request}"
        es = "Abra la solicitud desde la bandeja. Mire: quién pide y su firma comprobada, la base legal, el plazo."
        en = "Open the request from the inbox. Look: who asks and that the signature holds, the legal basis, the deadline."
        _told(telling, tour.page(tour.minex, path), es, en, tour)
        if tour.alone:
            _expect(await tour.visits[OFFICER].open(path), "la solicitud")
        await tour.until(
            _noted(diary, f"request.open {tour.request}"), telling, "La abrió, y quedó en la bitácora antes de leerse"
        )


async def _answer(tour: Tour) -> None:
    with tour.narrator.step("answer", "Responder campo por campo y firmar · Answering field by field") as telling:
        path = f"/s/{tour.request}/responder/unidentified-remains"
        es = (
            "Responda con restos no identificados: la página se detiene antes. Escriba sexo, edad y estatura, elija qué sale "
            "de cada uno, diga «posible», un expediente; revise lo que se leerá y firme."
        )
        en = "Answer with unidentified remains: the page stops first. Fill in some fields, choose what leaves, check, and sign."
        _told(telling, tour.page(tour.minex, path), es, en, tour)
        if tour.alone:
            await _play_answer(tour, path, telling)
        await tour.until(lambda: _waits(tour), telling, "Firmó; espera la segunda aprobación: son restos")


async def _play_answer(tour: Tour, path: str, telling: Telling) -> None:
    visit = tour.visits[OFFICER]
    _expect(await visit.open(path), "la página que se detiene")
    telling.expect("Antes de seguir" in visit.text, "La página se detuvo antes de seguir")
    _expect(await visit.open(f"{path}?seguir=si"), "el formulario")
    _expect(await visit.send(path, _ANSWER), "la página para revisar")
    telling.expect("por determinar" not in visit.text, "La causa de muerte se escribió, y no sale")
    _expect(await visit.send(visit.path), "la respuesta firmada")


async def _waits(tour: Tour) -> bool:
    held = (await tour.minex.get(tour.session, "/api/v1/held"))["held"]
    found = next((item for item in held if item["in_reply_to"] == tour.request), None)
    tour.departure = "" if found is None else str(found["id"])
    return found is not None


async def _second(tour: Tour) -> None:
    with tour.narrator.step("second", "La segunda aprobación, desde otra cuenta · The second approval") as telling:
        diary, link, path = await _diary(tour.minex), await tour.link(tour.minex, SECOND), f"/espera/{tour.departure}"
        es = f"En una ventana privada, entre como la otra oficial y abra Por aprobar ({path}). Lea lo que se firmó; apruebe."
        en = "In another private window, come in as the other officer, open To approve, read the very same, approve."
        _told(telling, link.url, es, en, tour)
        if tour.alone:
            visit = await tour.enter(SECOND, link)
            _expect(await visit.open(path), "lo que espera")
            _expect(await visit.send(f"{path}/aprobar"), "la aprobación")
        await tour.until(_noted(diary, f"leaving.approved {tour.departure}"), telling, "Dos personas vieron lo mismo")


async def _slot(tour: Tour) -> None:
    with tour.narrator.step("slot", "La respuesta sale en su turno · The answer leaves at its slot") as telling:
        held = (await tour.minex.get(tour.session, "/api/v1/held"))["held"]
        leaves = next((item["leaves_at"] for item in held if item["id"] == tour.departure), None)
        es = "Toda respuesta sale a una hora fija, para que la hora no diga nada. El recorrido adelanta el reloj de los nodos."
        en = "Every answer leaves at a fixed time. The tour puts the demo's clock ahead; sessions may end."
        _told(telling, tour.page(tour.minex, "/espera"), es, en, tour)
        if leaves is not None:
            await _pass_until(datetime.fromisoformat(leaves), tour)
        await tour.until(lambda: _answered(tour), telling, "La respuesta está en el MBMID, con recibo firmado")


async def _pass_until(moment: datetime, tour: Tour) -> None:
    now = await asyncio.to_thread(DemoClock(tour.home).now)
    await asyncio.to_thread(put_ahead, tour.home, moment - now + timedelta(seconds=2))
    await asyncio.gather(*(sign_in(node, tour.session, OFFICER) for node in (tour.mbmid, tour.minex)))


async def _answered(tour: Tour) -> bool:
    return (await tour.mbmid.get(tour.session, f"/api/v1/requests/{tour.request}"))["answer"] is not None


async def _arrived(tour: Tour) -> None:
    with tour.narrator.step("arrived", "El MBMID lee lo que salió, y nada más · The MBMID reads what left") as telling:
        link, path = await tour.link(tour.mbmid, OFFICER), f"/s/{tour.request}"
        diary = await _diary(tour.mbmid)
        es = f"Entre como oficial del MBMID y abra {path}. Mire: lo que respondieron es lo que dos personas vieron."
        en = "Come in as the officer of the MBMID and open the request. Look: the answer is what two people saw."
        _told(telling, link.url, es, en, tour)
        if tour.alone:
            visit = await tour.enter("mbmid", link)
            _expect(await visit.open(path), "la respuesta")
            telling.expect("Lo que respondieron" in visit.text, "La respuesta se lee en la página")
            telling.expect("por determinar" not in visit.text, "La causa de muerte no salió")
        await tour.until(_noted(diary, f"request.open {tour.request}"), telling, "Leída; el recorrido terminó")


async def _diary(node: DemoNode) -> Diary:
    diary = Diary(await asyncio.to_thread(load_config, node.config))
    await diary.news()
    return diary


def _noted(diary: Diary, words: str) -> Callable[[], Awaitable[bool]]:
    async def noted() -> bool:
        return any(line.startswith(words) for line in await diary.news())

    return noted


STEPS: tuple[Callable[[Tour], Awaitable[None]], ...] = (_come_in, _read, _answer, _second, _slot, _arrived)
