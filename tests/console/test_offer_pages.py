"""A referral begun on a page: nobody is named, what is checked is what leaves, once, and the second one links to the first."""

import html
import re

from contracts.ids import MessageId
from contracts.messages import ConsentAct
from gateway.console.pages import pending
from gateway.people.sign_in import Carrier
from tests.console.test_attached_pages import added
from tests.console.test_cases import CANARY, DESK, MBMID, a_case, cases_world, officer, text_of
from tests.console.visitor import Visitor
from tests.gateway.story import sent
from tests.gateway.test_exchange import table
from tests.gateway.test_recall import said, says
from tests.people.hired import hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

world = cases_world
OFFER = {
    "menor": "no", "idioma": "mam", "departamento": "gt-13", "servicio": "transport", "urgencia": "normal", "fin": "support-family",
    "base": "consent", "para": "gt.conamigua",
}  # fmt: skip


def new(path):
    return path.replace("/e/", "/r/nueva/")


async def shown(visitor, path, **changed):
    """Fill the tasks in; return the address of the page to check them on."""
    page = await visitor.post(new(path), OFFER | changed)
    assert page.status == 303, text_of(page)
    return page.location


async def test_an_officer_offers_it_task_by_task_and_it_names_nobody(world):
    path, folio = await a_case(world)
    visitor = await officer(world)
    assert f'href="{new(path)}"' in (await visitor.get(path)).text
    empty = text_of(await visitor.get(new(path)))
    assert "Persona No empezada" in empty
    half = text_of(await visitor.post(new(path), {"idioma": "mam", "servicio": "transport", "paso": "ver"}))
    assert "Persona Empezada" in half
    assert "Motivo y servicio pedido Empezada" in half
    whole = text_of(await visitor.post(new(path), OFFER | {"paso": "ver"}))
    for words in ("Persona Hecha", "Destino Hecha", "Ninguno hasta que acepten", "puede llegar a recibir"):
        assert words in whole, words
    review = await shown(visitor, path)
    page = await visitor.get(review)
    read = text_of(page)
    for words in ("no nombra a nadie", "Transporte", "Mam", "Ningún dato de ninguna persona", folio):
        assert words.casefold() in read.casefold(), words
    assert CANARY not in page.text
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'referral.offer'") == [(0,)]
    for _ in range(2):  # the same form once more: one effect
        assert (await visitor.post(review)).location == f"{review}/hecho"
    assert "hasta que la acepte" in text_of(await visitor.get(f"{review}/hecho"))
    [offer] = await sent(world.node, "referral.offer")
    assert CANARY not in offer.model_dump_json()
    assert offer.body.model_dump(mode="json", exclude_none=True) == {
        "service": "transport", "urgency": "normal", "minor": "no", "language": "mam", "department": "gt-13",
    }  # fmt: skip
    await world.federation.settle()
    read = text_of(await visitor.get(f"/r/{offer.message_id}"))
    assert "Entregada, sin respuesta" in read
    assert "oferta de referencia" in text_of(await visitor.get(path))


