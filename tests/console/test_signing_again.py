"""Whoever signs an answer a while after they came in shows again who they are: with all they have, by code or by passkey."""

import html
import re

import pytest

from gateway.people.sign_in import Carrier
from keys.passkeys import RelyingParty
from tests.console.test_answering import MBMID, arrived, asked, prepared
from tests.gateway.test_answers import at_slot
from tests.people.authenticator import Authenticator
from tests.people.factors import now_code, quicken, with_app
from tests.people.hired import PASSWORD, hired_at
from tests.people.test_passkeys import adding, options_of
from tests.people.world import NODE, OFFICE, open_world

OFFICER = "o.ficticia"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        quicken(found)
        object.__setattr__(found.desk, "site", RelyingParty(found.base, "consola.example"))
        await hired_at(found.desk, f"officer@{OFFICE}", login=OFFICER, carrier=Carrier.COOKIE)
        yield found


async def test_signing_later_wants_password_and_code(world):
    visitor, secret, _ = await with_app(world, OFFICER)
    review = await prepared(visitor, await asked(world))
    world.clock.forward(minutes=6)
    page = await visitor.get(review)
    assert 'name="clave"' in page.text
    assert 'name="codigo"' in page.text
    for given in (
        {}, {"clave": PASSWORD}, {"codigo": now_code(world, secret)}, {"clave": PASSWORD, "codigo": "000000"},
        {"clave": "no es, y es larga", "codigo": now_code(world, secret)},
    ):  # fmt: skip
        refused = await visitor.post(review, given)
        assert refused.status in {422, 429}, given
        assert "No se envió nada" in html.unescape(refused.text)
    world.clock.forward(minutes=2)
    signed = await visitor.post(review, {"clave": PASSWORD, "codigo": now_code(world, secret)})
    assert signed.location == review.replace("revisar", "enviada"), signed.text
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


async def test_signing_later_by_passkey_goes_by_confirming_and_comes_back(world):
    visitor, _, _ = await with_app(world, OFFICER)
    authenticator = Authenticator(world.base)
    assert (await adding(world, visitor, authenticator)).status == 303
    review = await prepared(visitor, await asked(world))
    world.clock.forward(minutes=6)
    page = await visitor.get(review)
    link = re.search(r'href="(/confirmar\?sigue=[^"]+)"', page.text)[1]
    assert link == f"/confirmar?sigue={review}"
    assert (await visitor.post(review)).status == 422
    assert f'value="{review}"' in (await visitor.get(link)).text
    await visitor.post("/confirmar/llave", {"sigue": review})
    options = options_of(await visitor.get(f"/confirmar/llave?sigue={review}"))
    back = await visitor.post("/confirmar/llave/respuesta", {"respuesta": authenticator.sign(options), "sigue": review})
    assert back.location == review
    assert "/confirmar" not in (await visitor.get(review)).text
    assert (await visitor.post(review)).location == review.replace("revisar", "enviada")
