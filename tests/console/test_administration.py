"""The pages of who looks after a node: people, offices, state, keys, backups, what is to go, what waits. Never a case."""

import html
import re
from datetime import timedelta

import pytest

from gateway.console.access import Face
from gateway.people.ports import PersonState
from gateway.people.sign_in import Carrier
from tests.console.test_answering import MBMID, asked, prepared, world  # noqa: F401 - the fixture
from tests.console.test_audit_pages import touched
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_leaving import ADULT
from tests.people.hired import ADMIN, PASSWORD, hired_at
from tests.people.world import NODE, OFFICE

CANARY = "Canarinombre"
ALL = "/administracion/personas"


async def somebody(world, post="node-admin", login="t.ficticia"):  # noqa: F811
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def text_of(visitor, path):
    page = await visitor.get(path)
    assert page.status == 200, (path, page.status, page.location, page.text[-2000:])
    return html.unescape(page.text)


async def person_of(world, login):  # noqa: F811
    return next(item.person for item in await world.desk.reader.people() if item.person.login == login)


def key_in(page):
    return re.search(r'name="vez" value="([^"]+)"', page)[1]


NEW = {"nombre": "Nueva Ficticia", "usuario": "n.ficticia", "puesto": "officer@x"}


# -- people ------------------------------------------------------------------------------------------------------------


async def invited(world, visitor, **changed):  # noqa: F811
    form = await text_of(visitor, f"{ALL}/nueva")
    return await visitor.post(f"{ALL}/nueva", NEW | {"puesto": f"officer@{OFFICE}", "vez": key_in(form)} | changed)


def code_in(page):
    return re.search(r"Código de la invitación</dt><dd><code>([^<]+)</code>", html.unescape(page.text))[1]


async def test_somebody_is_invited_with_a_code_that_one_page_shows_and_comes_in(world):  # noqa: F811
    await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    visitor = await somebody(world)
    page = await invited(world, visitor)
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    code = code_in(page)
    person = await person_of(world, "n.ficticia")
    assert person.state is PersonState.INVITED
    for path in (ALL, f"{ALL}/{person.person_id}", "/administracion/estado/informe"):
        assert code not in (await visitor.get(path)).text
    assert code not in repr(await world.leaves())
    assert "invitada, aún sin clave" in await text_of(visitor, ALL)
    new = Visitor(world.base)
    chosen = "cuatro palabras que junto"
    given = {"usuario": "n.ficticia", "codigo": code, "clave": chosen, "otra-vez": chosen}
    assert (await new.post("/invitacion", given)).status == 303
    assert (await new.get("/bandeja")).status == 200
    assert "activa" in await text_of(visitor, f"{ALL}/{person.person_id}")


async def test_the_same_form_twice_invites_once(world):  # noqa: F811
    await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    visitor = await somebody(world)
    form = NEW | {"puesto": f"officer@{OFFICE}", "vez": key_in(await text_of(visitor, f"{ALL}/nueva"))}
    first = await visitor.post(f"{ALL}/nueva", form)
    again = await visitor.post(f"{ALL}/nueva", form)
    assert (again.status, again.location) == (303, f"{ALL}?hecho=ya")
    chosen = "cuatro palabras que junto"
    given = {"usuario": "n.ficticia", "codigo": code_in(first), "clave": chosen, "otra-vez": chosen}
    assert (await Visitor(world.base).post("/invitacion", given)).status == 303  # the first code still serves
    added = [leaf for leaf in await world.leaves() if leaf.get("detail", "").startswith("user.add")]
    assert len(added) == 3  # the officer, who invites, and who was invited


BAD = [
    ({"usuario": "Ñandú"}, "usuario"), ({"usuario": ""}, "usuario"), ({"nombre": ""}, "nombre"), ({"nombre": "a" * 121}, "nombre"),
    ({"puesto": ""}, "puestos"), ({"puesto": "machine"}, "puestos"), ({"puesto": "officer"}, "puestos"), ({"puesto": "officer@no-hay"}, "puestos"),
    ({"puesto": "node-admin@x"}, "puestos"), ({"usuario": "t.ficticia"}, "usuario"), ({"nombre": "a\u202eb"}, "nombre"),
]  # fmt: skip


