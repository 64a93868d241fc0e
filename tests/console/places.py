"""Every page there is, with something on it: a world that was played, and for each GET route of the table an address that exists.

A route with a placeholder that has no address here is told by name (`without_address`): whoever adds a page adds what shows it.
"""

import re
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from contracts.ids import Folio, NodeId
from contracts.messages import ConsentAct
from gateway.console.access import Face, Open
from gateway.console.pages.intake_sections import SECTIONS
from gateway.exchange.oversight_ports import WindowEntry
from gateway.exchange.receivers import Hosts
from gateway.people.institution_ports import Institution
from gateway.people.links import make_link
from gateway.people.roles import OFFICE_ROLES, PERMISSIONS, Role
from gateway.people.sign_in import Carrier
from keys.passkeys import RelyingParty
from tests.adapters.pictures import photograph
from tests.console.test_answering import asked, prepared
from tests.console.test_ask_pages import WHOM
from tests.console.test_attached_pages import part, upload
from tests.console.test_cases import a_case
from tests.console.test_consent_pages import granted
from tests.console.test_ending_pages import CHECK
from tests.console.test_find_pages import PATIENT
from tests.console.test_intake import begun, filled
from tests.console.test_intake import sent as report_sent
from tests.console.test_notice_pages import key_of
from tests.console.test_offer_pages import shown
from tests.console.test_sheets import agrees_to_publish, sheet_made
from tests.console.visitor import Visitor
from tests.gateway.story import sent
from tests.gateway.test_recall import said, says
from tests.gateway.test_referrals import MBMID, Sides
from tests.people.hired import back_at, hired_at
from tests.people.world import NODE, OFFICE, open_port
from tests.simulator.federation import simulated_federation

PEOPLE = tuple(role.value for role in Role if role is not Role.MACHINE)
STRANGER = "stranger"
STEPS = {"/entrar/llave", "/entrar/institucion/vuelta"}
"""Pages of a step that a browser of its own began, which go on by themselves: `test_sign_in_browser.py` looks at them."""
NO_PAGE = STEPS | {
    "/administracion/estado/informe",
    "/estadisticas/{name}",
    "/estatico/{name}",
    "/adjuntos/{attachment_id}/imagen",
    "/adjuntos/{attachment_id}/copia",
    "/plazos/{secret}.ics",
    "/f/{sheet}/pdf",
    "/f/{sheet}/texto",
}
"""Routes of the page face that answer with a file; and those steps."""

REGISTRY, FINDER = "gt.renap", "gt.pgn"
OFFICES = {NODE: OFFICE, MBMID: "igm", REGISTRY: "renap", FINDER: "pgn"}


@dataclass(frozen=True)
class Place:
    """One address of a page. `roles`: who sees it, where fewer do than the route lets in; `title`: shared on purpose."""

    path: str
    roles: tuple[str, ...] | None = None
    at: str = NODE


@dataclass
class Played:
    """The world, who is signed in where (`sessions[node, role]`), and the addresses."""

    worlds: dict
    sessions: dict
    places: dict[str, list[Place]]

    def visitor(self, role: str, at: str = NODE, **more) -> Visitor:
        return Visitor(self.worlds[at].base, session=self.sessions.get((at, role), ""), **more)

    async def back(self, role: str, at: str = NODE) -> None:
        """Sign somebody in again: some pages are for who has just given a password."""
        self.sessions[at, role] = await back_at(self.worlds[at].desk, _login(role), carrier=Carrier.COOKIE)

    def base(self, place: Place) -> str:
        return self.worlds[place.at].base

    def routes(self):
        """Every GET route that answers with a page."""
        found = [route for route in self.worlds[NODE].api.routes() if route.face is Face.PAGE and route.method == "GET"]
        return [route for route in found if route.path not in NO_PAGE]

    def without_address(self) -> list[str]:
        """Routes that nobody gave an address: a new page that no test looks at."""
        return [route.path for route in self.routes() if "{" in route.path and not self.places.get(route.path)]

    def of(self, route) -> list[Place]:
        return self.places.get(route.path) or [Place(route.path)]

    def may(self, route, place: Place) -> tuple[str, ...]:
        """The roles that are let in, and that this very address is for."""
        if route.needs is Open.EVERYBODY:
            return place.roles or (STRANGER,)
        let_in = PEOPLE if route.needs is Open.ANYBODY_SIGNED_IN else tuple(r.value for r in PERMISSIONS[route.needs])
        return tuple(role for role in let_in if role in (place.roles or PEOPLE))

    def every(self):
        """Each (route, place, role) there is."""
        return [(route, place, role) for route in self.routes() for place in self.of(route) for role in self.may(route, place)]


