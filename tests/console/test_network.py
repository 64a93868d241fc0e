"""The network's pages: both directions of a link, the matrix of this node's own view, trying a link, pausing one."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.ids import KeyId, NodeId
from contracts.policy import load_template, parse_policy
from contracts.register import MemberStatus, Role
from gateway.console.network import CLOCK, DAYS, Lane, Link, first_day, month_of, sendable
from gateway.console.pages.link_map import Shape, link_map, shape_of
from gateway.console.words import words
from gateway.exchange.probing import Fault, LineLook, Looked, Step
from gateway.people.sign_in import Carrier
from gateway.storage.link_models import Contact
from keys.model import VerifyKey
from keys.register.state import Member, Standing
from tests.console.test_answering import MBMID, asked, world  # noqa: F401 - the fixture
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import table
from tests.people.hired import hired_at
from tests.people.world import NODE

POLICY = parse_policy(load_template("first-policy"))


async def somebody(world, post="node-admin", login="t.ficticia"):  # noqa: F811
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def text_of(visitor, path):
    page = await visitor.get(path)
    assert page.status == 200, page.text
    return html.unescape(page.text)


class Line:
    """A way to peers that ends where a test says."""

    def __init__(self, *steps, clock=None):
        self.steps, self.clock, self.looked = steps, clock, []

    async def look(self, peer):
        self.looked.append(peer)
        return LineLook(self.steps, self.clock)


GOOD = tuple(Looked(step) for step in (Step.NAME, Step.CONNECTION, Step.CERTIFICATE))


def with_line(world, monkeypatch, *steps, clock=None):  # noqa: F811
    line = Line(*(steps or GOOD), clock=clock)
    object.__setattr__(world.node.operations.room, "line", line)
    return line


async def test_both_directions_of_a_link_are_told_apart(world):  # noqa: F811
    visitor = await somebody(world)
    before = await text_of(visitor, "/red")
    assert "último mensaje: nunca" in before
    assert "última entrega: nunca" in before
    await asked(world)
    world.clock.forward(hours=3)
    visitor = await somebody(world, login="u.ficticia")
    after = await text_of(visitor, "/red")
    assert "último mensaje: hace 3 h" in after
    assert f"/red/{MBMID}" in after
    assert f'href="/red/{NODE}"' not in after  # no link to oneself
    assert "solicitud de búsqueda" in after
    assert "protocolo 2026-11" in after
    one = await text_of(visitor, f"/red/{MBMID}")
    for said in (
        "De ella a nosotros: último mensaje",
        "De nosotros a ella: última entrega",
        "hace 3 h",
        "sig-1",
        "Vencimiento",
    ):
        assert said in one


async def test_the_map_says_by_shape_what_the_list_below_it_says_in_words(world):  # noqa: F811
    visitor = await somebody(world)
    page = await text_of(visitor, "/red/mapa")
    assert page.count("sin enlace: hay mensajes en espera") == 1  # what the mark means, and nobody has it
    assert f'href="/red/{MBMID}"' in page
    assert f'href="/red/{NODE}"' not in page
    assert (await visitor.post(f"/red/{MBMID}/pausar", {})).status == 303
    drawn, listed = (await text_of(visitor, "/red/mapa")).split('id="lista"')
    assert drawn.count('<rect class="p5"') == 2  # the mark, and what it means
    assert 'class="link cut"' in drawn
    assert "envíos en pausa" in listed


def somewhere(country, *, standing=Standing.ACTIVE, node="gt.ficticia", **lane):
    since, key = (
        datetime(2026, 1, 1, tzinfo=UTC),
        VerifyKey(KeyId(f"{node}#id-1"), Ed25519PrivateKey.generate().public_key().public_bytes_raw()),
    )
    member = Member(NodeId(node), f"Ficticia de {country}", Role.CONSULATE, country, MemberStatus.ACTIVE, since, key)
    return Link(member, standing, Lane(**lane), Contact(None, None), "", None)


def test_the_map_goes_from_north_to_south_and_loses_nobody():
    links = [
        somewhere("CH", node="int.ficticia"),
        somewhere("GT"),
        somewhere("US", node="us.ficticia"),
        somewhere("MX", node="mx.ficticia"),
    ]
    drawn = link_map(links, "GT", words("es"))
    assert [band.name for band in drawn.bands] == ["Estados Unidos", "México", "Guatemala", "Otros países y organismos"]
    assert sorted(mark.name for band in drawn.bands for mark in band.marks) == sorted(link.member.name for link in links)
    rows = [*(mark.y for band in drawn.bands for mark in band.marks), drawn.us]
    assert len(set(rows)) == len(rows)
    assert all(band.y < mark.y < band.y + band.height for band in drawn.bands for mark in band.marks)
    assert drawn.height > drawn.bands[-1].y + drawn.bands[-1].height
    assert [band.ours for band in drawn.bands if band.ours] == [drawn.us]
    abroad = link_map([somewhere("GT")], "MX", words("en"))
    assert [(band.name, band.ours is not None) for band in abroad.bands] == [("Mexico", True), ("Guatemala", False)]


@pytest.mark.parametrize(
    ("shape", "link"),
    [
        (Shape.DISC, somewhere("GT")),
        (Shape.DISC, somewhere("GT", waiting=3)),
        (Shape.DISC, somewhere("GT", failures=1)),
        (Shape.TRIANGLE, somewhere("GT", failures=1, waiting=3)),
        (Shape.SQUARE, somewhere("GT", failures=1, waiting=3, paused=True)),
        (Shape.DIAMOND, somewhere("GT", standing=Standing.PROBATION)),
        (Shape.TRIANGLE, somewhere("GT", standing=Standing.PROBATION, failures=1, waiting=1)),
        (Shape.CROSS, somewhere("GT", standing=Standing.SUSPENDED, paused=True)),
        (Shape.CROSS, somewhere("GT", standing=Standing.UNKNOWN)),
    ],
)
def test_the_mark_of_a_link(shape, link):
    assert shape_of(link) is shape


async def test_the_matrix_counts_what_this_node_saw_by_sender_recipient_and_type(world):  # noqa: F811
    visitor = await somebody(world)
    assert "Ningún mensaje en ese tiempo" in await text_of(visitor, "/red/matriz")
    await asked(world)
    await asked(world, case_ref="caso-2")
    page = await text_of(visitor, "/red/matriz")
    assert "solicitud de búsqueda: 2" in page
    assert "no pasa por aquí" in page
    [(count,)] = await table(world.node, "SELECT count(*) FROM inbox")
    assert count == 2
    world.clock.forward(days=DAYS + 1)
    visitor = await somebody(world, login="u.ficticia")
    assert "solicitud de búsqueda" not in re.sub(r"(?s)<caption>.*?</caption>", "", await text_of(visitor, "/red/matriz"))


async def test_a_month_of_traffic_is_a_picture_with_its_numbers_beside_it(world):  # noqa: F811
    visitor = await somebody(world)
    empty = await text_of(visitor, f"/red/{MBMID}")
    assert '<rect class="theirs"' not in empty
    await asked(world)
    page = await text_of(visitor, f"/red/{MBMID}")
    assert page.count('<rect class="theirs"') == 1
    day = (world.clock.now() + CLOCK).date().isoformat()
    assert f'<th scope="row">{day}</th><td>0</td><td>1</td>' in page


def test_a_month_has_every_day_once_and_its_bars_fit():
    now = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)  # still the 28th of February in Guatemala
    days = month_of({((datetime(2026, 2, 28) - datetime(1970, 1, 1)).days, True): 7}, now)
    assert len(days) == len({day.day for day in days}) == DAYS
    assert (days[-1].day.isoformat(), days[-1].sent, days[-1].up) == ("2026-02-28", 7, 60)
    assert all(0 <= day.up <= 60 and 0 <= day.down <= 60 for day in days)
    assert first_day(now) == datetime(2026, 1, 30, 6, 0, tzinfo=UTC)


def test_what_may_be_sent_is_what_the_policy_decides():
    reasons = {(purpose, basis) for flow in POLICY.flows for purpose in flow.purposes for basis in flow.bases}
    kinds = {kind for flow in POLICY.flows for kind in flow.kinds}
    for sender, recipient in ((Role.SEARCH_MECHANISM, Role.CONSULATE), (Role.CONSULATE, Role.MIGRATION_CONTROL)):
        said = set(sendable(POLICY, sender, recipient))
        for kind in kinds:
            allowed = any(type(POLICY.decide(kind, sender, recipient, *why)).__name__ == "Permit" for why in reasons)
            assert (kind in said) is allowed, (kind, sender, recipient)


# -- trying a link -----------------------------------------------------------------------------------------------------


async def test_a_link_is_tried_step_by_step_and_each_step_is_told_in_words(world, monkeypatch):  # noqa: F811
    visitor, line = await somebody(world), with_line(world, monkeypatch)
    assert "No se ha probado" in await text_of(visitor, f"/red/{MBMID}")
    page = await visitor.post(f"/red/{MBMID}/probar")
    assert (page.status, page.location) == (303, f"/red/{MBMID}?hecho=probada")
    assert line.looked == [MBMID]
    told = await text_of(visitor, page.location)
    assert told.count("✓") == len(Step)
    assert "firmó con la llave que el registro tiene" in told
    [leaf] = [leaf for leaf in await world.leaves() if leaf.get("detail", "").startswith("link.test")]
    assert leaf["detail"] == f"link.test {MBMID}"


ENDS = [
    ((Looked(Step.NAME, Fault.NAME_UNKNOWN),), "Nadie sabe a qué dirección", "Compruebe el DNS"),
    ((Looked(Step.NAME, Fault.OWN_NETWORK),), "a la que este nodo no se conecta", "allowed_networks"),
    ((Looked(Step.NAME), Looked(Step.CONNECTION, Fault.SILENCE)), "Nadie contesta", "cortafuegos"),
    ((*GOOD[:2], Looked(Step.CERTIFICATE, Fault.OTHER_CERTIFICATE)), "otro certificado", "por teléfono"),
]


@pytest.mark.parametrize(("steps", "said", "advice"), ENDS)
async def test_the_step_that_fails_says_what_to_do_and_the_rest_is_not_tried(world, monkeypatch, steps, said, advice):  # noqa: F811
    visitor = await somebody(world)
    with_line(world, monkeypatch, *steps)
    await visitor.post(f"/red/{MBMID}/probar")
    told = await text_of(visitor, f"/red/{MBMID}")
    assert told.count("✗") == 1
    assert said in told
    assert advice in told
    assert told.count("No se probó.") == len(Step) - len(steps) - 1


async def test_no_signed_reply_is_no_link_and_a_far_clock_is_told(world, monkeypatch):  # noqa: F811
    visitor = await somebody(world)
    with_line(world, monkeypatch, clock=world.clock.now() + timedelta(minutes=7))
    world.federation.network.down.add(MBMID)
    await visitor.post(f"/red/{MBMID}/probar")
    told = await text_of(visitor, f"/red/{MBMID}")
    assert "no dio una respuesta firmada" in told
    assert "Su reloj va 7 min por delante del nuestro" in told


async def test_a_link_is_not_tried_again_at_once_nor_is_anything_that_is_no_member(world, monkeypatch):  # noqa: F811
    visitor, line = await somebody(world), with_line(world, monkeypatch)
    await visitor.post(f"/red/{MBMID}/probar")
    again = await visitor.post(f"/red/{MBMID}/probar")
    assert again.status == 429
    assert int(again.headers["Retry-After"]) > 0
    assert "Espere" in again.text
    assert len(line.looked) == 1
    world.clock.forward(seconds=21)
    assert (await visitor.post(f"/red/{MBMID}/probar")).status == 303
    for other in (NODE, "gt.nadie", "evil.example", "127.0.0.1", "169.254.169.254", "%2e%2e", "gt.igm.mbmid@evil"):
        page = await visitor.post(f"/red/{other}/probar", {"direccion": "https://169.254.169.254/", "endpoint": "x"})
        assert page.status == 404, other
    assert line.looked == [MBMID, MBMID]


async def test_control_a_page_that_took_any_name_would_look_at_it(world, monkeypatch):  # noqa: F811
    visitor, line = await somebody(world), with_line(world, monkeypatch)
    monkeypatch.setattr(
        "gateway.console.pages.network.NetworkPages._peer", lambda _self, asked: NodeId(asked.match_info["peer"])
    )
    await visitor.post("/red/gt.nadie/probar")
    assert line.looked == []  # the second defence: the register does not know it
    monkeypatch.setattr("gateway.exchange.probing._unfit", lambda *_: None)
    world.clock.forward(seconds=21)
    await visitor.post("/red/gt.nadie/probar")
    assert line.looked == ["gt.nadie"]


async def test_who_may_not_try_or_pause_is_not_offered_it(world):  # noqa: F811
    for number, post in enumerate(("auditor", "network-registry", "data-protection")):
        visitor = await somebody(world, post, f"p{number}")
        told = await text_of(visitor, f"/red/{MBMID}")
        assert "/probar" not in told
        assert "/pausar" not in told
        assert (await visitor.post(f"/red/{MBMID}/probar")).status == 403
        assert (await visitor.post(f"/red/{MBMID}/pausar")).status == 403
    assert [leaf for leaf in await world.leaves() if "link.test" in leaf.get("detail", "")] == []


async def test_a_pause_holds_what_waits_and_is_logged_once_whatever_is_sent_again(world):  # noqa: F811
    visitor = await somebody(world)
    for _ in range(2):
        assert (await visitor.post(f"/red/{MBMID}/pausar")).location == f"/red/{MBMID}?hecho=pausa"
    told = await text_of(visitor, f"/red/{MBMID}?hecho=pausa")
    assert "en pausa por decisión de esta administración" in told
    assert "Reanudar los envíos" in told
    assert [leaf["detail"] for leaf in await world.leaves() if "lane." in leaf.get("detail", "")] == ["lane.paused"]
    assert "1 en pausa" in await text_of(visitor, "/red")
    for _ in range(2):
        assert (await visitor.post(f"/red/{MBMID}/reanudar")).location == f"/red/{MBMID}?hecho=sigue"
    assert "Pausar los envíos" in await text_of(visitor, f"/red/{MBMID}")


async def test_every_fault_and_step_has_words_in_both_languages():
    from gateway.console.pages.probes import probe_in_words
    from gateway.exchange.probing import Probe

    for lang in ("es", "en"):
        for fault in Fault:
            apart = timedelta(minutes=9) if fault in {Fault.CLOCK_AHEAD, Fault.CLOCK_BEHIND} else None
            lines = probe_in_words(Probe(datetime.now(UTC), (Looked(Step.REGISTER, fault, apart=apart),)), words(lang))
            assert lines[0].told
            assert "%" not in lines[0].told
            assert len(lines) == len(Step)


async def test_programs_and_commands_try_a_link_too(world, monkeypatch):  # noqa: F811
    with_line(world, monkeypatch)
    token = await hired_at(world.desk, "node-admin", login="t.ficticia")
    path = f"/api/v1/federation/members/{MBMID}/test"
    status, answer = await world.call("POST", path, token)
    assert (status, answer["fine"], [item["step"] for item in answer["steps"]]) == (200, True, [step.value for step in Step])
    assert (await world.call("POST", path, token))[0] == 429
    for other in (NODE, "gt.nadie", "127.0.0.1"):
        assert (await world.call("POST", f"/api/v1/federation/members/{other}/test", token))[0] == 404
    assert (await world.call("POST", path, await hired_at(world.desk, "auditor", login="a.ficticia")))[0] == 403


async def test_the_command_ends_with_10_when_a_step_fails(tmp_path, monkeypatch):
    from tests.people.world import ADMIN, open_world

    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        await found.bootstrap()
        with_line(found, monkeypatch, Looked(Step.NAME), Looked(Step.CONNECTION, Fault.REFUSED))
        result = await found.cli(ADMIN, "federation", "test", MBMID, code=10)
        assert "✗ Conexión (TCP): El equipo está, pero nadie escucha en ese puerto." in result.output
        assert "– Identidad: No se probó." in result.output
        found.clock.forward(seconds=21)
        with_line(found, monkeypatch)
        assert (await found.ask(ADMIN, "federation", "test", MBMID))["fine"]