async def test_what_is_no_person_is_told_at_its_field_and_nobody_is_made(world):  # noqa: F811
    await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    visitor = await somebody(world)
    before = len(await world.desk.reader.people())
    for changed, field in BAD:
        page = await invited(world, visitor, **changed)
        assert page.status == 422, changed
        assert f'href="#{field}"' in page.text, changed
        assert f'id="{field}"' in page.text
    both = [("nombre", "X"), ("usuario", "x.y"), ("puesto", "node-admin"), ("puesto", f"officer@{OFFICE}"), ("vez", "a")]
    page = await visitor.post(f"{ALL}/nueva", both)
    assert page.status == 422
    assert "no pueden ser de una misma persona" in html.unescape(page.text)
    assert len(await world.desk.reader.people()) == before


async def test_posts_change_an_account_is_shut_and_opened_again(world):  # noqa: F811
    officer = await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    visitor = await somebody(world)
    path = f"{ALL}/{(await person_of(world, 'o.ficticia')).person_id}"
    page = await visitor.post(f"{path}/puestos", [("puesto", "auditor")])
    assert page.location == f"{path}?hecho=puestos"
    assert (await officer.get("/cuenta")).location.startswith("/entrar")  # what they were, they are no more
    assert (await visitor.post(f"{path}/puestos", [("puesto", "auditor"), ("puesto", "node-admin")])).status == 422
    for _ in range(2):
        assert (await visitor.post(f"{path}/cerrar")).location == f"{path}?hecho=cerrada"
    assert (await person_of(world, "o.ficticia")).state is PersonState.DISABLED
    shut = await text_of(visitor, path)
    assert "Volver a abrir la cuenta" in shut
    assert "Cambiar los puestos" not in shut
    opened = await visitor.post(f"{path}/abrir", {"vez": key_in(shut)})
    assert opened.status == 200
    assert code_in(opened)
    assert [leaf["detail"].split()[0] for leaf in await world.leaves() if "user.disable" in leaf.get("detail", "")] == [
        "user.disable"
    ]


async def test_a_new_invitation_ends_what_was_and_is_given_once(world):  # noqa: F811
    officer = await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    visitor = await somebody(world)
    path = f"{ALL}/{(await person_of(world, 'o.ficticia')).person_id}"
    form = {"vez": key_in(await text_of(visitor, path))}
    assert code_in(await visitor.post(f"{path}/invitar", form))
    assert (await officer.get("/cuenta")).location.startswith("/entrar")
    assert (await visitor.post(f"{path}/invitar", form)).location == f"{path}?hecho=ya"


async def test_nobody_decides_on_their_own_account(world):  # noqa: F811
    visitor = await somebody(world)
    path = f"{ALL}/{(await person_of(world, 't.ficticia')).person_id}"
    page = await text_of(visitor, path)
    assert "Es su propia cuenta" in page
    for act in ("puestos", "cerrar"):
        refused = await visitor.post(f"{path}/{act}", {"puesto": "auditor"})
        assert refused.status == 403
        assert "propia cuenta" in html.unescape(refused.text)
    assert (await person_of(world, "t.ficticia")).state is PersonState.ENABLED


async def test_a_terminal_left_alone_is_not_enough(world):  # noqa: F811
    await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    visitor = await somebody(world)
    path = f"{ALL}/{(await person_of(world, 'o.ficticia')).person_id}"
    world.clock.forward(minutes=6)
    page = await text_of(visitor, path)
    assert f"/confirmar?sigue={path}" in page
    assert 'action="' + path not in page
    assert (await visitor.get(f"{ALL}/nueva")).location == f"/confirmar?sigue={ALL}/nueva"
    assert (await visitor.post(f"{path}/cerrar")).status == 403
    assert (await person_of(world, "o.ficticia")).state is PersonState.ENABLED


async def test_a_head_sees_the_people_of_their_office_and_changes_nobody(world):  # noqa: F811
    await somebody(world, f"officer@{OFFICE}", "aqui")
    await somebody(world, "officer@otra", "alla")
    head = await somebody(world, f"office-head@{OFFICE}", "r.ficticia")
    page = await text_of(head, ALL)
    assert "aqui" in page
    assert "alla" not in page
    assert "/nueva" not in page
    ours, theirs = [(await person_of(world, login)).person_id for login in ("aqui", "alla")]
    assert "Cerrar la cuenta" not in await text_of(head, f"{ALL}/{ours}")
    assert (await head.get(f"{ALL}/{theirs}")).status == 404
    assert (await head.post(f"{ALL}/{ours}/cerrar")).status == 403


