"""The pages, the commands and the routes about notices: who runs the node says where they go, a person says whether to them."""

import json
import re
from dataclasses import replace

import pytest

from gateway.exchange.receivers import Hosts
from gateway.exchange.telling import post_due, spread
from gateway.people.sign_in import Carrier
from gateway.workers.hooks import HttpHooks
from gateway.workers.mail import MailServer
from tests.console.visitor import Visitor
from tests.gateway.peers_of_notices import receiving, taking_mail
from tests.people.hired import hired_at
from tests.people.world import ADMIN, NODE, OFFICE, open_port
from tests.simulator.federation import simulated_federation


@pytest.fixture
async def stage(tmp_path, monkeypatch):
    """A node that may tell a receiver and a mail server on this machine, and its private port."""
    async with receiving() as receiver, taking_mail() as mail, simulated_federation(tmp_path, NODE) as federation:
        hosts = Hosts(frozenset({"127.0.0.1"}), plain=True)
        hooks, node = HttpHooks(hosts, lambda _: False), federation.nodes[NODE]
        server = MailServer("127.0.0.1", mail.port, "none", "paradero@conamigua.example")
        telling = replace(node.operations.telling, send_hook=hooks, mail=server)
        node.operations = replace(node.operations, hosts=hosts, telling=telling)
        async with open_port(tmp_path, monkeypatch, federation, NODE) as world:
            yield world, receiver, mail
        await hooks.close()


async def visitor(world, post, login):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


def key_of(page):
    return re.search(r'name="vez" value="([0-9a-f]+)"', page.text)[1]


async def test_an_administrator_adds_tests_and_removes_a_receiver(stage):
    world, receiver, _ = stage
    admin = await visitor(world, "node-admin", "n.ficticia")
    page = await admin.get("/avisos")
    assert page.text.count("<h1") == 1
    assert "&#34;type&#34;:&#34;request.due_soon&#34;" in page.text  # as it would leave
    given = {"nombre": "Casos", "direccion": receiver.address, "vez": key_of(page), "tipo": "referral.received"}
    added = await admin.post("/avisos/nuevo", given)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", added.text)[0]
    assert added.headers["Cache-Control"] == "no-store"
    again = await admin.post("/avisos/nuevo", given)
    assert (again.status, again.location) == (303, "/avisos?hecho=ya")  # sent twice, added once
    page = await admin.get("/avisos")
    [address] = set(re.findall(r"/avisos/[0-9a-f-]{36}", page.text))
    page = await admin.get(address)
    assert secret not in page.text
    assert "clave-en-la-ruta" not in page.text
    tested = await admin.post(f"{address}/probar", {"vez": key_of(page)})
    assert tested.location.endswith("hecho=bien")
    assert json.loads(receiver.taken[0][1])["type"] == "test"
    receiver.statuses = [500]
    tested = await admin.post(f"{address}/probar", {"vez": key_of(await admin.get(address))})
    assert "no llegó" in (await admin.get(tested.location)).text
    changed = await admin.post(f"{address}/clave", {"vez": key_of(await admin.get(address))})
    assert "dos firmas" in changed.text
    assert secret not in changed.text
    for state, word in (("disabled", "en pausa"), ("enabled", "recibe")):
        await admin.post(f"{address}/estado", {"estado": state})
        assert word in (await admin.get("/avisos")).text
    assert (await admin.post(f"{address}/estado", {"estado": "gone"})).status == 404
    assert (await admin.post(f"{address}/quitar")).location == "/avisos?hecho=quitado"
    assert (await admin.post(f"{address}/quitar")).location == "/avisos?hecho=ya"
    assert (await admin.get(address)).status == 404
    acts = [leaf["detail"].split()[0] for leaf in await world.leaves() if "webhook." in leaf.get("detail", "")]
    assert acts == [
        "webhook.added",
        "webhook.tested",
        "webhook.tested",
        "webhook.secret",
        "webhook.disabled",
        "webhook.enabled",
        "webhook.removed",
    ]