@asynccontextmanager
async def played(folder, monkeypatch):
    """Play the world."""
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(simulated_federation(folder, NODE, MBMID, FINDER, REGISTRY))
        node = federation.nodes[NODE]
        house = Institution(None, "https://entrada.example", "paradero", "Ministerio Ficticio", "https://consola.example/x")
        node.people = replace(node.people, institution=house)
        node.operations = replace(node.operations, hosts=Hosts(frozenset({"avisos.example"})))
        world = await stack.enter_async_context(open_port(folder, monkeypatch, federation, NODE))
        asking = await stack.enter_async_context(open_port(folder, monkeypatch, federation, MBMID))
        object.__setattr__(world.desk, "site", RelyingParty(world.base, "localhost"))
        world.mappings()
        registry = await stack.enter_async_context(open_port(folder, monkeypatch, federation, REGISTRY))
        finder = await stack.enter_async_context(open_port(folder, monkeypatch, federation, FINDER))
        worlds = {NODE: world, MBMID: asking, REGISTRY: registry, FINDER: finder}
        sessions = {(NODE, role): await _hired(world, role) for role in PEOPLE}
        for other in (asking, registry, finder):
            sessions |= {(other.name, role): await _hired(other, role) for role in ("officer", "office-head", "desk-clerk")}
        found = Played(worlds, sessions, {})
        for play in PLAYS:
            for route, places in (await play(found)).items():
                found.places.setdefault(route, []).extend(places)
        for at, role in sessions:
            await found.back(role, at)
        await found.visitor("officer").post("/cuenta/codigo")
        found.places["/cuenta/codigo"] = [Place("/cuenta/codigo", roles=("officer",))]
        for path in ("/cuenta/llaves", "/confirmar/llave"):
            await found.visitor("officer").post(path)
            found.places[path] = [Place(path, roles=("officer",))]
        yield found


async def _hired(world, role):
    post = f"{role}@{OFFICES[world.name]}" if Role(role) in OFFICE_ROLES else role
    return await hired_at(world.desk, post, login=_login(role), carrier=Carrier.COOKIE)


def _login(role):
    return f"{role.replace('-', '.')}.f"


# -- plays: each gives addresses by route ------------------------------------------------------------------------------------


async def _entrance(found: Played) -> dict:
    link = await make_link("officer.f", found.worlds[NODE].desk)
    return {"/enlace/{code}": [Place(f"/enlace/{link.code}")]}