async def test_who_should_be_looked_at_is_told(world):  # noqa: F811
    await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    world.clock.forward(days=91)
    visitor = await somebody(world)
    page = await text_of(visitor, ALL)
    assert "Por revisar" in page
    assert "hace más de 90 días que no entra" in page


# -- offices -----------------------------------------------------------------------------------------------------------

OFFICE_FORM = {
    "codigo": "consulado-houston", "nombre-es": "Consulado en Houston", "nombre-en": "Houston consulate", "zona": "America/Chicago",
    "feriados": "US", "horas": "lu-vi 09:00-13:00,14:00-17:00", "recibe": "si",
}  # fmt: skip


async def test_an_office_is_opened_shown_with_its_clock_and_holidays_and_closed(world):  # noqa: F811
    visitor = await somebody(world)
    await text_of(visitor, "/administracion/oficinas/nueva")
    assert (
        await visitor.post("/administracion/oficinas/nueva", OFFICE_FORM)
    ).location == "/administracion/oficinas?hecho=abierta"
    page = await text_of(visitor, "/administracion/oficinas")
    for said in (
        "Consulado en Houston",
        "America/Chicago",
        "lu-vi 09:00-13:00,14:00-17:00",
        "Feriados de Estados Unidos",
        "también es de esta oficina",
    ):
        assert said in page
    assert re.search(r"-12-25|-01-01", page)
    assert ("abierta" in page) or ("cerrada; abre" in page)
    again = await visitor.post("/administracion/oficinas/nueva", OFFICE_FORM)
    assert again.status == 422
    assert 'href="#codigo"' in again.text
    for _ in range(2):
        gone = await visitor.post("/administracion/oficinas/consulado-houston/cerrar")
        assert gone.location == "/administracion/oficinas?hecho=cerrada"
    assert (await visitor.post("/administracion/oficinas/no-hay/cerrar")).status == 404


@pytest.mark.parametrize("changed", [
    {"codigo": "Ñ"}, {"codigo": ""}, {"nombre-es": ""}, {"nombre-en": "x" * 121}, {"zona": "Marte/Centro"}, {"zona": "../../etc/passwd"}, {"zona": "America"},
    {"feriados": "VE"}, {"horas": "siempre"}, {"horas": "lu 25:00-26:00"}, {"horas": ""},
])  # fmt: skip
async def test_what_is_no_office_is_told_at_its_field(world, changed):  # noqa: F811
    visitor = await somebody(world)
    page = await visitor.post("/administracion/oficinas/nueva", OFFICE_FORM | changed)
    assert page.status == 422, page.text[-500:]
    assert f'href="#{next(iter(changed))}"' in page.text
    assert not [office for office in await world.desk.reader.offices() if office.code == "consulado-houston"]


async def test_an_office_where_people_work_is_not_closed(world):  # noqa: F811
    await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    visitor = await somebody(world)
    page = await visitor.post(f"/administracion/oficinas/{OFFICE}/cerrar")
    assert page.status == 409
    assert "Hay personas con puesto" in html.unescape(page.text)
    assert [office.closed_at for office in await world.desk.reader.offices() if office.code == OFFICE] == [None]


# -- the node ----------------------------------------------------------------------------------------------------------


async def test_the_state_is_told_in_words_with_what_to_do(world):  # noqa: F811
    visitor = await somebody(world)
    page = await text_of(visitor, "/administracion/estado")
    assert "Este nodo no tiene ningún respaldo." in page
    assert "paradero backup now" in page
    assert "Atención (" in page
    assert "Bien (" in page
    english = await text_of(Visitor(world.base, session=visitor.session, language="en"), "/administracion/estado")
    assert "Attention (" in english