async def test_what_is_checked_is_the_bytes_that_are_signed(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    review = await shown(visitor, path)
    page = html.unescape((await visitor.get(review)).text)
    digest = re.search(r"<code>([0-9a-f]{64})</code>", page)[1]
    await visitor.post(review)
    [(thread, message, body)] = await table(
        world.node,
        "SELECT thread_id, message_id, body FROM outbox JOIN outbox_bodies USING (lane, message_id) WHERE kind = 'referral.offer'",
    )
    from hashlib import sha256

    kept = await world.node.capabilities.bodies.open(thread, MessageId(message), body)
    unpadded = re.sub(rb',"pad":"0*"\}$', b"}", kept.payload)
    assert sha256(unpadded).hexdigest() == digest


async def test_a_second_pending_one_links_to_the_first(world):
    path, _ = await a_case(world)
    visitor, other = await officer(world), await officer(world, "s.ficticia")
    first, second = await shown(visitor, path), await shown(other, path)
    await visitor.post(first)
    [offer] = await sent(world.node, "referral.offer")
    refused = await visitor.post(new(path), OFFER)
    assert refused.status == 422
    assert f'href="/r/{offer.message_id}"' in refused.text
    raced = await other.post(second)  # both were shown it; only one can sign
    assert raced.status == 409
    assert f'href="/r/{offer.message_id}"' in raced.text
    assert len(await sent(world.node, "referral.offer")) == 1
    assert (await visitor.post(new(path), OFFER | {"servicio": "shelter"})).status == 303  # another service is another one


async def test_control_without_looking_two_would_be_prepared(world, monkeypatch):
    path, _ = await a_case(world)
    visitor = await officer(world)
    await visitor.post(await shown(visitor, path))

    async def nothing(*_args, **_more):
        return ""

    monkeypatch.setattr(pending, "pending_address", nothing)
    assert (await visitor.post(new(path), OFFER)).status == 303


async def test_what_is_missing_or_made_up_is_told_and_nothing_is_prepared(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    for name, value, anchor in (
        ("menor", "", "menor"), ("servicio", "viaje", "servicio"), ("urgencia", "", "urgencia"), ("fin", "porque-si", "fin"),
        ("base", "", "base"), ("para", "gt.nadie", "para"), ("para", "x y", "para"), ("idioma", "tlh", "idioma"),
        ("departamento", "99", "departamento"), ("para", "mx.cnb", "para"),
    ):  # fmt: skip
        page = await visitor.post(new(path), OFFER | {name: value})
        assert page.status == 422, (name, value)
        assert f'href="#{anchor}"' in page.text, (name, value)
        assert f'id="{anchor}"' in page.text, (name, value)
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]


async def test_nobody_signs_what_another_was_shown(world):
    path, _ = await a_case(world)
    visitor, other = await officer(world), await officer(world, "s.ficticia")
    review = await shown(visitor, path)
    assert (await other.get(review)).status == 404
    assert (await other.post(review)).status == 404
    assert (await other.get(f"{review}/hecho")).status == 404
    assert (await visitor.get(f"{review}/hecho")).status == 404  # not signed yet
    changed = await visitor.get(f"{new(path)}?desde={review.rpartition('/')[2]}")
    assert 'value="transport" selected' in changed.text
    assert (await other.get(f"{new(path)}?desde={review.rpartition('/')[2]}")).status == 404
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'referral.offer'") == [(0,)]


async def test_data_leave_only_after_the_acceptance_and_only_what_was_chosen(world, tmp_path, monkeypatch):
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c1", "c2", "c12"))
    visitor = await officer(world)
    await visitor.post(await shown(visitor, path))
    [offer] = await sent(world.node, "referral.offer")
    data = f"/r/{offer.message_id}/datos"
    assert (await visitor.get(data)).status == 404  # nobody accepted it
    assert (await visitor.post(data, {"v-surname_1": "Caal", "sale": "surname_1"})).status == 404
    await world.federation.settle()
    async with open_port(tmp_path, monkeypatch, world.federation, "gt.conamigua") as other:
        there = Visitor(other.base, session=await hired_at(other.desk, "officer@central", carrier=Carrier.COOKIE))
        assert (await there.post(f"/r/{offer.message_id}/aceptar")).location.endswith("hecho=aceptar")
        await world.federation.settle()
        assert f'href="{data}"' in (await visitor.get(f"/r/{offer.message_id}")).text
        form = await visitor.get(data)
        assert form.status == 200
        may = re.findall(r'name="sale" value="([^"]+)"', form.text)
        assert may, "the policy lets nothing leave in such an update"
        assert "checked" not in form.text
        assert "De qué son los datos: Persona buscada" in text_of(form)
        for odd in ("reporter", "custody", "nada", "<script>"):  # no record that the policy lets go with this
            other_kind = await visitor.get(f"{data}?tipo={odd}")
            assert 'name="tipo" value="missing-person"' in other_kind.text
        assert 'href="#tabla"' in (await visitor.post(data, {})).text
        held = dict(re.findall(r'name="(v-[^"]+)" value="([^"]+)"', form.text))
        one = next(name for name in may if f"v-{name}" in held)
        page = await visitor.post(data, {f"v-{one}": held[f"v-{one}"], "sale": one})
        assert page.status == 303, text_of(page)
        await visitor.post(page.location)
        [update] = await sent(world.node, "referral.update")
        assert {str(item.field) for record in update.records for item in record.disclosed} == {one}
        await world.federation.settle()
        link = f"{data}/{update.message_id}"
        assert f'href="{link}"' in (await there.get(f"/r/{offer.message_id}")).text
        assert "Los datos que llegaron" in text_of(await there.get(link))
        assert [leaf for leaf in await other.leaves() if leaf.get("detail") == f"received.open {update.message_id}"]
        assert (await there.get(f"{data}/{offer.message_id}")).status == 404


async def test_a_picture_of_the_referral_is_chosen_from_a_list_and_goes_with_its_data(tmp_path, monkeypatch):
    async with (
        simulated_federation(tmp_path, MBMID, DESK, "gt.minex") as federation,
        open_port(tmp_path, monkeypatch, federation, MBMID) as world,
        open_port(tmp_path, monkeypatch, federation, "gt.minex") as other,
    ):
        path, folio = await a_case(world)
        await says(federation, folio, said(ConsentAct.GIVEN, "c1", "c2", "c4", "c12"))
        visitor = await officer(world)
        await visitor.post(await shown(visitor, path, para="gt.minex", fin="locate-missing"))
        [offer] = await sent(world.node, "referral.offer")
        await federation.settle()
        there = Visitor(other.base, session=await hired_at(other.desk, "officer@central", carrier=Carrier.COOKIE))
        assert (await there.post(f"/r/{offer.message_id}/aceptar")).location.endswith("hecho=aceptar")
        await federation.settle()
        data = f"/r/{offer.message_id}/datos"
        stray = await added(visitor, "", "object")  # of no conversation: not to be chosen here
        attachment = await added(visitor, str(offer.message_id), "object")
        form = await visitor.get(data)
        assert f'<option value="{attachment}">' in form.text
        assert stray not in form.text
        wrong = await visitor.post(data, {"v-attachments": stray, "sale": "attachments"})
        assert wrong.status == 422
        assert 'href="#v-attachments"' in wrong.text
        page = await visitor.post(data, {"v-attachments": attachment, "sale": "attachments"})
        assert page.status == 303, text_of(page)