async def _answers(found: Played) -> dict:
    """Questions that are open, answered, being checked, signed, and waiting for a second person."""
    world, officer = found.worlds[NODE], found.visitor("officer")
    request = await asked(world, "sex", "age_range", "height_cm", "found_place", "marks", "facility")
    other = await asked(world, "sex", case_ref="caso-2")
    free = {"v-facility": "Albergue Ficticio", "s-facility": "exact"}
    signed = await officer.post(await prepared(officer, other))
    third = await asked(world, "facility", "sex", case_ref="caso-3")
    await officer.post(await prepared(officer, third, **free))
    waiting = re.findall(r'href="(/espera/[^"]+)"', (await officer.get("/espera")).text)
    review = await prepared(officer, request, **free)
    mine = ("officer",)
    return {
        "/s/{message_id}": [Place(f"/s/{request}"), Place(f"/s/{other}"), Place(f"/s/{request}", at=MBMID)],
        "/s/{message_id}/candidatos": [Place(f"/s/{request}/candidatos")],
        "/bandeja/{message_id}/reasignar": [Place(f"/bandeja/{request}/reasignar")],
        "/s/{message_id}/sin-informacion": [Place(f"/s/{request}/sin-informacion")],
        "/s/{message_id}/prorroga": [Place(f"/s/{request}/prorroga")],
        "/s/{message_id}/con-vida": [Place(f"/s/{request}/con-vida")],
        "/s/{message_id}/aclaracion": [Place(f"/s/{request}/aclaracion")],
        "/s/{message_id}/rechazo": [Place(f"/s/{request}/rechazo")],
        "/s/{message_id}/responder": [Place(f"/s/{request}/responder")],
        "/s/{message_id}/responder/{record}": [
            Place(f"/s/{request}/responder/unidentified-person"),
            Place(f"/s/{request}/responder/custody"),
            Place(f"/s/{request}/responder/unidentified-remains"),
            Place(f"/s/{request}/responder/unidentified-remains?seguir=si"),
        ],
        "/s/{message_id}/revisar/{departure}": [Place(review, roles=mine)],
        "/s/{message_id}/enviada/{departure}": [Place(signed.location, roles=mine)],
        "/espera/{departure}": [Place(path) for path in sorted(set(waiting)) if path.rpartition("/")[2] not in signed.location],
    }


async def _referrals(found: Played) -> dict:
    sides = Sides(found.worlds[NODE].federation)
    await sides.offer()
    await found.worlds[NODE].federation.settle()
    return {"/r/{message_id}": [Place(f"/r/{sides.opening}"), Place(f"/r/{sides.opening}", at=MBMID)]}


async def _cases(found: Played) -> dict:
    """A report at the MBMID, with what a relative allowed and an offer that is being checked, and one that left."""
    path, _ = await a_case(found.worlds[MBMID])
    await found.back("officer", MBMID)
    officer = found.visitor("officer", MBMID)
    await granted(officer, path)
    consents = (await officer.get(f"{path}/consentimientos")).text
    [event] = set(re.findall(r'href="/e/[^"]+/consentimientos/([^"/]+)/retirar', consents))
    left = await shown(officer, path)
    await officer.post(left)
    review = await shown(officer, path, servicio="shelter")

    def at(*paths, **more):
        return [Place(one, at=MBMID, **more) for one in paths]

    mine = ("officer",)
    return {
        "/e/{thread}": at(path, f"{path}?ver=decisiones"),
        "/e/{thread}/persona": at(f"{path}/persona"),
        "/e/{thread}/quien-pide": at(f"{path}/quien-pide"),
        "/e/{thread}/quien-tiene": at(f"{path}/quien-tiene"),
        "/e/{thread}/consentimientos": at(f"{path}/consentimientos"),
        "/e/{thread}/consentimientos/{event}/reducir": at(f"{path}/consentimientos/{event}/reducir"),
        "/e/{thread}/consentimientos/{event}/retirar": at(f"{path}/consentimientos/{event}/retirar"),
        "/enviar/{departure}": at(review, roles=mine),
        "/enviar/{departure}/hecho": at(f"{left}/hecho", roles=mine),
        "/r/nueva/{thread}": at(path.replace("/e/", "/r/nueva/")),
        "/expedientes": [Place("/expedientes"), *at("/expedientes")],
        "/bandeja": [Place("/bandeja"), Place("/bandeja?ver=todo"), *at("/bandeja")],
    }