async def test_the_report_to_download_holds_no_secret_no_name_and_no_address(world):  # noqa: F811
    await asked(world, values=ADULT | {"given_names": [CANARY]})
    visitor = await somebody(world)
    answer = await visitor.get("/administracion/estado/informe")
    assert answer.status == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="paradero-diagnostico.txt"'
    assert answer.headers["Content-Type"].startswith("text/plain")
    endpoint = world.node.trust.state.endpoint(MBMID).url
    secrets = [
        world.operator_token,
        endpoint,
        CANARY,
        ADMIN,
        "t.ficticia",
        "Ficticia",
        PASSWORD,
        "AGE-SECRET-KEY",
        visitor.session,
    ]
    assert [secret for secret in secrets if secret in answer.text] == []
    assert f"nodo {NODE}" in answer.text
    assert f"enlace {MBMID}" in answer.text or "enlace" not in answer.text
    assert "✓" in answer.text


async def test_the_state_is_looked_at_once_in_a_while(world):  # noqa: F811
    looked = []
    real = world.node.operations.room.diagnose

    async def counted():
        looked.append(1)
        return await real()

    object.__setattr__(world.node.operations.room, "diagnose", counted)
    visitor = await somebody(world)
    for _ in range(3):
        await text_of(visitor, "/administracion/estado")
    assert len(looked) == 1
    world.clock.forward(seconds=16)
    await text_of(visitor, "/administracion/estado")
    assert len(looked) == 2


async def test_keys_say_their_age_their_end_and_what_to_run(world):  # noqa: F811
    visitor = await somebody(world)
    page = await text_of(visitor, "/administracion/llaves")
    for said in ("número 1", "paradero keys renew", "paradero federation keyset", f"{NODE}#sig-1", "dentro de"):
        assert said in page
    left = world.node.trust.state.keysets[NODE].expires_at - world.clock.now()
    world.clock.forward(seconds=(left - timedelta(days=10)).total_seconds())
    visitor = await somebody(world, login="u.ficticia")
    assert '<dd class="soon">' in await text_of(visitor, "/administracion/llaves")


async def test_backups_say_when_the_last_was_made_and_verified(world):  # noqa: F811
    from gateway.main.backup import add_recovery_key, back_up, verify_backup
    from gateway.main.backup_notes import note_check

    visitor, config = await somebody(world), world.node.config
    page = await text_of(visitor, "/administracion/respaldos")
    assert "Este nodo no tiene ningún respaldo" in page
    assert 'class="late">nunca' in page
    key = world.folder / "recovery.key"
    add_recovery_key(config, key)
    now = world.clock.now()
    made = (await back_up(config, world.config, world.folder / "b", now)).made
    for item in made:
        assert await note_check(verify_backup(item.file, key if item.kind == "main" else None, config, now), config, now)
    world.clock.forward(hours=2)
    visitor = await somebody(world, login="u.ficticia")
    page = await text_of(visitor, "/administracion/respaldos")
    assert "<dd>hace 2 h</dd>" in page
    assert page.count("abierto ") >= 1
    assert page.count("por fuera ") >= 1
    assert str(world.folder) not in page  # a file's name, not where it lies


async def test_what_is_to_go_is_listed_and_looking_erases_nothing(world):  # noqa: F811
    await asked(world, values=ADULT | {"given_names": [CANARY]})
    before = await table(world.node, "SELECT count(*) FROM inbox WHERE retain_ms IS NOT NULL")
    world.clock.forward(days=800)
    for post, login in (("node-admin", "t.ficticia"), ("auditor", "a.ficticia"), ("data-protection", "d.ficticia")):
        visitor = await somebody(world, post, login)
        page = await text_of(visitor, "/administracion/retencion")
        assert "1 hilo pasó su tiempo" in page
        assert ("que siga" in page) is (post == "data-protection" and "detenido" in page)
    assert await table(world.node, "SELECT count(*) FROM inbox WHERE retain_ms IS NOT NULL") == before
    assert (await (await somebody(world, "node-admin", "z.ficticia")).post("/administracion/retencion/seguir")).status == 403


async def test_what_waits_to_leave_and_what_did_not_arrive(world):  # noqa: F811
    visitor = await somebody(world)
    world.federation.network.down.add(MBMID)
    await send(world.federation, row())
    page = await text_of(visitor, "/administracion/salida")
    assert "traslado de reporte" in page
    touched(world, "UPDATE outbox SET reason = 'unavailable' WHERE kind = 'report.transfer'")
    assert "quien lo recibe no atendía" in await text_of(visitor, "/administracion/salida")  # and not a code
    [(waiting,)] = await table(world.node, "SELECT message_id FROM outbox WHERE kind = 'report.transfer'")
    again = await visitor.post(f"/administracion/salida/{waiting}/reintentar")
    assert again.location == "/administracion/salida?hecho=reintentado"
    for wrong in ("nada", "01990000-0000-7000-8000-000000000001"):
        assert (await visitor.post(f"/administracion/salida/{wrong}/reintentar")).status == 404
    officer = await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    assert "reintentar" not in await text_of(officer, "/administracion/salida")
    assert (await officer.post(f"/administracion/salida/{waiting}/reintentar")).status == 403