async def test_what_was_not_delivered_is_shown_and_sent_again(stage):
    world, receiver, _ = stage
    admin = await visitor(world, "node-admin", "n.ficticia")
    page = await admin.get("/avisos")
    await admin.post("/avisos/nuevo", {"nombre": "Casos", "direccion": receiver.address, "vez": key_of(page)})
    node, telling = world.node.capabilities, world.node.operations.telling
    from gateway.exchange.receivers import sample

    async with node.begin() as work:
        await work.notices.add([sample(node.clock.now(), "uno")])
    await spread(node, telling)
    receiver.statuses = [410]
    await post_due(node, telling)
    page = await admin.get("/avisos")
    assert "1 aviso no se pudo entregar" in page.text
    [address] = set(re.findall(r"/avisos/[0-9a-f-]{36}", page.text))
    page = await admin.get(address)
    assert "410" in page.text
    notice = re.search(r'name="aviso" value="(msg_[0-9a-f]+)"', page.text)[1]
    await admin.post(f"{address}/estado", {"estado": "enabled"})
    assert (await admin.post(f"{address}/repetir", {"aviso": notice})).location.endswith("hecho=repetido")
    await post_due(node, telling)
    assert "entregado" in (await admin.get(address)).text
    assert [headers["webhook-id"] for headers, _ in receiver.taken] == [notice] * 2
    assert (await admin.post(f"{address}/repetir", {"aviso": "msg_nada"})).status == 404
    assert (await admin.post(f"{address}/repetir")).location.endswith("hecho=nada")


@pytest.mark.parametrize(
    ("name", "address", "field", "why"),
    [
        ("", "https://127.0.0.1/a", "nombre", "hasta 80 letras"),
        ("x" * 81, "https://127.0.0.1/a", "nombre", "hasta 80 letras"),
        ("Casos\x01", "https://127.0.0.1/a", "nombre", "hasta 80 letras"),
        ("Casos", "https://otro.example/a", "direccion", "no está en la lista"),
        ("Casos", "http://otro.example/a", "direccion", "no empieza por https"),
        ("<script>", "javascript:alert(1)", "direccion", "no es válida"),
    ],
)
async def test_a_bad_receiver_is_refused_in_words_that_lead_to_the_field(stage, name, address, field, why):
    world, *_ = stage
    admin = await visitor(world, "node-admin", "n.ficticia")
    page = await admin.post("/avisos/nuevo", {"nombre": name, "direccion": address, "vez": key_of(await admin.get("/avisos"))})
    assert page.status == 422
    assert why in page.text
    assert f'href="#{field}"' in page.text
    assert "<script>" not in page.text.replace("<script ", "")
    assert "Ningún programa" in page.text


async def test_who_only_reads_has_no_buttons_and_who_left_the_screen_long_ago_signs_in_again(stage):
    world, receiver, _ = stage
    reader = await visitor(world, "data-protection", "d.ficticia")
    page = await reader.get("/avisos")
    assert page.status == 200
    assert "/avisos/nuevo" not in page.text
    assert (await reader.post("/avisos/nuevo", {"nombre": "x", "direccion": receiver.address})).status == 403
    officer = await visitor(world, f"officer@{OFFICE}", "o.ficticia")
    assert (await officer.get("/avisos")).status == 403
    assert "/avisos" not in re.findall(r'<a href="(/avisos)"', (await officer.get("/bandeja")).text)
    admin = await visitor(world, "node-admin", "n.ficticia")
    key = key_of(await admin.get("/avisos"))
    world.clock.forward(minutes=6)
    late = await admin.post("/avisos/nuevo", {"nombre": "x", "direccion": receiver.address, "vez": key})
    assert late.status == 403
    assert receiver.taken == []


async def test_a_person_chooses_mail_tries_it_and_takes_it_back(stage):
    world, _, mail = stage
    officer = await visitor(world, f"officer@{OFFICE}", "o.ficticia")
    assert "/cuenta/avisos" in (await officer.get("/cuenta")).text
    page = await officer.get("/cuenta/avisos")
    assert "no se le avisa por correo" in page.text
    bad = await officer.post("/cuenta/avisos", {"correo": "ana@"})
    assert bad.status == 422
    assert 'href="#correo"' in bad.text
    assert (await officer.post("/cuenta/avisos", {"correo": "ana@conamigua.example"})).location.endswith("guardado")
    page = await officer.get("/cuenta/avisos")
    assert "ana@conamigua.example" not in page.text  # not shown again, to nobody
    await officer.post("/cuenta/avisos/probar", {"vez": key_of(page)})
    await officer.post("/cuenta/avisos/probar", {"vez": key_of(page)})
    assert [to for _, to, _ in mail.mails] == ["ana@conamigua.example"]
    mail.refuse = ["550 no"]
    page = await officer.post("/cuenta/avisos/probar", {"vez": key_of(await officer.get("/cuenta/avisos"))})
    assert (page.status, "no acepta esa dirección" in page.text) == (503, True)
    assert (await officer.post("/cuenta/avisos/borrar")).location.endswith("borrado")
    assert "no se le avisa por correo" in (await officer.get("/cuenta/avisos")).text