async def _intake(found: Played) -> dict:
    """A report that is begun, one that is ready to be sent, and one that was sent and acknowledged; one taken at the MBMID."""
    clerk, officer = found.visitor("desk-clerk"), found.visitor("officer", MBMID)
    empty, whole, receipt, own = await begun(clerk), await filled(clerk), await report_sent(clerk), await report_sent(officer)
    await found.worlds[NODE].federation.settle()
    mine = ("desk-clerk",)
    return {
        "/reportes": [Place("/reportes"), Place("/reportes", at=MBMID)],
        "/reportes/{draft}": [Place(empty, roles=mine), Place(whole, roles=mine)],
        "/reportes/{draft}/parte/{section}": [Place(f"{whole}/parte/{section}", roles=mine) for section in SECTIONS],
        "/reportes/{draft}/revisar": [Place(f"{empty}/revisar", roles=mine), Place(f"{whole}/revisar", roles=mine)],
        "/recibo/{thread}": [Place(receipt), Place(own, at=MBMID)],
        "/recibo/{thread}/contenido": [Place(f"{receipt}/contenido"), Place(f"{own}/contenido", at=MBMID)],
    }


async def _casework(found: Played) -> dict:
    """What is begun from a case: a question, an identity check, a wish and an ending; data of an accepted referral; findings."""
    world = found.worlds[MBMID]
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c1", "c2", "c12"))
    await found.back("officer", MBMID)
    officer, there = found.visitor("officer", MBMID), found.visitor("officer")
    await officer.post(await shown(officer, path))
    offer = (await sent(world.node, "referral.offer"))[-1]
    await world.federation.settle()
    await there.post(f"/r/{offer.message_id}/aceptar")
    await world.federation.settle()
    data = f"/r/{offer.message_id}/datos"
    form = (await officer.get(data)).text
    held = dict(re.findall(r'name="(v-[^"]+)" value="([^"]+)"', form))
    one = next(name for name in re.findall(r'name="sale" value="([^"]+)"', form) if f"v-{name}" in held)
    await officer.post((await officer.post(data, {f"v-{one}": held[f"v-{one}"], "sale": one})).location)
    [update] = await sent(world.node, "referral.update")
    await found.back("officer", FINDER)
    finder = found.visitor("officer", FINDER)
    notice = await finder.post("/hallazgos/nuevo/unidentified-person", PATIENT)
    await finder.post(notice.location)
    [find] = await sent(found.worlds[FINDER].node, "finding.notice")
    check = await officer.post(f"{path}/identidad", CHECK)
    await officer.post(check.location)
    [asked_of_registry] = await sent(world.node, "identity.check")
    picture = await upload(there, part("grado", "mark"), part("archivo", photograph(), '; filename="x.jpg"'))
    attached = picture.location.partition("?")[0]
    await world.federation.settle()
    new = path.replace("/e/", "/s/nueva/")
    return {
        "/s/nueva/{thread}": [Place(new, at=MBMID), Place(f"{new}?{urlencode(WHOM | {'para': NODE})}", at=MBMID)],
        "/e/{thread}/voluntad": [Place(f"{path}/voluntad", at=MBMID)],
        "/e/{thread}/avisos-por-ley": [Place(f"{path}/avisos-por-ley", at=MBMID)],
        "/e/{thread}/no-llegar": [Place(f"{path}/no-llegar", at=MBMID)],
        "/e/{thread}/misma-persona": [Place(f"{path}/misma-persona", at=MBMID)],
        "/e/{thread}/cerrar": [Place(f"{path}/cerrar", at=MBMID)],
        "/e/{thread}/identidad": [Place(f"{path}/identidad", at=MBMID)],
        "/r/{message_id}/datos": [Place(data, at=MBMID)],
        "/r/{message_id}/datos/{update}": [Place(f"{data}/{update.message_id}")],
        "/hallazgos/nuevo/{record}": [
            Place("/hallazgos/nuevo/unidentified-person", at=FINDER),
            Place("/hallazgos/nuevo/unidentified-remains", at=FINDER),
            Place("/hallazgos/nuevo/unidentified-remains?seguir=si", at=FINDER),
        ],
        "/h/{message_id}": [Place(f"/h/{find.message_id}", at=FINDER), Place(f"/h/{find.message_id}", at=MBMID)],
        "/i/{message_id}": [Place(f"/i/{asked_of_registry.message_id}", at=REGISTRY)],
        "/adjuntos/{attachment_id}": [Place(attached, roles=("officer",)), Place(f"{attached}?ver=si", roles=("officer",))],
    }