# -- no case on any page of theirs ---------------------------------------------------------------------------------------


async def with_a_case(world):  # noqa: F811
    """A question, a report of a family and an answer that waits, with names in all of them; the answer's id."""
    world.mappings()
    await send(world.federation, row(given_names=[CANARY]))
    officer = await somebody(world, f"officer@{OFFICE}", "o.ficticia")
    request = await asked(world, "facility", "sex", values=ADULT | {"given_names": [CANARY]})
    await officer.post(await prepared(officer, request, **{"v-facility": CANARY, "s-facility": "exact"}))
    every = re.findall(r'href="/espera/([^"]+)"', (await officer.get("/espera")).text)
    shown = [one for one in every if CANARY in (await officer.get(f"/espera/{one}")).text]
    assert shown  # control: it is here, for those who may read it
    return request, shown[0]


async def pages_of_an_administrator(world, visitor, request, waiting):  # noqa: F811
    """Every page there is, with what there is on the node in its address."""
    person = (await person_of(world, "t.ficticia")).person_id
    filled = {
        "peer": MBMID, "person": person, "message_id": request, "record": "missing-person", "field": "given_names", "role": "health",
        "name": "reportes_conamigua", "code": OFFICE, "departure": waiting,
    }  # fmt: skip
    found = {}
    for route in world.api.routes():
        if route.face is Face.PAGE and route.method == "GET":
            path = re.sub(r"\{(\w+)\}", lambda part: str(filled.get(part[1], "x")), route.path)
            found[path] = await visitor.get(path)
    return found


async def test_no_page_shows_who_administers_anything_of_a_case(world):  # noqa: F811
    request, waiting = await with_a_case(world)
    found = await pages_of_an_administrator(world, await somebody(world), request, waiting)
    assert len([path for path, page in found.items() if page.status == 200]) >= 20
    for path, page in found.items():
        assert CANARY not in page.text, path
        assert page.status < 500, path
    assert found[f"/s/{request}"].status == found[f"/espera/{waiting}"].status == 403


async def test_control_a_case_on_an_administrators_page_would_be_seen(world, monkeypatch):  # noqa: F811
    from gateway.people.roles import PERMISSIONS, Permission, Role

    request, waiting = await with_a_case(world)
    loose = dict(PERMISSIONS) | {Permission.REQUESTS_READ: PERMISSIONS[Permission.REQUESTS_READ] | {Role.NODE_ADMIN}}
    monkeypatch.setattr("gateway.people.sign_in.PERMISSIONS", loose)
    found = await pages_of_an_administrator(world, await somebody(world), request, waiting)
    assert [path for path, page in found.items() if CANARY in page.text] == [f"/espera/{waiting}"]


async def test_every_check_of_the_doctor_is_said_in_english_too(world):  # noqa: F811
    from contracts.said import Said
    from gateway.console.words import words

    checks = await world.node.operations.room.diagnose()
    assert len(checks) > 8
    for item in checks:
        for text in (item.what, item.advice):
            if text:
                assert isinstance(text, Said), text
                assert words("es").say(text) == text
                assert words("en").say(text) != text or text.startswith("PostgreSQL"), text


def test_a_sentence_reads_as_it_is_and_keeps_what_it_was_made_of():
    from copy import deepcopy
    from pickle import dumps, loads

    from contracts.said import Said

    inner = Said("%(free)s MB", free=12)
    made = Said("Poco disco: %(left)s, %(share)s.", left=inner, share="3 %")
    assert made == "Poco disco: 12 MB, 3 %."
    assert Said("100 % lleno") == "100 % lleno"
    for copied in (deepcopy(made), loads(dumps(made))):
        assert (copied, copied.template, copied.places["left"].template) == (made, made.template, "%(free)s MB")