async def test_the_commands_do_what_the_pages_do(stage):
    world, receiver, _ = stage
    await world.bootstrap()
    added = await world.ask(ADMIN, "webhook", "add", "Casos", receiver.address, "--type", "referral.received")
    assert added["secret"].startswith("whsec_")
    hook = added["id"]
    [row] = (await world.ask(ADMIN, "webhook", "list"))["webhooks"]
    assert (row["host"], row["types"], row["state"]) == ("127.0.0.1", ["referral.received"], "enabled")
    assert "secret" not in row
    assert "✓" in (await world.cli(ADMIN, "webhook", "test", hook)).output
    receiver.statuses = [500]
    await world.cli(ADMIN, "webhook", "test", hook, code=1)
    assert (await world.ask(ADMIN, "webhook", "secret", hook))["secret"] != added["secret"]
    assert (await world.ask(ADMIN, "webhook", "deliveries", hook))["deliveries"] == []
    assert (await world.ask(ADMIN, "webhook", "replay", hook))["again"] == 0
    for word in ("pause", "resume"):
        await world.cli(ADMIN, "webhook", word, hook)
    await world.cli(ADMIN, "webhook", "replay", hook, "msg_" + "0" * 40, code=4)
    await world.cli(ADMIN, "webhook", "add", "Otra", "https://otra.example/a", code=2)
    await world.cli(ADMIN, "webhook", "remove", hook)
    await world.cli(ADMIN, "webhook", "remove", hook, code=4)


async def test_bad_requests_of_programs_change_nothing(stage):
    world, receiver, _ = stage
    token = await hired_at(world.desk, "node-admin", login="n.ficticia")
    good = {"name": "Casos", "address": receiver.address}
    for body in (
        {},
        good | {"more": 1},
        good | {"name": 7},
        good | {"name": ""},
        good | {"address": "x" * 501},
        good | {"types": []},
        good | {"types": ["person.found"]},
        good | {"address": "https://otra.example/a"},
    ):
        status, answer = await world.call("POST", "/api/v1/webhooks", token, body)
        assert (status, bool(answer["title"])) == (422, True), body
    assert (await world.call("GET", "/api/v1/webhooks", token))[1] == {"webhooks": []}
    nobody = "/api/v1/webhooks/01990000-0000-7000-8000-000000000001"
    for method, path, body, expected in (
        ("POST", f"{nobody}/test", {}, 404),
        ("POST", f"{nobody}/state", {"state": "gone"}, 422),
        ("POST", f"{nobody}/state", {"state": "disabled"}, 404),
        ("POST", f"{nobody}/replay", {"notice": "nada"}, 422),
        ("POST", "/api/v1/webhooks/nada/test", {}, 404),
        ("GET", f"{nobody}/deliveries", None, 404),
        ("DELETE", nobody, None, 404),
        ("POST", "/api/v1/session/mail", {"address": "ana"}, 422),
        ("POST", "/api/v1/session/mail", {"address": "a@b.example", "language": "qu"}, 422),
    ):
        assert (await world.call(method, path, token, body))[0] == expected, path
    assert (await world.call("GET", "/api/v1/session/mail", token))[1] == {"wanted": False, "mail_server": True}
    await world.call("POST", "/api/v1/session/mail", token, {"address": "a@b.example", "language": "en"})
    assert (await world.call("GET", "/api/v1/session/mail", token))[1]["language"] == "en"
    assert (await world.call("DELETE", "/api/v1/session/mail", token))[1] == {"wanted": False}