async def _people(found: Played) -> dict:
    people = (await found.visitor("node-admin").get("/administracion/personas")).text
    one = min(set(re.findall(r'href="(/administracion/personas/[^"/?#]+)"', people)))
    return {"/administracion/personas/{person}": [Place(one, roles=("node-admin",))]}


async def _network(found: Played) -> dict:
    records = "/politica/missing-person"
    return {
        "/red/{peer}": [Place(f"/red/{MBMID}")],
        "/politica/{record}": [Place(records), Place(f"{records}?ver=todos")],
        "/politica/{record}/{field}/{role}": [Place(f"{records}/given_names/search-mechanism")],
        "/adaptadores/{name}/probar": [Place("/adaptadores/reportes_conamigua/probar")],
    }


async def _notices(found: Played) -> dict:
    admin = found.visitor("node-admin")
    given = {"nombre": "Casos", "direccion": "https://avisos.example/ruta", "tipo": "referral.received"}
    await admin.post("/avisos/nuevo", given | {"vez": key_of(await admin.get("/avisos"))})
    return {
        "/avisos/{hook}": [Place(one) for one in set(re.findall(r"/avisos/[0-9a-f-]{36}", (await admin.get("/avisos")).text))]
    }


async def _sheets(found: Played) -> dict:
    """A sheet of the MBMID's case, on a relative's consent to publish, and one of which another is being made."""
    world = found.worlds[MBMID]
    await found.back("officer", MBMID)
    officer = found.visitor("officer", MBMID)
    [thread] = set(re.findall(r"/e/([0-9a-f-]{36})", (await officer.get("/expedientes")).text))
    await agrees_to_publish(world, thread)
    made = await sheet_made(officer, thread)
    return {
        "/fichas": [Place("/fichas"), Place("/fichas", at=MBMID)],
        "/f/nueva/{thread}": [Place(f"/f/nueva/{thread}", at=MBMID)],
        "/f/{sheet}": [Place(made.location.partition("?")[0], at=MBMID)],
    }


async def _audit(found: Played) -> dict:
    """A case that somebody looked at, its entry in the log, and a window that was asked for and not answered yet."""
    world, auditor, whole = found.worlds[NODE], found.visitor("auditor"), ("auditor", "data-protection")
    request = await asked(world, "sex", case_ref="caso-auditado")
    await found.visitor("officer").get(f"/s/{request}")
    while await world.node.log.sequence():
        pass
    case = (await auditor.post("/auditoria/expediente", {"caso": request})).location
    entries = re.findall(r'href="(/auditoria/anotacion/[^"]+)"', (await auditor.get(case)).text)
    node = world.node.capabilities
    asked_for = node.new_message_id(node.clock.now())
    window = WindowEntry(asked_for, True, NodeId(MBMID), Folio("MBMID-2026-000001"), "PDH-2026-7", node.clock.now(), "")
    async with node.begin() as work:
        await work.windows.add(window)
    return {
        "/auditoria/expediente/{case}": [Place(case, roles=whole)],
        "/auditoria/anotacion/{name}": [Place(entries[0], roles=whole)],
        "/auditoria/rechazado": [Place("/auditoria/rechazado", roles=whole)],
        "/auditoria/pedidas/{message_id}": [Place(f"/auditoria/pedidas/{asked_for}")],
    }


PLAYS = (_notices, _people, _entrance, _answers, _referrals, _cases, _sheets, _casework, _intake, _network, _audit)
"""First what wants a password given just now."""
